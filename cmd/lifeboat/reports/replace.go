package reports

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ReplaceFile replaces a file, whole, with one that all may read, or leaves it as it is.
// It also removes the temp files that killed runs of this user left beside it more than
// a day ago.
func ReplaceFile(path string, write func(f *os.File) error) error {
	sweepTemps(path)
	// The collector of metrics reads *.prom alone.
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// sweepTemps removes this user's temp files for a file that killed runs left more
// than a day ago. One that stays does no harm, and the next run tries again.
func sweepTemps(path string) {
	dir, prefix := filepath.Dir(path), "."+filepath.Base(path)+"."
	entries, _ := os.ReadDir(dir) // what was read counts
	for _, e := range entries {
		middle, isTemp := strings.CutSuffix(e.Name(), ".tmp")
		middle, isOurs := strings.CutPrefix(middle, prefix)
		if !isTemp || !isOurs || middle == "" || strings.Trim(middle, "0123456789") != "" {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < 24*time.Hour {
			continue
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) == os.Geteuid() {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
