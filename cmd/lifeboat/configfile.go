package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// defaultConfig is the name of the file of databases that is looked for where no flag
// and no variable names one.
const defaultConfig = "lifeboat.yaml"

// systemConfig is the directory of the machine's configuration.
var systemConfig = "/etc/lifeboat"

// configDirs are where the file is looked for, the first that has one: the working
// directory, the user's configuration
// (https://specifications.freedesktop.org/basedir-spec/latest/) and the machine's.
func configDirs(getenv func(string) string) []string {
	dirs := []string{""}
	if user := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(user) {
		dirs = append(dirs, filepath.Join(user, "lifeboat"))
	} else if home := getenv("HOME"); filepath.IsAbs(home) {
		dirs = append(dirs, filepath.Join(home, ".config", "lifeboat"))
	}
	return append(dirs, systemConfig)
}

// file returns the configuration: the file that is named, or else the one that is found.
// If there is none, it is that of the working directory.
func (f *onlyFlags) file() string {
	if f.Config != "" {
		return f.Config
	}
	for _, dir := range configDirs(os.Getenv) {
		path := filepath.Join(dir, defaultConfig)
		if _, err := os.Lstat(path); err == nil {
			return path
		}
	}
	return defaultConfig
}

// noConfig says that there is no configuration, and where it was looked for.
func noConfig() string {
	return fmt.Sprintf("there is no %s here, nor in %s", defaultConfig, strings.Join(configDirs(os.Getenv)[1:], " or "))
}

// trusted returns an error for a file of databases that no flag has named, if another
// user could have written it: it says what this one's commands do.
func trusted(path string) error {
	for _, look := range []func(string) (os.FileInfo, error){os.Lstat, os.Stat} {
		info, err := look(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // reading it says so
		}
		if err != nil {
			return usage("%w", err)
		}
		if !ownersAlone(info) {
			return &hinted{usage("%s is not used, because another user could write it", path), "name it, if it is yours: --config " + path}
		}
	}
	return nil
}

// ownersAlone reports whether only root and this user can have written a file.
func ownersAlone(info os.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	isLink := info.Mode()&fs.ModeSymlink != 0
	return ok && (s.Uid == 0 || int(s.Uid) == os.Geteuid()) && (isLink || info.Mode()&0o022 == 0)
}
