package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// namelessPrefix begins the names that nameless files have for a moment.
const namelessPrefix = "lifeboat-nameless-"

// unnamed makes a temp file and removes its name at once. A kill in between
// leaves an empty file, which a later call removes.
func unnamed(dir string) (*os.File, error) {
	entries, _ := os.ReadDir(dir) // else CreateTemp returns the error
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), namelessPrefix) || !entry.Type().IsRegular() {
			continue
		}
		if info, err := entry.Info(); err == nil && info.Size() == 0 && time.Since(info.ModTime()) > unlockedAge {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
	file, err := os.CreateTemp(dir, namelessPrefix+"*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
