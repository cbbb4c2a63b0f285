package doctor

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// remoteKind returns what kind of file system a directory is on if that is not
// one of this machine, else "". The numbers are those of linux/magic.h and, for
// CIFS, SMB2 and FUSE, of statfs(2).
func remoteKind(dir string) (string, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return "", fmt.Errorf("statfs %s: %w", dir, err)
	}
	return map[uint32]string{
		unix.NFS_SUPER_MAGIC: "NFS", unix.SMB_SUPER_MAGIC: "SMB", 0xff534d42: "CIFS", 0xfe534d42: "SMB",
		unix.FUSE_SUPER_MAGIC: "FUSE", unix.V9FS_MAGIC: "9p", unix.AFS_SUPER_MAGIC: "AFS", 0x00c36400: "Ceph",
	}[uint32(s.Type)], nil
}
