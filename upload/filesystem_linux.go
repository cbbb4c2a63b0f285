package upload

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// fileSystem returns the bytes that are free for us where a directory is, and
// the kind of file system if it is not of this machine, else "". The numbers
// are those of linux/magic.h and, for CIFS, SMB2 and FUSE, of statfs(2).
func fileSystem(dir string) (free uint64, remote string, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, "", fmt.Errorf("statfs %s: %w", dir, err)
	}
	remote = map[uint32]string{
		unix.NFS_SUPER_MAGIC: "NFS", unix.SMB_SUPER_MAGIC: "SMB", 0xff534d42: "CIFS", 0xfe534d42: "SMB",
		unix.FUSE_SUPER_MAGIC: "FUSE", unix.V9FS_MAGIC: "9p", unix.AFS_SUPER_MAGIC: "AFS", 0x00c36400: "Ceph",
	}[uint32(s.Type)]
	return s.Bavail * uint64(s.Bsize), remote, nil
}
