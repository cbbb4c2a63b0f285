package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/creack/pty"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// An emulator is a pseudo-terminal, and all that was ever written to it.
type emulator struct {
	*os.File // the side of whoever sits before it
	tty      *os.File
	width    int
	ended    chan struct{}

	mu  sync.Mutex
	got bytes.Buffer
}

func openTerminal(t *testing.T, width int) *emulator {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	term := &emulator{File: master, tty: tty, width: width, ended: make(chan struct{})}
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: uint16(width)}); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(term.ended)
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			term.mu.Lock()
			term.got.Write(buffer[:n])
			term.mu.Unlock()
			if err != nil { // EIO: nobody has the other side open any more
				return
			}
		}
	}()
	t.Cleanup(func() {
		tty.Close() // a second time, unless the test has failed
		<-term.ended
		master.Close()
	})
	return term
}

// shows returns the screen as it is now.
func (t *emulator) shows() *screen {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &screen{width: t.width}
	s.write(t.got.String())
	return s
}

// awaits waits until something is on the screen, and returns its line.
func (t *emulator) awaits(tb testing.TB, pattern string) string {
	tb.Helper()
	expression := regexp.MustCompile("(?m)^.*" + pattern + ".*$")
	var found string
	t.await(tb, func() bool {
		found = expression.FindString(t.shows().String())
		return found != ""
	})
	return found
}

// showed waits until something is on the screen or has been, for however short a time,
// and returns the first such line.
func (t *emulator) showed(tb testing.TB, pattern string) string {
	tb.Helper()
	expression := regexp.MustCompile("(?m)^.*" + pattern + ".*$")
	var found string
	t.await(tb, func() bool {
		found = ""
		s := &screen{width: t.width}
		s.changes = func() {
			if found == "" {
				found = expression.FindString(s.String())
			}
		}
		s.write(t.text())
		s.changes()
		return found != ""
	})
	return found
}

func (t *emulator) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.got.String()
}

// gets waits until something was written to the terminal.
func (t *emulator) gets(tb testing.TB, text string) {
	tb.Helper()
	t.await(tb, func() bool { return strings.Contains(t.text(), text) })
}

// await waits for what a program writes, and shows all of that if it does not
// come.
func (t *emulator) await(tb testing.TB, is func() bool) {
	tb.Helper()
	came := false
	defer func() {
		if !came {
			tb.Logf("it wrote %q", t.text())
		}
	}()
	await.That(tb, is)
	came = true
}

// closed waits for the end of the output. Until the line that begins with
// last, no line may have been wider than the terminal, and nothing may remain
// of the bars but what is given.
func (t *emulator) closed(tb testing.TB, remains, last string) {
	tb.Helper()
	t.tty.Close()
	<-t.ended
	before, _, found := strings.Cut(t.got.String(), last)
	s := &screen{width: t.width}
	s.write(before)
	if !found || s.String() != remains || s.wrapped || s.wrong != "" || s.column != 0 {
		tb.Errorf("before %q it shows %q, wider than %d: %v, not understood: %s, column %d: %q",
			last, s, t.width, s.wrapped, s.wrong, s.column, t.got.String())
	}
	if !strings.HasSuffix(t.got.String(), "\n") {
		tb.Errorf("the last line has no end: %q", t.got.String())
	}
}

// start begins a program with its stderr, or all of it, on the terminal.
func (t *emulator) start(tb testing.TB, toFile *os.File, args ...string) *exec.Cmd {
	tb.Helper()
	return t.startProgram(tb, toFile, "lifeboat", args...)
}

func (t *emulator) startProgram(tb testing.TB, toFile *os.File, name string, args ...string) *exec.Cmd {
	tb.Helper()
	command := exec.Command(name, args...)
	command.Stdin, command.Stdout, command.Stderr = t.tty, t.tty, t.tty
	if toFile != nil {
		command.Stderr = toFile
	}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := command.Start(); err != nil {
		tb.Fatal(err)
	}
	return command
}

func exitOf(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// smallDatabase has about 3 MiB.
func smallDatabase(t *testing.T) string {
	db := filepath.Join(t.TempDir(), "app.db")
	sqlite(t, db, "CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(3000000))")
	t.Setenv("TERM", "xterm")
	t.Setenv("TMPDIR", t.TempDir())
	return db
}

func TestProgressOnATerminal(t *testing.T) {
	needs.Time(t)
	db := smallDatabase(t)
	for width, line := range map[int]string{
		120: `^copy +\d+% \[[=>-]+\] +[\d.]+ [KM]iB of 2\.9 MiB +\S+ [KM]iB/s +\S+ left$`,
		50:  `^copy +\d+% \[[=>-]+\] +\S+ [KM]iB/s +\S+ left$`,
		40:  `^copy +\d+% +\S+ [KM]iB/s +\S+ left$`,
		30:  `^copy +\d+% +\S+ left$`,
		20:  `^copy +\d+%$`,
	} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			t.Setenv("NO_COLOR", "1")
			terminal := openTerminal(t, width)
			command := terminal.start(t, nil, "backup", db, "file://"+t.TempDir(), "--max-rate", "1MiB")
			if got := terminal.showed(t, `^copy.* ([1-9]|\d\d)%`); !regexp.MustCompile(line).MatchString(got) || len(got) > width {
				t.Errorf("%q is not %s", got, line)
			}
			if err := command.Wait(); err != nil {
				t.Fatal(err)
			}
			terminal.closed(t, "", "uploaded: ")
		})
	}
}

func TestNoProgress(t *testing.T) {
	needs.Time(t)
	db := smallDatabase(t)
	for name, c := range map[string]struct {
		term   string
		toFile bool
		width  int
		args   []string
		shown  string // on the terminal in the end
	}{
		"quiet":       {"xterm", false, 80, []string{"--quiet"}, "^$"},
		"dumb":        {"dumb", false, 80, nil, "(?s)^uploaded: .*\r\n$"},
		"no TERM":     {"", false, 80, nil, "(?s)^uploaded: .*\r\n$"},
		"no size":     {"xterm", false, 0, nil, "(?s)^uploaded: .*\r\n$"},
		"to a file":   {"xterm", true, 80, nil, "(?s)^uploaded: .*\r\n$"},
		"json of log": {"xterm", false, 80, []string{"--log-format", "json"}, "(?s)^uploaded: .*\r\n$"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TERM", c.term)
			file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			terminal := openTerminal(t, c.width)
			stderr := file
			if !c.toFile {
				stderr = nil
			}
			command := terminal.start(t, stderr, append([]string{"backup", db, "file://" + t.TempDir(), "--max-rate", "5MiB"}, c.args...)...)
			if err := command.Wait(); err != nil {
				t.Fatal(err)
			}
			terminal.tty.Close()
			<-terminal.ended
			if got := terminal.got.String(); !regexp.MustCompile(c.shown).MatchString(got) {
				t.Errorf("it shows %q", got)
			}
			if sizeOf(file.Name()) != 0 {
				t.Errorf("%d bytes in the file", sizeOf(file.Name()))
			}
		})
	}
}

// Somebody presses ^C, which the terminal echoes beside the bars.
func TestProgressInterrupted(t *testing.T) {
	db := smallDatabase(t)
	terminal := openTerminal(t, 40)
	command := terminal.start(t, nil, "backup", db, "file://"+t.TempDir(), "--max-rate", "100KiB")
	terminal.awaits(t, `copy.* left`)
	if _, err := terminal.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	if code := exitOf(command.Wait()); code != 130 {
		t.Errorf("exit %d", code)
	}
	terminal.closed(t, "", "error: interrupted")
}

// A drill is not over when all is fetched: SQLite goes on.
func TestProgressOfDrill(t *testing.T) {
	db := smallDatabase(t)
	bucket := "file://" + t.TempDir()
	lifeboat(t, 0, "backup", db, bucket)
	terminal := openTerminal(t, 40)
	command := terminal.start(t, nil, "verify", bucket, "--sql", "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) SELECT count(*) FROM c")
	terminal.awaits(t, `verify +100%`)
	terminal.awaits(t, `check .* so far`)
	if _, err := terminal.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	if code := exitOf(command.Wait()); code != 130 {
		t.Errorf("exit %d", code)
	}
}

// A copy that does not pass its check fails while the bars are there.
func TestProgressFailed(t *testing.T) {
	db := smallDatabase(t)
	f, err := os.OpenFile(db, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(make([]byte, 4), 100*4096) // breaks a chain of overflow pages
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	terminal := openTerminal(t, 40)
	command := terminal.start(t, nil, "backup", db, "file://"+t.TempDir(), "--max-rate", "2MiB")
	terminal.showed(t, `copy.* left`)
	if code := exitOf(command.Wait()); code != exitSource {
		t.Errorf("exit %d", code)
	}
	terminal.closed(t, "", "error: ")
}

// An error and warnings beside bars, and bars that begin again.
func TestProgressBesideLines(t *testing.T) {
	tty := openTerminal(t, 40)
	b := terminal.NewBars(tty.tty)
	for _, part := range []string{"copy", "digest", "upload", "restore", "verify"} {
		b.Set(part, 1<<39, 1<<40)
	}
	b.Set("check", 0, 0)
	tty.awaits(t, `^check .* so far`)
	tty.awaits(t, `^restore  50% .*/s +\S+ left`)
	fmt.Fprintln(b, "level=WARN msg=first")
	tty.awaits(t, `^level=WARN msg=first$`)
	b.Set("copy", 1<<40, 1<<40)
	b.Set("check", 1<<40, 1<<40)
	tty.awaits(t, `^copy +100% .* in \S+`)
	tty.awaits(t, `^check +100% .* in \S+`)
	b.End()
	b.End()
	fmt.Fprintln(b, "error: it failed")
	b.Set("restore", 1, 2)
	tty.awaits(t, `^restore  50%`)
	b.End()
	fmt.Fprintln(b, "done")
	tty.closed(t, "level=WARN msg=first\nerror: it failed\n", "done")
}
