package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

func printFiles(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // it went in between
			return nil
		}
		if err == nil && !entry.IsDir() {
			fmt.Println(path)
		}
		return err
	})
}

func show(path string) error {
	text, err := os.ReadFile(path)
	if err == nil {
		_, err = os.Stdout.Write(text)
	}
	return err
}

func remove(paths []string) error {
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

func own(dir, user, mode string) error {
	uid, err := strconv.Atoi(user)
	if err != nil {
		return err
	}
	bits, err := strconv.ParseUint(mode, 8, 12)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(dir, fs.FileMode(bits)); err != nil { // whatever the umask
		return err
	}
	return os.Chown(dir, uid, uid)
}
