package cache

import (
	"os"
	"path/filepath"
	"time"
)

const (
	// unused is after how long without a run the directory of a series is removed: its
	// database is gone, or has another name or bucket URL by now.
	unused = 31 * 24 * time.Hour
	// sweeps is how often it is looked for such directories: there may be thousands.
	sweeps = 24 * time.Hour
	// sweptName is a file in the cache directory that says when that was.
	sweptName = "swept"
)

// sweep notes that the series of the directory own is in use, and removes those beside
// it that are not. What it may not do stays undone: it only saves space.
func sweep(own string, now time.Time) {
	os.Chtimes(own, now, now)
	dir := filepath.Dir(own)
	mark := filepath.Join(dir, sweptName)
	if info, err := os.Lstat(mark); err == nil && now.Sub(info.ModTime()).Abs() < sweeps {
		return
	}
	// Others may have the right to write here: what is in the place of the mark goes.
	os.RemoveAll(mark)
	f, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return // another run is at it
	}
	f.Close()
	os.Chtimes(mark, now, now)
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && isPlace(entry.Name()) && now.Sub(info.ModTime()) > unused {
			os.RemoveAll(filepath.Join(dir, entry.Name()))
		}
	}
}
