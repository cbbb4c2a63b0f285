package s3store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// partPrefix begins the names that spooled parts have for a moment.
const partPrefix = "lifeboat-part-"

// unnamed makes a temp file and removes its name at once. A kill in between
// leaves an empty file, which a later call removes.
func unnamed(dir string) (*os.File, error) {
	entries, _ := os.ReadDir(dir) // else CreateTemp returns the error
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), partPrefix) || !entry.Type().IsRegular() {
			continue
		}
		if info, err := entry.Info(); err == nil && info.Size() == 0 && time.Since(info.ModTime()) > leftAge {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
	file, err := os.CreateTemp(dir, partPrefix+"*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
