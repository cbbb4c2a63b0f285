package main

import (
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore"
)

// suggestAfter tells people at a terminal how to check what was restored, and how to
// go back to the old database.
func suggestAfter(c *console, r restore.Result) {
	c.suggest("to check it", "sqlite3 "+terminal.Quote(r.Target)+" 'PRAGMA quick_check'")
	if back := wayBack(r); back != "" {
		c.suggest("to go back to the old database, when no application has this one open", back)
	}
}

// wayBack returns the command that puts the old database back, "" if no main file was
// kept. A -wal or -journal of the restored one must be gone before: SQLite would apply
// it to the old one.
func wayBack(r restore.Result) string {
	target := terminal.Quote(r.Target)
	words := []string{"rm -f"}
	for _, end := range sidecars {
		words = append(words, terminal.Quote(r.Target+end))
	}
	main := ""
	for _, kept := range r.Kept {
		if end := sidecarOf(kept); end != "" {
			words = append(words, "&& mv", terminal.Quote(kept), terminal.Quote(r.Target+end))
		} else {
			main = terminal.Quote(kept)
		}
	}
	if main == "" {
		return ""
	}
	return strings.Join(append(words, "&& mv", main, target), " ")
}

// sidecars are what the names of a database's other files end with.
var sidecars = []string{"-wal", "-shm", "-journal"}

// sidecarOf returns with what the name of a kept sidecar ends, "" for a main file.
func sidecarOf(kept string) string {
	for _, end := range sidecars {
		if strings.HasSuffix(kept, end) {
			return end
		}
	}
	return ""
}
