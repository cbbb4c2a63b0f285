package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/term"
)

// widths are those at which everything is looked at.
var widths = []int{60, 80, 120}

// atTerminal sets what programs at a terminal need, and returns the terminal.
func atTerminal(t *testing.T, width int) *emulator {
	t.Helper()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	return openTerminal(t, width)
}

// ends waits for the end of a program and of its output, of which no line may be wider
// than the terminal, and returns what the terminal shows.
func (t *emulator) ends(tb testing.TB, wait func() error, exit int) string {
	tb.Helper()
	if code := exitOf(wait()); code != exit {
		tb.Errorf("exit %d, want %d", code, exit)
	}
	t.tty.Close()
	<-t.ended
	s := t.shows()
	if s.wrapped || s.wrong != "" {
		tb.Errorf("wider than %d: %v, not understood: %s: %q", t.width, s.wrapped, s.wrong, t.text())
	}
	return s.String()
}

// storeAt sets the settings for a store that takes all keys.
func storeAt(t *testing.T, endpoint string) {
	t.Helper()
	for name, value := range map[string]string{"AWS_ENDPOINT_URL_S3": endpoint, "AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "something", "AWS_REGION": "us-east-1"} {
		t.Setenv(name, value)
	}
}

// A failure that may pass is one note, which is gone when the error has its text.
func TestOutageOnATerminal(t *testing.T) {
	storeAt(t, refusingEndpoint)
	host := strings.TrimPrefix(refusingEndpoint, "http://")
	for _, width := range widths {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			tty := atTerminal(t, width)
			command := tty.start(t, nil, "list", "s3://bucket/app", "--retry-for", "4s")
			tty.showed(t, "^warning: cannot reach "+host+` \(connection refused\)`)
			tty.showed(t, "trying again for [1-4]s$")
			shown := tty.ends(t, command.Wait, exitUnreachable)
			if strings.Contains(shown, "warning:") || strings.Count(shown, "error: ") != 1 || !strings.Contains(shown, "hint: is AWS_ENDPOINT_URL_S3 right?") {
				t.Errorf("it shows in the end\n%s", shown)
			}
		})
	}
}

// A terminal that cannot rewrite shows the note once.
func TestOutageOnADumbTerminal(t *testing.T) {
	storeAt(t, refusingEndpoint)
	for name, c := range map[string]struct {
		term string
		more []string
	}{"dumb": {term: "dumb"}, "quiet": {"xterm", []string{"--quiet"}}} {
		t.Run(name, func(t *testing.T) {
			tty := atTerminal(t, 80)
			t.Setenv("TERM", c.term)
			command := tty.start(t, nil, append([]string{"list", "s3://bucket/app", "--retry-for", "4s"}, c.more...)...)
			if shown := tty.ends(t, command.Wait, exitUnreachable); strings.Count(shown, "warning: cannot reach") != 1 {
				t.Errorf("it shows\n%s", shown)
			}
		})
	}
}

// A store that soon answers again takes the note away; what is still true stays.
func TestOutagePasses(t *testing.T) {
	var requests atomic.Int32
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) <= 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if !r.URL.Query().Has("list-type") {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `<Error><Code>NoSuchLifecycleConfiguration</Code></Error>`)
			return
		}
		fmt.Fprint(w, `<ListBucketResult><Name>bucket</Name></ListBucketResult>`)
	}))
	defer store.Close()
	storeAt(t, store.URL)
	tty := atTerminal(t, 80)
	command := tty.start(t, nil, "list", "s3://bucket/app", "--retry-for", "2m")
	tty.showed(t, `^warning: the store failed \(ServiceUnavailable\), trying again for`)
	if shown := tty.ends(t, command.Wait, exitDone); !regexp.MustCompile(`^warning: there is no snapshot in s3://bucket/app\n`).MatchString(shown) || strings.Contains(shown, "503") || strings.Contains(shown, "answers again") {
		t.Errorf("it shows in the end\n%s: %q", shown, tty.text())
	}
}

// shortDir returns a temp directory whose name fits into the line of any terminal.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "a")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// threeSnapshots returns the bucket URL of a series of three snapshots, and their IDs.
func threeSnapshots(t *testing.T, db string) (url string, ids []string) {
	t.Helper()
	url = "file://" + t.TempDir()
	for i := range 3 {
		sqlite(t, db, fmt.Sprintf("CREATE TABLE IF NOT EXISTS n (n); INSERT INTO n VALUES (%d)", i))
		out := lifeboat(t, exitDone, "backup", db, url)
		ids = append(ids, regexp.MustCompile(`snapshot (\S+)`).FindStringSubmatch(out)[1])
	}
	return url, ids
}

// At a terminal restore offers the last snapshots.
func TestRestoreAsks(t *testing.T) {
	db := smallDatabase(t)
	url, ids := threeSnapshots(t, db)
	for name, c := range map[string]struct {
		keys string
		exit int
		want string // the snapshot
	}{
		"enter":     {"\r", exitDone, ids[2]},
		"down":      {"\x1b[B\r", exitDone, ids[1]},
		"far down":  {"\x1b[B\x1b[B\x1b[B\x1b[B\r", exitDone, ids[0]},
		"up again":  {"\x1b[B\x1b[A\r", exitDone, ids[2]},
		"a number":  {"3\r", exitDone, ids[0]},
		"interrupt": {"\x1b[B\x03", 130, ""},
		"q":         {"q", 130, ""},
		"escape":    {"\x1b", 130, ""},
	} {
		for _, width := range append([]int{40}, widths...) {
			t.Run(fmt.Sprintf("%s at %d", name, width), func(t *testing.T) {
				tty := atTerminal(t, width)
				before, err := term.GetState(int(tty.tty.Fd()))
				if err != nil {
					t.Fatal(err)
				}
				command := tty.start(t, nil, "restore", url, filepath.Join(shortDir(t), "new.db"))
				tty.awaits(t, `^>  1 20\d\d-\d\d-\d\d \d\d:\d\d .* (full|[KM]?i?B)$`)
				tty.awaits(t, `^   3 20.* (full|[KM]?i?B)$`)
				if _, err := tty.Write([]byte(c.keys)); err != nil {
					t.Fatal(err)
				}
				if code := exitOf(command.Wait()); code != c.exit {
					t.Errorf("exit %d", code)
				}
				after, err := term.GetState(int(tty.tty.Fd()))
				if err != nil || !reflect.DeepEqual(before, after) {
					t.Errorf("the terminal is left as %+v, not %+v: %v", after, before, err)
				}
				shown := tty.ends(t, func() error { return nil }, 0)
				if c.want != "" && !strings.Contains(strings.Join(strings.Fields(shown), " "), "restored: snapshot "+c.want) {
					t.Errorf("it shows\n%s", shown)
				}
			})
		}
	}
}

// A signal ends the question, and the terminal is as it was.
func TestRestoreAsksUntilTerminated(t *testing.T) {
	db := smallDatabase(t)
	url, _ := threeSnapshots(t, db)
	tty := atTerminal(t, 80)
	before, err := term.GetState(int(tty.tty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	command := tty.start(t, nil, "restore", url, filepath.Join(t.TempDir(), "new.db"))
	tty.awaits(t, "^>  1 ")
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := exitOf(command.Wait()); code != 143 {
		t.Errorf("exit %d", code)
	}
	if after, err := term.GetState(int(tty.tty.Fd())); err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("the terminal is left as %+v, not %+v: %v", after, before, err)
	}
	tty.ends(t, func() error { return nil }, 0)
}

// Nothing is asked where nobody may be there to answer, or the answer is known.
func TestRestoreDoesNotAsk(t *testing.T) {
	db := smallDatabase(t)
	url, ids := threeSnapshots(t, db)
	for _, c := range []struct {
		exit int
		args []string
	}{
		{exitDone, []string{"--no-input"}}, {exitDone, []string{"--quiet"}}, {exitDone, []string{"--json"}}, {exitDone, []string{"--snapshot", ids[0]}},
		{exitDone, []string{"--at", "2100-01-01"}}, {exitDone, []string{"--if-missing"}}, {exitDone, []string{"--allow-empty"}},
	} {
		tty := atTerminal(t, 80)
		command := tty.start(t, nil, append([]string{"restore", url, filepath.Join(t.TempDir(), "new.db")}, c.args...)...)
		if shown := tty.ends(t, command.Wait, c.exit); strings.Contains(shown, "Which snapshot") {
			t.Errorf("%v: it shows\n%s", c.args, shown)
		}
	}
	tty := atTerminal(t, 80)
	command := tty.start(t, nil, "restore", url, db)
	if shown := tty.ends(t, command.Wait, exitTarget); strings.Contains(shown, "Which snapshot") {
		t.Errorf("over a database that is there it shows\n%s", shown)
	}
	if out := lifeboat(t, exitDone, "restore", url, filepath.Join(t.TempDir(), "new.db")); strings.Contains(out, "Which") || strings.Contains(out, "to check it") {
		t.Errorf("without a terminal it prints\n%s", out)
	}
}

// The commands after a restore, pasted into a shell, check and go back.
func TestAfterRestore(t *testing.T) {
	for _, width := range widths {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			name := "it's.db"
			if width < 80 {
				name = "a.db" // no word of a command is broken
			}
			db := filepath.Join(shortDir(t), name)
			if err := os.Rename(smallDatabase(t), db); err != nil {
				t.Fatal(err)
			}
			url, ids := threeSnapshots(t, db)
			sqlite(t, db, "INSERT INTO n VALUES (99)")
			tty := atTerminal(t, width)
			command := tty.start(t, nil, "restore", url, db, "--replace", "--snapshot", ids[0])
			shown := tty.ends(t, command.Wait, exitDone)
			if got := runSuggested(t, shown, "to check it:"); got != "ok\n" {
				t.Errorf("the check gives %q: %s", got, shown)
			}
			if got := sqlite(t, db, "SELECT max(n) FROM n"); got != "0" {
				t.Errorf("restored: %s", got)
			}
			runSuggested(t, shown, "open:")
			if got := sqlite(t, db, "SELECT max(n) FROM n"); got != "99" {
				t.Errorf("gone back: %s", got)
			}
		})
	}
}

// runSuggested runs the command in the lines after one that ends so.
func runSuggested(t *testing.T, shown, after string) string {
	t.Helper()
	_, command, found := strings.Cut(shown, after+"\n")
	if !found {
		t.Fatalf("no line ends with %q:\n%s", after, shown)
	}
	lines := strings.SplitAfter(command, "\n")
	n := 1
	for n < len(lines) && strings.HasSuffix(lines[n-1], "\\\n") {
		n++
	}
	out, err := exec.Command("sh", "-c", strings.Join(lines[:n], "")).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v: %s", strings.Join(lines[:n], ""), err, out)
	}
	return string(out)
}

// The first backup at a terminal names the next commands, and no later one does.
func TestAfterFirstBackup(t *testing.T) {
	for _, width := range widths {
		db, url := smallDatabase(t), "file://"+shortDir(t)
		first := atTerminal(t, width)
		if shown := first.ends(t, first.start(t, nil, "backup", db, url).Wait, exitDone); !strings.Contains(shown, "to see how it is doing:\n  lifeboat status") {
			t.Errorf("it shows\n%s", shown)
		}
		second := atTerminal(t, width)
		if shown := second.ends(t, second.start(t, nil, "backup", db, url, "--always").Wait, exitDone); strings.Contains(shown, "lifeboat status") {
			t.Errorf("it shows again\n%s", shown)
		}
	}
}
