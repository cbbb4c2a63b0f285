package worker

import (
	"bufio"
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
