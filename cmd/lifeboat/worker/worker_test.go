package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// TestMain makes this program a worker when a pool starts it.
func TestMain(m *testing.M) {
	if Asked() {
		os.Exit(Main())
	}
	needs.Root()
	os.Exit(m.Run())
}

// A tested is a pool, what it logs, and a temp directory in which nothing may
// be left.
type tested struct {
	*Pool
	t    *testing.T
	temp string
	wait time.Duration // for locks
	mu   sync.Mutex
	log  bytes.Buffer
}

func newTested(t *testing.T, size int) *tested {
	t.Helper()
	p := &tested{t: t, temp: openDir(t), wait: time.Minute}
	p.Pool = NewPool(size, slog.New(slog.NewTextHandler(p, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(p.temp); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		if left := children(t); len(left) > 0 {
			t.Errorf("workers are left: %v", left)
		}
	})
	return p
}

// Write takes a line of the log.
func (p *tested) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *tested) logged(text string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Count(p.log.String(), text)
}

func (p *tested) started() int { return p.logged("worker started") }

// take takes a copy and has it checked.
func (p *tested) take(ctx context.Context, path string, limit time.Duration, progress func(done, total int64)) error {
	c, err := Reader{p.Pool, limit}.Take(ctx, path, p.options(progress))
	if err != nil {
		return err
	}
	_, err = c.Digest(ctx, nil)
	if err == nil {
		err = c.Check(ctx, snapshot.CheckFull)
	}
	return errors.Join(err, c.Close())
}

// options are those of a copy, or of what is read: slowly, if its progress counts.
func (p *tested) options(progress func(done, total int64)) snapshot.CopyOptions {
	o := snapshot.CopyOptions{TempDir: p.temp, Wait: p.wait, Method: snapshot.MethodBackup, Progress: progress}
	if progress != nil {
		o.MaxRate = 4 << 20
	}
	return o
}

// openDir makes a directory that every user may enter.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lifeboat-worker-")
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func execSQL(t *testing.T, path, statements string) {
	t.Helper()
	if out, err := exec.Command("sqlite3", "-bail", path, statements).CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v: %s", err, out)
	}
}

// makeDB makes a sound database of some MiB.
func makeDB(t *testing.T, dir string, mib int) string {
	t.Helper()
	path := filepath.Join(dir, "app.db")
	execSQL(t, path, fmt.Sprintf("PRAGMA journal_mode=wal; CREATE TABLE t (x); INSERT INTO t SELECT randomblob(1000) FROM generate_series(1, %d)", mib*1000+1))
	return path
}

// forged makes a database of two pages with a table that the schema did not
// have when its rows were written.
func forged(t *testing.T, rows int, columns string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	execSQL(t, path, fmt.Sprintf(`CREATE TABLE t (a); INSERT INTO t SELECT value FROM generate_series(1, %d);
		PRAGMA writable_schema = on; UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a, %s)'`, rows, strings.ReplaceAll(columns, "'", "''")))
	return path
}

// children returns the processes that this one has started.
func children(t *testing.T) []int {
	t.Helper()
	return childrenOf(t, os.Getpid())
}

func childrenOf(t *testing.T, parent int) (pids []int) {
	t.Helper()
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// Two workers serve many databases.
func TestReused(t *testing.T) {
	p := newTested(t, 2)
	path := makeDB(t, t.TempDir(), 1)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for range 20 {
				if err := p.take(t.Context(), path, 0, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := p.started(); n > 2 {
		t.Errorf("%d workers were started", n)
	}
}

// What a hostile database does costs that database, within its limits, and the
// next one is served.
func TestHostile(t *testing.T) {
	needs.Time(t)
	if !alone(t) {
		return
	}
	p := newTested(t, 1)
	sound := makeDB(t, t.TempDir(), 1)
	wide := make([]string, 60)
	for i := range wide {
		wide[i] = fmt.Sprintf("b%d NOT NULL AS (zeroblob(60000000) || a)", i)
	}
	for _, c := range []struct {
		name, path string
		limit      time.Duration
		want       string
	}{
		{"one long value", forged(t, 1, "b NOT NULL AS (replace(printf('%.*c', 400000000, 'x'), 'y', 'z') || a)"), 10 * time.Minute, "too big"},
		{"many long values", forged(t, 1, "b NOT NULL AS (max("+strings.Repeat("hex(zeroblob(30000000)), ", 10)+"a) > a)"), 10 * time.Minute, "more memory than a worker may use"},
		{"many columns", forged(t, 1, strings.Join(wide, ", ")), time.Second, "took longer than 1s"},
		{"long work", forged(t, 5000, "b NOT NULL AS (length(replace(hex(zeroblob(20000000)), '00', '01')))"), time.Second, "took longer than 1s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			err := p.take(t.Context(), c.path, c.limit, nil)
			if !errors.Is(err, snapshot.ErrSource) || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrTooLong) != (c.limit == time.Second) {
				t.Errorf("got %v after %v", err, time.Since(began))
			}
			if err := p.take(t.Context(), sound, 0, nil); err != nil {
				t.Errorf("the next database: %v", err)
			}
		})
	}
	checkLargest(t)
}

// aloneIn is set in the environment of a test that runs alone.
const aloneIn = "LIFEBOAT_TEST_ALONE"

// alone reports whether the test is the only one of its process, and otherwise runs it
// in one: what a process takes counts for its children too, from before they are
// programs of their own.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneIn) != "" {
		return true
	}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), aloneIn+"=1")
	out, err := again.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v: %s", err, out)
	}
	return false
}

// checkLargest compares the memory of the largest worker so far with its limit.
func checkLargest(t *testing.T) {
	t.Helper()
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &used); err != nil || used.Maxrss > (heapLimit+128<<20)>>10 {
		t.Errorf("the largest process took %d KiB, %v", used.Maxrss, err)
	}
}

// SQLite maps the -shm file. Another process that makes it shorter in the
// middle of a read has the worker die of SIGBUS.
func TestTruncatedShm(t *testing.T) {
	p := newTested(t, 1)
	path := makeDB(t, t.TempDir(), 1)
	writer := exec.Command("sqlite3", path)
	stdin, err := writer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		writer.Process.Kill() // or it, too, would read the -shm
		writer.Wait()
	}()
	written := filepath.Join(t.TempDir(), "written")
	fmt.Fprintf(stdin, "PRAGMA wal_autocheckpoint=0; INSERT INTO t SELECT randomblob(1000) FROM generate_series(1, 20000);\n.shell touch %s\n", written)
	await.That(t, func() bool { _, err := os.Stat(written); return err == nil })
	err = p.take(t.Context(), path, 0, once(func() {
		if err := os.Truncate(path+"-shm", 0); err != nil {
			t.Error(err)
		}
	}))
	if !errors.Is(err, snapshot.ErrSource) || !strings.Contains(err.Error(), "the worker that read "+path+" died: signal: bus error") {
		t.Errorf("got %v", err)
	}
	if p.logged("SIGBUS") != 1 {
		t.Errorf("the debug log does not have the worker's last words: %s", &p.log)
	}
}

func once(f func()) func(done, total int64) {
	var o sync.Once
	return func(int64, int64) { o.Do(f) }
}

// A worker that is killed while it works is that database's failure; one that
// is killed while it is idle is nobody's.
func TestKilled(t *testing.T) {
	p := newTested(t, 1)
	path := makeDB(t, t.TempDir(), 20)
	kill := func() {
		for _, pid := range children(t) {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}
	err := p.take(t.Context(), path, 0, once(kill))
	if !errors.Is(err, snapshot.ErrSource) || !strings.Contains(err.Error(), "died: signal: killed") {
		t.Errorf("got %v", err)
	}
	for range 2 {
		if err := p.take(t.Context(), path, 0, nil); err != nil {
			t.Error(err)
		}
		if n := len(children(t)); n != 1 {
			t.Errorf("%d workers, want an idle one", n)
		}
		kill()
		await.That(t, func() bool { return !p.idle[0].alive() })
	}
}

// A worker that stands still comes to its limit.
func TestStopped(t *testing.T) {
	needs.Time(t)
	p := newTested(t, 1)
	path := makeDB(t, t.TempDir(), 1)
	var c *snapshot.Copy
	longEnough(t, time.Second, ErrTooLong, func(limit time.Duration) (err error) {
		c, err = Reader{p.Pool, limit}.Take(t.Context(), path, snapshot.CopyOptions{TempDir: p.temp})
		return err
	})
	for _, pid := range children(t) {
		if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
			t.Error(err)
		}
	}
	err := errors.Join(c.Check(t.Context(), snapshot.CheckQuick), c.Close())
	if !errors.Is(err, ErrTooLong) || !errors.Is(err, snapshot.ErrSource) {
		t.Errorf("got %v", err)
	}
}

// What ends the context ends the copy, and leaves nothing.
func TestCancelled(t *testing.T) {
	p := newTested(t, 1)
	path := makeDB(t, t.TempDir(), 40)
	for name, cancel := range map[string]func(context.CancelFunc){
		"cancel": func(cancel context.CancelFunc) { cancel() },
		// As when systemd signals the whole control group.
		"signal to all": func(cancel context.CancelFunc) {
			for _, pid := range children(t) {
				if err := unix.Kill(pid, unix.SIGTERM); err != nil {
					t.Error(err)
				}
			}
			cancel()
		},
	} {
		ctx, end := context.WithCancel(t.Context())
		began := time.Now()
		err := p.take(ctx, path, 0, once(func() { cancel(end) }))
		if took := time.Since(began); !errors.Is(err, context.Canceled) || errors.Is(err, snapshot.ErrSource) || took > grace+time.Minute {
			t.Errorf("%s: %v after %v", name, err, took)
		}
	}
	if err := p.take(t.Context(), path, 0, nil); err != nil {
		t.Error(err)
	}
}

// Errors keep their reasons and their text.
func TestErrors(t *testing.T) {
	p := newTested(t, 1)
	p.wait = time.Second
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte("no database\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	locked := makeDB(t, t.TempDir(), 1)
	execSQL(t, locked, "PRAGMA journal_mode=delete")
	holder := exec.Command("sqlite3", locked)
	stdin, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(stdin, "BEGIN EXCLUSIVE;\n.shell touch %s\n", filepath.Join(dir, "held"))
	await.That(t, func() bool { _, err := os.Stat(filepath.Join(dir, "held")); return err == nil })
	for path, want := range map[string]error{filepath.Join(dir, "missing"): snapshot.ErrSource, text: snapshot.ErrSource, locked: snapshot.ErrLocked} {
		err := p.take(t.Context(), path, 0, nil)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	stdin.Close()
	if err := holder.Wait(); err != nil {
		t.Error(err)
	}
	c, err := Reader{Pool: p.Pool}.Take(t.Context(), locked, snapshot.CopyOptions{TempDir: filepath.Join(dir, "nowhere")})
	if !errors.Is(err, snapshot.ErrTempDir) {
		t.Errorf("took %v: %v", c, err)
	}
}
