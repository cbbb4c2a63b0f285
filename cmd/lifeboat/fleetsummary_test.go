package main

import (
	"os"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

// At a terminal the errors and the summary of a run over many databases are one screen,
// whatever goes wrong: here half of them.
func TestSummaryIsOneScreen(t *testing.T) {
	bucket := t.TempDir()
	dir := newFleet(t, "file://"+bucket)
	t.Chdir(dir)
	if err := os.WriteFile("lifeboat.yaml", []byte("databases: [{path: 'tenants/*/data.db', url: 'file://"+bucket+"/{dir}'}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range tenantsOf / 2 {
		if err := os.WriteFile(tenant(dir, i), []byte(strings.Repeat("no database. ", 500)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	terminal := openTerminal(t, 80)
	code := exitOf(terminal.start(t, terminal.tty, "backup", "--config", "lifeboat.yaml").Wait())
	terminal.tty.Close()
	<-terminal.ended
	text := terminal.shows().String()
	if code != exitIncomplete {
		t.Errorf("exit %d", code)
	}
	for _, want := range []string{"40 databases: 20 uploaded, 0 unchanged, 20 not backed up; ", "\n15 more errors are not shown: --json has them", "\nnew: 20, such as tenants/t020/data.db, ", "error: 20 of 40 databases failed: tenants/t000/data.db (exit 4), "} {
		if !strings.Contains(strings.ReplaceAll(text, "\n  ", " "), want) {
			t.Errorf("no %q", want)
		}
	}
	if n := strings.Count(text, "not a SQLite database"); n != shownErrors {
		t.Errorf("%d errors are shown", n)
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for _, line := range lines {
		if runewidth.StringWidth(line) > 80 {
			t.Errorf("wider than the terminal: %q", line)
		}
	}
	if len(lines) > 24 || t.Failed() {
		t.Errorf("%d lines: %s", len(lines), text)
	}
}
