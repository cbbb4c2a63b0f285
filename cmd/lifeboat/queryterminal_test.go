package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// asked makes a database with a snapshot in a directory, and returns its bucket URL.
func asked(t *testing.T) string {
	t.Helper()
	db, url := filepath.Join(t.TempDir(), "app.db"), "file://"+t.TempDir()
	sqlite(t, db, "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer, note); INSERT INTO orders VALUES (7, 'one whose name is longer than it should be', NULL), (8, char(27, 10) || '[31m', x'00ff'); CREATE VIEW v AS SELECT 1")
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	t.Setenv("TMPDIR", t.TempDir())
	b, err := upload.Open(t.Context(), url, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := upload.Backup(t.Context(), b, db, upload.BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	return url
}

// A table fits the terminal, and a line below it says what it cost.
func TestQueryOnATerminal(t *testing.T) {
	needs.Time(t)
	url := asked(t)
	for width, want := range map[int]string{
		40: "id  customer                     note\n 7  one whose na...it should be  NULL\n 8  \\x1b\\n[31m                   x'00ff'\n",
		80: "id  customer                                    note\n 7  one whose name is longer than it should be  NULL\n 8  \\x1b\\n[31m                                  x'00ff'\n",
	} {
		terminal := openTerminal(t, width)
		command := terminal.start(t, nil, "query", url, "SELECT * FROM orders")
		if err := command.Wait(); err != nil {
			t.Error(err)
		}
		terminal.closed(t, want, "2 rows of snapshot")
		if text := strings.Join(strings.Fields(terminal.text()), " "); !strings.Contains(text, "taken ") || !strings.Contains(text, " fetched in ") {
			t.Errorf("%q", text)
		}
	}
}

// More rows than people read are an error, unless they are asked for.
func TestQueryManyRowsOnATerminal(t *testing.T) {
	needs.Time(t)
	url := asked(t)
	const many = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i < 1001) SELECT i FROM n"
	for exit, args := range map[int][]string{0: {"--max-rows", "0"}, 64: nil} {
		terminal := openTerminal(t, 80)
		command := terminal.start(t, nil, append([]string{"query", url, many}, args...)...)
		want := "1,001 rows of snapshot 2"
		if exit != 0 {
			want = "the first 1,000 are printed\r\nhint: --max-rows 0"
		}
		terminal.gets(t, want)
		if got := exitOf(command.Wait()); got != exit || strings.Contains(terminal.text(), "1001\r\n") != (exit == 0) {
			t.Errorf("%v: exit %d: %q", args, got, terminal.text())
		}
	}
}

// An interrupt ends a query, and leaves nothing behind.
func TestQueryInterrupted(t *testing.T) {
	needs.Time(t)
	url := asked(t)
	terminal := openTerminal(t, 80)
	command := terminal.start(t, nil, "query", url, "SELECT id FROM orders WHERE id = 7; WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n) SELECT max(i) FROM n")
	terminal.gets(t, "id\r\n 7\r\n")
	if _, err := terminal.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	if got := exitOf(command.Wait()); got != 130 {
		t.Errorf("exit %d: %q", got, terminal.text())
	}
	checkEmpty(t, os.Getenv("TMPDIR"))
}

// The shell answers what is typed, goes on after what is wrong, and gives the terminal
// back as it was.
func TestQueryShell(t *testing.T) {
	needs.Time(t)
	url := asked(t)
	terminal := openTerminal(t, 80)
	if err := pty.Setsize(terminal.tty, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	command := terminal.start(t, nil, "query", url, "--param", "id=7")
	terminal.awaits(t, "^lifeboat>")
	for _, step := range [][2]string{
		{".tables\r", "v +view"},
		{".schema orders\r", "^CREATE TABLE orders \\(id INTEGER PRIMARY KEY, customer, note\\);"},
		{"SELECT count(*)\r", "^ +\\.\\.\\.>"},
		{"FROM orders WHERE id = :id;\r", "^ +1$"},
		{"SELECT custom FROM orders;\r", "^error: no such column: custom"},
		{"SELECT :other;\r", "^error: parameter :other has no value"},
		{"SELECT 4 + 4;\r", "^ +8$"},
		{".open x\r", "^error: \\.open x is not known here"},
		{"\x1b[A\x1b[A\x7f\x7f1 AS again;\r", "^ +5$"}, // the line before, without its end
		{".quit\r", "^3 rows of snapshot 2"},
	} {
		if _, err := terminal.WriteString(step[0]); err != nil {
			t.Fatal(err)
		}
		terminal.awaits(t, step[1])
		if step[0] != ".quit\r" {
			terminal.await(t, func() bool { return strings.HasSuffix(terminal.text(), "> ") })
		}
	}
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
	checkEmpty(t, os.Getenv("TMPDIR"))
}

// What is typed while a query runs is shown at the next prompt, and only there.
func TestQueryShellTypedAhead(t *testing.T) {
	needs.Time(t)
	url := asked(t)
	terminal := openTerminal(t, 80)
	if err := pty.Setsize(terminal.tty, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	command := terminal.start(t, nil, "query", url)
	keys := func(text string) {
		t.Helper()
		if _, err := terminal.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	terminal.awaits(t, "^lifeboat>")
	keys("WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i < 12000000) SELECT count(*) FROM n;\r")
	terminal.await(t, func() bool {
		settings, err := unix.IoctlGetTermios(int(terminal.tty.Fd()), unix.TCGETS)
		return err == nil && settings.Lflag&unix.ICANON != 0 && settings.Lflag&unix.ECHO == 0
	})
	keys("SELECT 'ahead', 1 + 1;\r")
	terminal.awaits(t, "^ahead +2")
	keys(".quit\r")
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
	terminal.awaits(t, "^2 rows of snapshot")
	if text := terminal.text(); strings.Count(text, "1 + 1;") != 1 || !strings.Contains(text, "lifeboat> SELECT 'ahead', 1 + 1;") {
		t.Errorf("%q", text)
	}
}
