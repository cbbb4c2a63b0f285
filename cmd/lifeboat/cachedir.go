package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/cache"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// cacheFlag is where it is kept what this machine knows of its snapshots.
type cacheFlag struct {
	CacheDir string `type:"path" placeholder:"DIR" group:"Store" help:"Where this machine keeps what it knows of its snapshots."`
}

func (f cacheFlag) cacheDir() string { return cacheDir(f.CacheDir, os.Getenv) }

// forget has the next backup on this machine ask the store whether its newest snapshot is
// there and held, because that was retired, or a snapshot that it names is gone. The
// items are what was. What fails leaves that to --confirm-every.
func (f cacheFlag) forget(ctx context.Context, c *console, b bucket.Bucket, changed ...lifecycle.Item) {
	if f.cacheDir() == "" || len(changed) == 0 {
		return
	}
	known, err := cache.Find(f.cacheDir(), b, series.DatabaseName(changed[len(changed)-1].Tags), "")
	if err != nil {
		c.log.Debug("the cache of this machine does not know the series", "reason", err)
		return
	}
	state, err := known.State()
	if err == nil && slices.ContainsFunc(state.Chain, func(o bucket.Object) bool {
		return slices.ContainsFunc(changed, func(i lifecycle.Item) bool { return i.Object.Name == o.Name })
	}) {
		err = known.ForgetState(ctx)
	}
	if err != nil && !errors.Is(err, cache.ErrUnknown) {
		c.log.Debug("the cache does not forget when the newest snapshot was confirmed", "reason", err)
	}
}

// cacheDir returns the cache directory that was asked for, or else that of a systemd
// unit (https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#RuntimeDirectory=),
// or the user's (https://specifications.freedesktop.org/basedir-spec/latest/). It is ""
// if there is none.
func cacheDir(asked string, getenv func(string) string) string {
	if asked != "" {
		return asked
	}
	if unit, _, _ := strings.Cut(getenv("CACHE_DIRECTORY"), ":"); filepath.IsAbs(unit) {
		return unit
	}
	if user := getenv("XDG_CACHE_HOME"); filepath.IsAbs(user) {
		return filepath.Join(user, "lifeboat")
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".cache", "lifeboat")
	}
	return ""
}
