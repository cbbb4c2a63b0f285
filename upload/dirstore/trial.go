package dirstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/trial"
)

// Trial implements trial.DirectoryBucket.
func (b *directory) Trial() trial.Directory { return &fileTrial{bucket: b} }

// A fileTrial is one trial of a directory on its way.
type fileTrial struct {
	bucket *directory
	temp   string // a synced file, "" if there is none
}

// Write implements trial.Directory.
func (x *fileTrial) Write(content []byte) (err error) {
	x.temp, err = x.bucket.writeTemp(func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	return err
}

// Sync implements trial.Directory.
func (x *fileTrial) Sync() error { return disk.SyncDir(x.bucket.url.Dir) }

// placed returns the second name that the file is given.
func (x *fileTrial) placed() string {
	return strings.TrimSuffix(x.temp, tempSuffix) + "-placed" + tempSuffix
}

// Place implements trial.Directory: in the order of place.
func (x *fileTrial) Place() (means string, err error) {
	err = os.Link(x.temp, x.placed())
	if err == nil {
		return "hard links", nil
	}
	if disk.RenameNew(x.temp, x.placed()) == nil {
		return "a rename that does not replace", nil
	}
	return "", err
}

// Remove implements trial.Directory.
func (x *fileTrial) Remove() error {
	for _, path := range []string{x.placed(), x.temp} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete a file: %w", err)
		}
	}
	return nil
}

// Close implements trial.Directory.
func (x *fileTrial) Close() (left []string) {
	if x.temp == "" {
		return nil
	}
	for _, path := range []string{x.temp, x.placed()} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			left = append(left, path)
		}
	}
	return left
}
