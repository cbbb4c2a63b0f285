package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A child is the program's side of a worker.
type child struct {
	who     identity
	process *exec.Cmd
	in      *os.File // the worker's stdin
	out     *os.File // its stdout
	lines   *bufio.Reader
	ranges  *os.File // see rangeServer
	message []byte   // the latest
	stderr  *os.File // read when it has ended; a worker writes there only when it dies
	ended   bool
	words   string // its last on stderr, for the debug log
}

// start starts the program as a worker. It gets nothing of the environment but
// what it needs: its owner can read it, and the secrets are the program's.
func start(who identity) (*child, error) {
	c := &child{who: who}
	var theirs [4]*os.File
	var err error
	for _, pair := range []struct{ read, write **os.File }{{&theirs[0], &c.in}, {&c.out, &theirs[1]}, {&c.stderr, &theirs[2]}} {
		if *pair.read, *pair.write, err = os.Pipe(); err != nil {
			return nil, errors.Join(fmt.Errorf("start a worker: %w", err), closeAll(append(theirs[:], c.in, c.out, c.stderr)...))
		}
	}
	if c.ranges, theirs[rangesFile], err = socketPair(); err != nil {
		return nil, errors.Join(fmt.Errorf("start a worker: %w", err), closeAll(append(theirs[:], c.in, c.out, c.stderr)...))
	}
	c.process = &exec.Cmd{
		Path: executable(), Args: []string{os.Args[0], argument}, Env: environment(),
		Stdin: theirs[0], Stdout: theirs[1], Stderr: theirs[2], ExtraFiles: theirs[rangesFile:], SysProcAttr: who.attributes(),
	}
	err = c.process.Start()
	if closed := closeAll(theirs[:]...); err == nil && closed == nil {
		c.lines = bufio.NewReader(c.out)
		return c, nil
	} else if err == nil {
		return nil, errors.Join(closed, c.end())
	}
	return nil, errors.Join(fmt.Errorf("start a worker: %w", err), closeAll(c.in, c.out, c.stderr, c.ranges))
}

func closeAll(files ...*os.File) (err error) {
	for _, f := range files {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// executable returns what to start. The link leads to this very program, also
// when its file has been replaced or lies where a worker may not go.
func executable() string {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err == nil {
		return self
	}
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// environment returns a worker's. How many cores there are it is told: to find out by
// itself, each worker would keep two files of its cgroup open.
func environment() (kept []string) {
	for _, name := range []string{"PATH", "TMPDIR", "SQLITE_TMPDIR", "TZ", "GORACE", "GOCOVERDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			kept = append(kept, name+"="+value)
		}
	}
	return append(kept, "GOTRACEBACK=single", "GODEBUG=containermaxprocs=0", fmt.Sprintf("GOMAXPROCS=%d", runtime.GOMAXPROCS(0)))
}

// alive reports whether an idle worker still waits for requests.
func (c *child) alive() bool {
	raw, err := c.out.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Control(func(fd uintptr) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		quiet = err == nil && n == 0
	})
	return err == nil && quiet
}

// grace is how long a worker may take to end what was cancelled.
const grace = 3 * time.Second

var (
	errTooLong = errors.New("took longer")
	errDied    = errors.New("died")
)

// call has the worker do something, and calls note with each of its messages. The
// error is the worker's, or the one that ended ctx, or wraps errTooLong or errDied.
// After any error the worker must be ended.
func (c *child) call(ctx context.Context, r request, b bound, note func(reply)) (reply, error) {
	if err := ctx.Err(); err != nil {
		return reply{}, err
	}
	if err := c.send(r); err != nil {
		return reply{}, c.failure(ctx, err)
	}
	w := &wait{child: c, bound: b, end: time.Now().Add(b.whole)}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		w.cancel()
	})
	defer func() {
		if !stop() {
			<-done
		}
	}()
	answer, err := w.answer(note)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil:
		return reply{}, fmt.Errorf("%w than %s", errTooLong, w.limit.Round(time.Second/10))
	case err != nil:
		return reply{}, c.failure(ctx, err)
	}
	err = answer.Error.err()
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return answer, err
}

func (c *child) send(r request) error {
	line, err := json.Marshal(r)
	if err == nil {
		err = c.in.SetWriteDeadline(time.Now().Add(grace))
	}
	if err == nil {
		_, err = c.in.Write(append(line, '\n'))
	}
	return err
}

// read reads one reply with its message.
func (c *child) read() (reply, error) {
	r, err := c.readLine()
	switch {
	case err != nil || r.Message == 0:
		return r, err
	case r.Message < 0 || r.Message > MaxMessage:
		return r, fmt.Errorf("a message of %d bytes", r.Message)
	}
	if cap(c.message) < r.Message {
		c.message = make([]byte, r.Message)
	}
	r.message = c.message[:r.Message]
	_, err = io.ReadFull(c.lines, r.message)
	return r, err
}

// readLine reads one reply, and no more of it than maxLine.
func (c *child) readLine() (r reply, err error) {
	var line []byte
	for {
		part, err := c.lines.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxLine {
			return r, errors.New("a reply without end")
		}
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return r, err
		}
	}
	return r, json.Unmarshal(line, &r)
}

// failure ends a worker that does not answer, and returns the reason.
func (c *child) failure(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.EOF), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("%w: %s", errDied, c.autopsy())
	}
	return fmt.Errorf("%w: invalid reply: %w", errDied, err)
}

// autopsy waits for the end of a worker that has closed its stdout, and returns how
// it died.
func (c *child) autopsy() string {
	c.kill(grace)
	how := c.process.ProcessState.String()
	text := make([]byte, 64<<10)
	n := 0
	if err := c.stderr.SetReadDeadline(time.Now().Add(grace)); err == nil {
		n, _ = io.ReadFull(c.stderr, text)
	}
	c.words = string(text[:min(n, 4<<10)])
	return howItDied(how, string(text[:n]))
}

var (
	signalled = regexp.MustCompile(`(?m)^(?:\[signal )?SIG[A-Z]+(: [a-z ]+?)(?: code=.*)?$`)
	fatal     = regexp.MustCompile(`(?m)^(?:fatal error|panic|runtime): .*$`)
)

// howItDied finds the cause in what Go's runtime prints: it answers a signal
// of the processor's, such as SIGBUS, with an exit code of its own.
func howItDied(state, stderr string) string {
	if found := signalled.FindStringSubmatch(stderr); found != nil {
		return "signal" + found[1]
	}
	if found := fatal.FindString(stderr); found != "" && !strings.HasPrefix(state, "signal") {
		return state + ": " + found
	}
	return state
}

// end ends the worker, which should have nothing to do, and forgets it.
func (c *child) end() error {
	c.kill(grace)
	return closeAll(c.in, c.out, c.stderr, c.ranges)
}

// kill closes the worker's stdin, which ends it, and kills it after the grace.
func (c *child) kill(grace time.Duration) {
	if c.ended {
		return
	}
	c.ended = true
	_ = c.in.Close() // it is ended all the same
	c.in = nil
	last := time.AfterFunc(grace, func() { _ = c.process.Process.Kill() })
	defer last.Stop()
	_ = c.process.Wait() // its exit code was looked at, or does not matter
}
