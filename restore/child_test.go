package restore

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// The test binary runs itself again as the process that is killed, limited or
// watched.
const childVariable = "LIFEBOAT_RESTORE_TEST_CHILD"

const testID = snapshot.ID("20261123T201500Z-3f9c2a")

func TestMain(m *testing.M) {
	if order := os.Getenv(childVariable); order != "" {
		os.Exit(runChild(order))
	}
	needs.Root()
	os.Exit(m.Run())
}

// A childOrder is the work of a child process.
type childOrder struct {
	Target, Source string
	Bucket         string // restore the newest snapshot of this series, not Source
	Finished       bool   // place Source as a finished file where none is
	KillAtRead     int    // kill this process before its read of a snapshot of that number, from 1
	PageSize       int
	WAL            bool
	ID             snapshot.ID
	Replace        bool
	DiscardOld     bool
	AssumeClosed   bool
	AsOwner        bool
	Live           bool
	Wait           time.Duration
	KillAt         int    // kill this process before its step of that number, from 1
	LinkAt         int    // before its step of that number have another user put a symlink over LinkName
	LinkName       string // a file in the target's directory
	LinkTo         string
	BreakAt        string // have another process open the target before this step
	Steps          string // file to write the steps to
	Mark           bool   // show each step to strace as an access to /step/<name>
	MaxFile        uint64 // RLIMIT_FSIZE, bytes
	Open           string // instead of restoring, open the target in this way
	Result         string // file to write the result to
}

func (o childOrder) content() content {
	mode := rollbackMode
	if o.WAL {
		mode = walMode
	}
	return content{id: o.ID, pageSize: o.PageSize, mode: mode, size: fileSize(o.Source), fill: func(_ context.Context, f *os.File) error {
		b, err := os.ReadFile(o.Source)
		if err == nil {
			_, err = f.Write(b)
		}
		return err
	}}
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (o childOrder) options() Options {
	return Options{Replace: o.Replace, DiscardOld: o.DiscardOld, AssumeClosed: o.AssumeClosed, AsOwner: o.AsOwner, Live: o.Live, Wait: o.Wait}
}

func runChild(text string) int {
	// One thread does all system calls, so that strace can count them.
	runtime.LockOSThread()
	var o childOrder
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	if o.Open != "" {
		return openAndWait(o)
	}
	if o.MaxFile > 0 {
		if err := syscall.Setrlimit(unix.RLIMIT_FSIZE, &syscall.Rlimit{Cur: o.MaxFile, Max: o.MaxFile}); err != nil {
			panic(err)
		}
	}
	options := o.options()
	var steps []string
	SetHook(&options, func(s string) {
		steps = append(steps, s)
		if o.Mark {
			_ = unix.Access("/step/"+s, unix.F_OK)
		}
		if s == o.BreakAt {
			_ = exec.Command("dd", "if="+o.Target, "of=/dev/null", "iflag=nonblock", "count=1").Run()
		}
		if len(steps) == o.LinkAt {
			o.putSymlinks()
		}
		if len(steps) == o.KillAt {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	result, err := o.restore(options)
	if o.Mark {
		_ = unix.Access("/step/end", unix.F_OK)
	}
	if o.Steps != "" {
		if err := os.WriteFile(o.Steps, []byte(strings.Join(steps, "\n")), 0o600); err != nil {
			panic(err)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitCode(err)
	}
	if o.Result != "" {
		b, _ := json.Marshal(result)
		if err := os.WriteFile(o.Result, b, 0o600); err != nil {
			panic(err)
		}
	}
	return 0
}

func (o childOrder) restore(options Options) (Result, error) {
	if o.Finished {
		f, err := os.Open(o.Source)
		if err != nil {
			return Result{}, err
		}
		defer f.Close()
		return PlaceNew(context.Background(), o.Target, Finished{File: f, ID: o.ID}, options)
	}
	if o.Bucket == "" {
		return place(context.Background(), o.Target, o.content(), options)
	}
	b, err := upload.Open(context.Background(), o.Bucket, upload.Options{})
	if err != nil {
		return Result{}, err
	}
	options.Workers = 1
	return Latest(context.Background(), &deadlyBucket{Bucket: b, at: int64(o.KillAtRead)}, o.Target, options)
}

// A deadlyBucket kills the process before one of the reads of its objects.
type deadlyBucket struct {
	bucket.Bucket
	at, reads int64
}

type deadlyBlob struct {
	bucket.Blob
	b *deadlyBucket
}

func (b *deadlyBucket) Open(ctx context.Context, o bucket.Object) (bucket.Blob, error) {
	blob, err := b.Bucket.Open(ctx, o)
	return deadlyBlob{blob, b}, err
}

func (b deadlyBlob) ReadAt(p []byte, offset int64) (int, error) {
	if atomic.AddInt64(&b.b.reads, 1) == b.b.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return b.Blob.ReadAt(p, offset)
}

// command returns the test binary as the child with this order, behind a
// wrapper such as strace.
func command(t testing.TB, o childOrder, wrapper ...string) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(wrapper, self)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childVariable+"="+string(text), "GORACE=atexit_sleep_ms=0")
	return cmd
}

// restored runs a child that must succeed.
func restored(t testing.TB, o childOrder, wrapper ...string) {
	t.Helper()
	if out, err := command(t, o, wrapper...).CombinedOutput(); err != nil {
		t.Fatalf("restore: %v\n%s", err, out)
	}
}

// killed runs a child that must die by SIGKILL.
func killed(t testing.TB, o childOrder) {
	t.Helper()
	out, err := command(t, o).CombinedOutput()
	if err == nil {
		t.Fatalf("the child was not killed: %s", out)
	}
	status, ok := err.(*exec.ExitError).Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the child was not killed: %v\n%s", err, out)
	}
}

// refusedWith runs a child that must fail for the given reason, and returns its
// output.
func refusedWith(t testing.TB, o childOrder, reason error, wrapper ...string) string {
	t.Helper()
	return refusedCommand(t, command(t, o, wrapper...), reason)
}

func refusedCommand(t testing.TB, cmd *exec.Cmd, reason error) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("run the child: %v", err)
	}
	if code := cmd.ProcessState.ExitCode(); code != exitCode(reason) {
		t.Fatalf("the child ended with %d (%v) instead of %d (%v)\n%s", code, err, exitCode(reason), reason, out)
	}
	return string(out)
}

// exitOf runs a child and returns its exit code, -1 if a signal ended it.
func exitOf(cmd *exec.Cmd) int {
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode()
}

// A holderProcess is another process that has a database open.
type holderProcess struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// holdOpen starts a process that has the target open and has done so when
// holdOpen returns.
func holdOpen(t testing.TB, path, how string, wrapper ...string) *holderProcess {
	t.Helper()
	cmd := command(t, childOrder{Target: path, Open: how}, wrapper...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &holderProcess{cmd, stdin}
	t.Cleanup(h.end)
	if b := make([]byte, 6); true {
		if _, err := io.ReadFull(stdout, b); err != nil || string(b) != "ready\n" {
			t.Fatalf("the process that opens %s (%s) printed %q: %v", filepath.Base(path), how, b, err)
		}
	}
	return h
}

func (h *holderProcess) end() {
	h.stdin.Close()
	_ = h.cmd.Wait()
}

// openAndWait opens the target, prints that, and keeps it open until stdin ends.
func openAndWait(o childOrder) int {
	if how := o.Open; how == "read-only file" {
		f, err := os.Open(o.Target)
		if err != nil {
			panic(err)
		}
		defer f.Close()
	} else {
		c := mustOpen(o.Target)
		defer c.Close()
		for _, statement := range openings[how] {
			if _, err := c.Row(context.Background(), statement); err != nil && err != io.EOF && !strings.Contains(err.Error(), "EOF") {
				panic(err)
			}
		}
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// What another process may do with a database before it sits idle.
var openings = map[string][]string{
	"not read yet":          {},
	"idle":                  {"SELECT count(*) FROM sqlite_schema"},
	"in a read transaction": {"BEGIN", "SELECT count(*) FROM account"},
	"in a write":            {"BEGIN IMMEDIATE", "UPDATE account SET balance = balance + 1 WHERE id = 1"},
	"in exclusive mode":     {"PRAGMA locking_mode=EXCLUSIVE", "BEGIN IMMEDIATE", "COMMIT"},
}

// exitCode returns a code for each reason: nothing else is seen of the process.
func exitCode(err error) int {
	for i, reason := range []error{ErrTargetOpen, ErrTargetExists, ErrUncertain, ErrLocked, ErrRestoring, ErrNoRoom, ErrCannotSwap, ErrCannotLive, ErrTarget, snapshot.ErrDamaged} {
		if errorsIs(err, reason) {
			return 20 + i
		}
	}
	return 1
}
