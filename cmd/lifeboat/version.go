package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// version is set by the linker.
var version string

func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

type versionCmd struct {
	JSON bool `name:"json" help:"Print one JSON document."`
}

// versionDocument is what version --json prints.
type versionDocument struct {
	Version       string `json:"version"`
	Go            string `json:"go"`
	Platform      string `json:"platform"`
	SQLite        string `json:"sqlite"`
	ArchiveFormat int    `json:"archive_format"` // the newest that it reads
}

// Run implements the command.
func (v versionCmd) Run(c *console) error {
	sqlite, _, _ := sqlite3.Version()
	d := versionDocument{
		Version: programVersion(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		SQLite: sqlite, ArchiveFormat: snapshot.Format,
	}
	return c.result(v.JSON, d, fmt.Sprintf("lifeboat %s (%s, %s, SQLite %s, archive format %d)\n",
		d.Version, d.Go, d.Platform, d.SQLite, d.ArchiveFormat))
}
