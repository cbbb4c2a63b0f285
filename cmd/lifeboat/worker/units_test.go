package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// Every reason of package snapshot comes through.
func TestAllReasons(t *testing.T) {
	declared := 0
	for _, path := range []string{"../../../snapshot/errors.go", "../../../snapshot/reason/reason.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(v.Names[0].Name, "Err") {
				return true
			}
			call, ok := v.Values[0].(*ast.CallExpr)
			if !ok { // another name of a reason
				return true
			}
			declared++
			text := call.Args[0].(*ast.BasicLit).Value
			if !slices.ContainsFunc(reasons, func(r error) bool { return strconv.Quote(r.Error()) == text }) {
				t.Errorf("%s does not come through", v.Names[0].Name)
			}
			return true
		})
	}
	if declared < 9 {
		t.Errorf("only %d reasons of package snapshot", declared)
	}
	for _, r := range reasons {
		if err := describe(fmt.Errorf("read app\xff.db: %w", r)).err(); !errors.Is(err, r) || !strings.HasPrefix(err.Error(), "read app\xff.db: ") {
			t.Errorf("%v becomes %v", r, err)
		}
	}
}

func TestHowItDied(t *testing.T) {
	for _, c := range []struct{ state, stderr, want string }{
		{"signal: killed", "", "signal: killed"},
		{"signal: killed", "panic: x\n", "signal: killed"},
		{"exit status 2", "fatal error: unexpected signal during runtime execution\n[signal SIGBUS: bus error code=0x2 addr=0x7f pc=0x1]\n", "signal: bus error"},
		{"exit status 2", "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x0]", "signal: segmentation violation"},
		{"exit status 2", "SIGBUS: bus error\nPC=0x65dc5d m=4 sigcode=2 addr=0x7f\nsignal arrived during cgo execution\n", "signal: bus error"},
		{"exit status 2", "runtime: out of memory: cannot allocate\nfatal error: out of memory\n", "exit status 2: runtime: out of memory: cannot allocate"},
		{"exit status 2", "panic: index out of range\n\ngoroutine 1 [running]:\n", "exit status 2: panic: index out of range"},
		{"exit status 1", "", "exit status 1"},
	} {
		if got := howItDied(c.state, c.stderr); got != c.want {
			t.Errorf("%s, %q: %q", c.state, c.stderr, got)
		}
	}
}

// A worker that is under a database's control cannot make the program read
// without end.
func TestReplyWithoutEnd(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	written := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(write, io.LimitReader(zeros{}, 100*maxLine))
		written <- n
	}()
	c := &child{lines: bufio.NewReader(read)}
	if _, err := c.read(); err == nil {
		t.Error("it was read")
	}
	read.Close()
	if n := <-written; n > 2*maxLine {
		t.Errorf("%d bytes were read", n)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// talking returns a child that goes on to send what say returns, until it is
// closed.
func talking(t *testing.T, say func(n int) string) *child {
	t.Helper()
	c := new(child)
	theirIn, in, err1 := os.Pipe()
	out, theirOut, err2 := os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	c.in, c.out, c.lines, c.ended = in, out, bufio.NewReader(out), true
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			if _, err := fmt.Fprintln(theirOut, say(n)); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	t.Cleanup(func() {
		if err := closeAll(in, out); err != nil {
			t.Error(err)
		}
		<-done
		if err := closeAll(theirIn, theirOut); err != nil {
			t.Error(err)
		}
	})
	return c
}

// A worker that is under a database's control gets no more time for what it
// says.
func TestProgressWithoutEnd(t *testing.T) {
	for _, c := range []struct {
		what  string
		say   func(n int) string
		bound bound
		want  error
		text  string
	}{
		{"the same again", func(int) string { return `{"Progress":[1,100]}` }, bound{time: 200 * time.Millisecond, whole: time.Minute}, errTooLong, "than 200ms"},
		{"less and less", func(n int) string { return fmt.Sprintf(`{"Progress":[%d,100]}`, 1<<40-n) }, bound{time: 200 * time.Millisecond, whole: time.Minute}, errTooLong, "than 200ms"},
		{"nothing", func(int) string { return `{}` }, bound{time: 200 * time.Millisecond, whole: time.Minute}, errTooLong, "than 200ms"},
		{"more and more", func(n int) string { return fmt.Sprintf(`{"Progress":[%d,100]}`, n) }, bound{time: 10 * time.Minute, whole: 600 * time.Millisecond}, errTooLong, "than 600ms"},
		{"progress that does not count", func(n int) string { return fmt.Sprintf(`{"Progress":[%d,100]}`, n) }, bound{time: 200 * time.Millisecond}, errTooLong, "than 200ms"},
		{"log lines", func(int) string { return `{"Log":{}}` }, bound{time: time.Minute, whole: time.Minute}, errDied, "log lines without end"},
	} {
		t.Run(c.what, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			lines := 0
			_, err := talking(t, c.say).call(ctx, request{Take: &takeRequest{}}, c.bound, func(r reply) {
				if r.Log != nil {
					lines++
				}
			})
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v", err)
			}
			if lines > maxLogLines {
				t.Errorf("%d lines were handed on", lines)
			}
		})
	}
}

// A copy that is on its way, or begins anew, gets its time.
func TestProgressRenews(t *testing.T) {
	longEnough(t, 500*time.Millisecond, errTooLong, func(limit time.Duration) error {
		began := time.Now()
		c := talking(t, func(n int) string {
			if time.Since(began) > 3*limit {
				return `{"End":true}`
			}
			return fmt.Sprintf(`{"Progress":[%d,100]}`, n%10)
		})
		_, err := c.call(t.Context(), request{Take: &takeRequest{}}, bound{time: limit, whole: time.Hour}, func(reply) {})
		return err
	})
}

func TestCopyBound(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		size    int64
		limit   time.Duration
		options snapshot.CopyOptions
		want    bound
	}{
		{gib, 0, snapshot.CopyOptions{Wait: time.Minute}, bound{time: 3 * time.Minute, whole: time.Hour}},
		{gib, time.Hour, snapshot.CopyOptions{}, bound{time: time.Hour, whole: 20 * time.Hour}},
		{gib, 0, snapshot.CopyOptions{Method: snapshot.MethodVacuum}, bound{time: 2 * time.Minute}},
		{gib, 0, snapshot.CopyOptions{MaxRate: gib / 100}, bound{time: 2 * time.Minute, whole: 40*time.Minute + 2000*time.Second}},
		{1 << 50, time.Hour, snapshot.CopyOptions{MaxRate: 1}, bound{time: DefaultCheckLimit(1<<50, snapshot.CheckQuick), whole: 20*DefaultCheckLimit(1<<50, snapshot.CheckQuick) + 10*365*24*time.Hour}},
	} {
		got := copyBound(c.size, c.limit, c.options)
		if got.time != c.want.time || (got.whole-c.want.whole).Abs() > time.Second {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestDefaultCheckLimit(t *testing.T) {
	for _, c := range []struct {
		size  int64
		level snapshot.CheckLevel
		want  time.Duration
	}{
		{0, snapshot.CheckQuick, time.Minute},
		{1 << 30, snapshot.CheckQuick, 2 * time.Minute},
		{100 << 30, snapshot.CheckFull, 1001 * time.Minute},
	} {
		if got := DefaultCheckLimit(c.size, c.level); got != c.want {
			t.Errorf("%d bytes, %s: %v", c.size, c.level, got)
		}
	}
}

// longEnough does something within a limit, and within twice that if it was too short for
// a busy machine, and so on.
func longEnough(t *testing.T, limit time.Duration, tooShort error, do func(limit time.Duration) error) {
	t.Helper()
	err := do(limit)
	for ; errors.Is(err, tooShort) && limit < 30*time.Second; err = do(limit) {
		limit *= 2
	}
	if err != nil {
		t.Fatalf("within %v: %v", limit, err)
	}
}
