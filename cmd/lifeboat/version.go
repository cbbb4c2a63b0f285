package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// version is set by the linker.
var version string

// A build describes the program's own build.
type build struct {
	version  string
	commit   string // "" if it is not known
	modified bool   // not all of it was committed
}

// thisBuild returns the version that the linker set, or that of the build info, as
// 1.2.3.
func thisBuild(linked string, info *debug.BuildInfo) build {
	b := build{version: linked}
	if info != nil {
		b.version = cmp.Or(b.version, info.Main.Version)
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.commit = s.Value
			case "vcs.modified":
				b.modified = s.Value == "true"
			}
		}
	}
	b.version = cmp.Or(strings.TrimPrefix(b.version, "v"), "unknown")
	return b
}

func programVersion() string {
	info, _ := debug.ReadBuildInfo()
	return thisBuild(version, info).version
}

type versionCmd struct {
	JSON bool `name:"json" help:"Print one JSON document."`
}

// versionDocument is what version --json prints.
type versionDocument struct {
	Version       string `json:"version"`
	Commit        string `json:"commit,omitempty"`
	Modified      bool   `json:"modified"` // not all of what it was built from is in the commit
	Go            string `json:"go"`
	Platform      string `json:"platform"`
	SQLite        string `json:"sqlite"`
	ArchiveFormat int    `json:"archive_format"` // the newest that it reads
}

// Run implements the command.
func (v versionCmd) Run(c *console) error {
	sqlite, _, _ := sqlite3.Version()
	info, _ := debug.ReadBuildInfo()
	b := thisBuild(version, info)
	d := versionDocument{
		Version: b.version, Commit: b.commit, Modified: b.modified,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		SQLite: sqlite, ArchiveFormat: snapshot.Format,
	}
	commit := ""
	if b.commit != "" {
		commit = "commit " + b.commit[:min(12, len(b.commit))] + ", "
		if b.modified {
			commit = "modified since " + commit
		}
	}
	return c.result(v.JSON, d, fmt.Sprintf("lifeboat %s (%s%s, %s, SQLite %s, archive format %d)\n",
		d.Version, commit, d.Go, d.Platform, d.SQLite, d.ArchiveFormat))
}
