package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// checkNames fails if another user than root can rename a directory on the way
// into dir, or what root makes in it. dir is absolute and without symlinks.
func checkNames(dir string) error {
	top, err := os.Lstat("/")
	if err != nil {
		return err
	}
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil {
			return err
		}
		if err := checkNamesIn(at, info, top); err != nil {
			return err
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// checkNamesIn is checkNames for one directory. The owner of the top is trusted:
// in a user namespace it need not be root.
func checkNamesIn(path string, dir, top os.FileInfo) error {
	const othersWrite = 0o022
	owner := dir.Sys().(*syscall.Stat_t).Uid
	switch {
	case owner != 0 && owner != top.Sys().(*syscall.Stat_t).Uid:
		return fmt.Errorf("root must not work below %s: it belongs to user %d, who can rename what root makes there", path, owner)
	case dir.Mode()&othersWrite != 0 && dir.Mode()&os.ModeSticky == 0 && !isVolume(path, dir):
		return fmt.Errorf("root must not work below %s: others than its owner can rename what root makes there (chmod +t ends that)", path)
	}
	return nil
}

// isVolume reports whether a volume is mounted at path. Kubernetes mounts an
// emptyDir open to all, for the containers of one pod.
func isVolume(path string, dir os.FileInfo) bool {
	above, err := os.Lstat(filepath.Dir(path))
	return err == nil && above.Sys().(*syscall.Stat_t).Dev != dir.Sys().(*syscall.Stat_t).Dev
}
