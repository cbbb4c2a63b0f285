package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// A laidOut command is run on terminals of several widths. It ends with this exit code.
type laidOut struct {
	exit int
	args []string
}

// fits runs commands with their stdout on a terminal of 60, 80 and 120 columns. No line
// of it may be wider. It returns what each prints on 80.
func fits(t *testing.T, commands ...laidOut) []string {
	t.Helper()
	var printed []string
	for _, c := range commands {
		for _, width := range []int{60, 80, 120} {
			text := onTerminal(t, width, c)
			for line := range strings.Lines(text) {
				if got := runewidth.StringWidth(strings.TrimRight(line, "\r\n")); got > width {
					t.Errorf("%q in %d columns: %d in %q", c.args, width, got, line)
				}
			}
			if width == 80 {
				printed = append(printed, text)
			}
		}
	}
	return printed
}

// onTerminal returns what a command prints on a terminal, without colours.
func onTerminal(t *testing.T, width int, c laidOut) string {
	t.Helper()
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	terminal := openTerminal(t, width)
	if code := exitOf(terminal.start(t, stderr, c.args...).Wait()); code != c.exit {
		said, err := os.ReadFile(stderr.Name())
		t.Fatalf("%q: exit %d, want %d: %s, %v: %s", c.args, code, c.exit, said, err, terminal.text())
	}
	terminal.tty.Close()
	<-terminal.ended
	return regexp.MustCompile(`\x1b\[\d+m`).ReplaceAllString(terminal.text(), "")
}

// implausible is the object of a snapshot that lies in the future.
const implausible = "29991120T170000Z-3f9c2a.daily.db.zst"

// allKinds fills a directory with a series that has a snapshot of every kind: full and
// differential, pinned, encrypted, broken, implausible, and unknown to this machine.
func allKinds(t *testing.T, db, dir string) {
	t.Helper()
	t.Setenv("LIFEBOAT_CACHE_DIR", t.TempDir())
	identity := filepath.Join(t.TempDir(), "key.txt")
	run(t, "age-keygen", "-o", identity)
	recipient := strings.TrimSpace(run(t, "age-keygen", "-y", identity))
	url := "file://" + dir
	sqlite(t, db, "CREATE TABLE t (id INTEGER PRIMARY KEY, x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 6000) INSERT INTO t SELECT i, randomblob(1000) FROM n")
	lifeboat(t, 0, "backup", db, url)
	lifeboat(t, 0, "pin", url, "--snapshot", "latest")
	sqlite(t, db, "UPDATE t SET x = 1 WHERE id = 1")
	lifeboat(t, 0, "backup", db, url, "--always", "--age-recipient", recipient)
	lifeboat(t, 0, "backup", db, url, "--always", "--plaintext")
	for name, from := range map[string]string{
		"20260120T170000Z-3f9c2a.hourly.on-20260120T160000Z-9dc9bf.wal.zst": "*.wal.zst",
		implausible: "*.monthly.db.zst",
	} {
		found, err := filepath.Glob(filepath.Join(dir, from))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", from, found, err)
		}
		run(t, "cp", found[0], filepath.Join(dir, name))
	}
}

// What people read fits their terminal, whatever there is to say.
func TestFitsTerminal(t *testing.T) {
	needs.Time(t)
	db := smallDatabase(t)
	dir := filepath.Join(t.TempDir(), strings.Repeat("a-long-name/", 8), "app")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	url := "file://" + dir
	allKinds(t, filepath.Join(filepath.Dir(db), "kinds.db"), dir)
	config := filepath.Join(t.TempDir(), "lifeboat.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "databases:\n  - {path: %s, url: '%s'}\n", db, url), 0o600); err != nil {
		t.Fatal(err)
	}
	printed := fits(t,
		laidOut{0, []string{"list", url}}, laidOut{0, []string{"list", url, "--long"}},
		laidOut{0, []string{"show", url}},
		laidOut{9, []string{"status", url}}, laidOut{9, []string{"status", "--config", config}}, laidOut{0, []string{"config", "check", "--config", config}},
		laidOut{0, []string{"verify", url, "--sql", "SELECT count(*) > 100 FROM t WHERE length(x) > 5 AND id BETWEEN 1 AND 100000000", "--record"}},
		laidOut{7, []string{"verify", url, "--all", "--record"}},
		laidOut{0, []string{"doctor", url}},
		laidOut{0, []string{"restore", url, filepath.Join(t.TempDir(), "new.db"), "--dry-run"}},
		laidOut{0, []string{"backup", db, url + "2", "--always"}},
		laidOut{0, []string{"restore", url, db, "--replace"}},
		laidOut{0, []string{"drills", url}},
	)
	if err := os.Remove(filepath.Join(dir, implausible)); err != nil { // prune refuses where it is
		t.Fatal(err)
	}
	fits(t, laidOut{0, []string{"prune", url}})
	for _, want := range []string{
		`(?m)^2026\d{4}T\S+ +\d\d [A-Z][a-z][a-z] \d\d:\d\d +\d+[sm] +\S+ [KM]iB +full +pinned\r$`,
		`(?m)^20260120T\S+ .* broken +deleted\r$`,
		`broken: its base, 20260120T160000Z-9dc9bf, is not there, so never the latest\r\n`,
		`(?m)^2999\S+ .* implausible +deleted\r$`,
		`unknown: this machine has neither uploaded nor verified it`,
	} {
		if !regexp.MustCompile(want).MatchString(printed[0]) {
			t.Errorf("the list has no %s: %s", want, printed[0])
		}
	}
	// Columns give way before lines do.
	for want, args := range map[string][]string{
		`(?m)^2026\d{4}T\S+ +\d+[smh] +[\d.]+ [KM]iB +pinned\r$`: {"list", url},
		`what a backup has written\r\n {27}survives a power cut`: {"doctor", url},
	} {
		if shown := onTerminal(t, 60, laidOut{0, args}); !regexp.MustCompile(want).MatchString(shown) {
			t.Errorf("%q in 60 columns has no %s: %s", args, want, shown)
		}
	}
	if chain := regexp.MustCompile(`chain +(\S+)  full, .*\r\n +\+- \S+  differential, `); !chain.MatchString(printed[2]) {
		t.Errorf("no chain: %s", printed[2])
	}
}

// More snapshots than a terminal shows do not scroll away unnoticed, and not at all in a
// pipe.
func TestListOnATerminal(t *testing.T) {
	dir := t.TempDir()
	for i := range shownOnTerminal + 3 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("202601%02dT%02d0000Z-3f9c2a.daily.db.zst", i/24+1, i%24)), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	count := func(text string) int { return len(regexp.MustCompile(`(?m)^20260`).FindAllString(text, -1)) }
	url := "file://" + dir
	shown := onTerminal(t, 80, laidOut{0, []string{"list", url}})
	if count(shown) != shownOnTerminal || !strings.Contains(shown, "\nthe newest 50 of 53 snapshots; all of them:") {
		t.Errorf("%d snapshots: %s", count(shown), shown)
	}
	for n, args := range map[int][]string{52: {"--last", "52"}, 53: {"--since", "2026-01-01 00:00"}, 29: {"--since", "2026-01-02"}} {
		if got := count(onTerminal(t, 80, laidOut{0, append([]string{"list", url}, args...)})); got != n {
			t.Errorf("%q: %d snapshots", args, got)
		}
	}
	if got := count(run(t, "lifeboat", "list", url)); got != shownOnTerminal+3 {
		t.Errorf("%d snapshots in a pipe", got)
	}
}

// testFitsS3 is TestFitsTerminal for what only a store has.
func testFitsS3(t *testing.T, server *testserver.Server) {
	server.Setenv(t)
	bucket := server.Bucket(t)
	db, url := smallDatabase(t), "s3://"+bucket+"/"+strings.Repeat("a-long-name/", 8)+"app"
	lifeboat(t, 0, "backup", db, url)
	plan := laidOut{0, []string{"lifecycle", "plan", url}}
	show := laidOut{0, []string{"lifecycle", "show", url}}
	fits(t, plan, show, laidOut{0, []string{"doctor", url}})
	lifeboat(t, 0, "lifecycle", "apply", url)
	lifeboat(t, 0, "lifecycle", "freeze", url)
	fits(t, plan, show, laidOut{0, []string{"list", url}}, laidOut{0, []string{"status", url}}, laidOut{0, []string{"lifecycle", "freeze", url}},
		laidOut{0, []string{"series", "s3://" + bucket}}, laidOut{0, []string{"restore", url, "new.db", "--dry-run"}}, laidOut{0, []string{"backup", db, url}})
}

// run returns what a program prints.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return string(out)
}
