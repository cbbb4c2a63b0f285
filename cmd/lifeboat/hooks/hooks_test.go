package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
)

func TestSplit(t *testing.T) {
	for text, want := range map[string][]string{
		"/bin/true":                    {"/bin/true"},
		"  docker exec app  flush\n":   {"docker", "exec", "app", "flush"},
		`/bin/sh -c 'echo "$HOME"' ""`: {"/bin/sh", "-c", `echo "$HOME"`, ""},
		`a"b c"d \n $x *`:              {"ab cd", `\n`, "$x", "*"},
		`/bin/echo "it's"`:             {"/bin/echo", "it's"},
		"":                             nil, " ": nil, `"" a`: nil, `/bin/echo 'x`: nil, "./pause": nil, "bin/pause": nil,
	} {
		var c Command
		if err := c.UnmarshalText([]byte(text)); (err != nil) != (want == nil) || err == nil && !slices.Equal(c, want) {
			t.Errorf("%q: %q, %v", text, c, err)
		}
	}
}

// A trial is a run of hooks that are lines of a shell, in a directory of their own.
type trial struct {
	Hooks
	dir     string
	printed bytes.Buffer
}

func newTrial(t *testing.T, before, after string) *trial {
	t.Helper()
	h := &trial{dir: t.TempDir()}
	h.Hooks = Hooks{
		Limit: time.Minute, About: []string{VariablePrefix + "_NAME=app.db"}, Level: slog.LevelInfo,
		Exit: func(err error) int { return len(fmt.Sprint(err)) },
		Log:  slog.New(slog.NewTextHandler(&h.printed, nil)),
	}
	shell := func(line string) Command {
		if line == "" {
			return nil
		}
		return Command{"sh", "-c", "cd " + h.dir + "; " + line}
	}
	h.Before, h.After = shell(before), shell(after)
	return h
}

func (h *trial) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// The commands run around the read, learn what it is about and how it ended, and get no
// secret. What they print is logged.
func TestAround(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
	t.Setenv("LIFEBOAT_PING_URL", "hunter2")
	t.Setenv("OTHER", "kept")
	const show = `env >$LIFEBOAT_HOOK; echo "this is $LIFEBOAT_HOOK"; echo >&2 no end of a line; printf 'at the end'`
	bad := errors.New("bad")
	for _, outcome := range []error{nil, bad} {
		h := newTrial(t, show, show)
		err := h.Around(t.Context(), func(context.Context) error {
			h.read(t, "before")
			if _, err := os.Stat(filepath.Join(h.dir, "after")); err == nil {
				t.Error("the second command came first")
			}
			return outcome
		})
		if err != outcome || h.Failed() != nil {
			t.Errorf("%v, %v", err, h.Failed())
		}
		before, after := h.read(t, "before"), h.read(t, "after")
		for _, environment := range []string{before, after} {
			if !strings.Contains(environment, "LIFEBOAT_HOOK_NAME=app.db") || !strings.Contains(environment, "OTHER=kept") || strings.Contains(environment, "hunter2") {
				t.Errorf("the environment: %s", environment)
			}
		}
		if strings.Contains(before, "HOOK_EXIT") || !strings.Contains(after, "LIFEBOAT_HOOK_EXIT="+strconv.Itoa(len(fmt.Sprint(outcome)))) || strings.Contains(after, "LIFEBOAT_HOOK_ERROR=bad") != (outcome != nil) {
			t.Errorf("before: %s\nafter: %s", before, after)
		}
		for _, line := range []string{`msg="this is before" run=before`, `msg="this is after" run=after`, `msg="no end of a line"`, `msg="at the end"`} {
			if !strings.Contains(h.printed.String(), line) {
				t.Errorf("no %s in %s", line, &h.printed)
			}
		}
	}
}

// Where the first command fails nothing is read. The second runs all the same, also after
// a panic, and its own failure is apart.
func TestAroundFailures(t *testing.T) {
	reads := 0
	read := func(context.Context) error { reads++; return nil }
	h := newTrial(t, "echo no luck; exit 3", "echo $LIFEBOAT_HOOK_EXIT >after; exit 4")
	err := h.Around(t.Context(), read)
	if !errors.Is(err, ErrBefore) || !strings.HasSuffix(err.Error(), "sh: exit status 3: no luck") || reads != 0 || h.read(t, "after") == "5" {
		t.Errorf("%v, %d reads, told %s", err, reads, h.read(t, "after"))
	}
	if err := h.Failed(); !errors.Is(err, ErrAfter) || !strings.HasSuffix(err.Error(), "sh: exit status 4") {
		t.Error(err)
	}
	h = newTrial(t, "", "echo $LIFEBOAT_HOOK_ERROR >after")
	func() {
		defer func() { _ = recover() }()
		_ = h.Around(t.Context(), func(context.Context) error { panic("no luck") })
		t.Error("the panic is gone")
	}()
	if h.read(t, "after") != "a bug in lifeboat" {
		t.Errorf("told %s", h.read(t, "after"))
	}
	h = newTrial(t, "", "")
	h.Before = Command{"/nowhere/at/all"}
	if err := h.Around(t.Context(), read); !errors.Is(err, ErrBefore) || !strings.Contains(err.Error(), "no such file") || reads != 0 {
		t.Errorf("%v, %d reads", err, reads)
	}
}

// gone waits until a process whose number is in a file has ended.
func (h *trial) gone(t *testing.T, name string) {
	t.Helper()
	pid, err := strconv.Atoi(h.read(t, name))
	if err != nil {
		t.Fatal(err)
	}
	await.That(t, func() bool {
		state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return err != nil && syscall.Kill(pid, 0) != nil || strings.Contains(string(state), ") Z ") // a zombie is init's to reap
	})
}

// What a command leaves behind in its process group ends with it, and one that takes too
// long ends with all that it has started, whatever that makes of signals.
func TestNothingIsLeft(t *testing.T) {
	none := func(context.Context) error { return nil }
	h := newTrial(t, "sleep 1000 & echo $! >left", "")
	began := time.Now()
	if err := h.Around(t.Context(), none); err != nil || time.Since(began) > 10*time.Minute {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	h.gone(t, "left")

	for limit := 300 * time.Millisecond; ; limit *= 2 { // until the shell comes so far in it
		h = newTrial(t, "", "trap '' TERM; sleep 1000 & echo $! >left; wait; wait")
		h.Limit = limit
		if err := h.Around(t.Context(), none); err != nil || !errors.Is(h.Failed(), ErrAfter) || !strings.HasSuffix(h.Failed().Error(), "sh: it took longer than "+limit.String()) {
			t.Fatalf("%v, %v", err, h.Failed())
		}
		if left, _ := os.ReadFile(filepath.Join(h.dir, "left")); bytes.HasSuffix(left, []byte("\n")) {
			h.gone(t, "left")
			break
		}
		if limit > time.Minute {
			t.Fatalf("within %v the command has not come so far", limit)
		}
	}
}

// One that took too long has failed, also where it ends well when it is told to end.
func TestTooLongIsNoSuccess(t *testing.T) {
	const polite = "trap 'exit 0' TERM; sleep 1000 & wait"
	read := false
	h := newTrial(t, polite, "")
	h.Limit = 300 * time.Millisecond
	if err := h.Around(t.Context(), func(context.Context) error { read = true; return nil }); !errors.Is(err, ErrBefore) || read {
		t.Errorf("before: %v, read: %v", err, read)
	}
	h = newTrial(t, "", polite)
	h.Limit = 300 * time.Millisecond
	if err := h.Around(t.Context(), func(context.Context) error { return nil }); err != nil || !errors.Is(h.Failed(), ErrAfter) {
		t.Errorf("after: %v, %v", err, h.Failed())
	}
}

// A run that is told to end ends the first command, and runs the second one, which learns
// of it.
func TestInterrupted(t *testing.T) {
	cause := errors.New("terminated")
	ctx, cancel := context.WithCancelCause(t.Context())
	h := newTrial(t, "echo $$ >before; sleep 1000", "echo $LIFEBOAT_HOOK_ERROR >after")
	go func() {
		await.That(t, func() bool {
			written, _ := os.ReadFile(filepath.Join(h.dir, "before"))
			return bytes.HasSuffix(written, []byte("\n"))
		})
		cancel(cause)
	}()
	err := h.Around(ctx, func(context.Context) error { t.Error("read"); return nil })
	if !errors.Is(err, context.Canceled) || h.Failed() != nil || !strings.Contains(h.read(t, "after"), "canceled") {
		t.Errorf("%v, %v, told %s", err, h.Failed(), h.read(t, "after"))
	}
	h.gone(t, "before")
}

// Two commands that nothing but a kill ends leave a run that is told to end ten of the 30
// seconds that systemd and Kubernetes give it, for its reports, and some to spare.
func TestTimeToTheKill(t *testing.T) {
	before := grace + strays
	if after := afterSignal + grace + strays; before+after > 15*time.Second {
		t.Errorf("%s and %s", before, after)
	}
}

// Output without end is neither kept nor logged without end.
func TestOutput(t *testing.T) {
	lines := 0
	o := &output{log: func(line string) {
		lines++
		if len(line) > maxLine {
			t.Errorf("a line of %d bytes", len(line))
		}
	}}
	for range 300 {
		fmt.Fprint(o, strings.Repeat("x", 10<<10), "\n\n", "y\xff\nz")
		if len(o.rest) > maxLine {
			t.Fatalf("%d bytes are kept", len(o.rest))
		}
	}
	o.end()
	if lines != maxLines+1 || o.last != "z" {
		t.Errorf("%d lines, the last is %q", lines, o.last)
	}
}
