package restore

import (
	"os"

	"golang.org/x/sys/unix"
)

// isMountPoint reports whether the file itself is mounted, as Kubernetes' subPath
// and docker -v do with single files.
func isMountPoint(path string, file, dir os.FileInfo) bool {
	var s unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &s)
	if err == nil && s.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return s.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
	}
	return device(file) != device(dir)
}

// isImmutable reports whether the file system refuses to rename over the file.
func isImmutable(path string) bool {
	var s unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &s)
	return err == nil && s.Attributes&(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) != 0
}
