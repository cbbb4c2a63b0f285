package worker

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// baseOf returns a base for the database as it is now.
func baseOf(t *testing.T, path string) snapshot.Base {
	t.Helper()
	c, err := snapshot.Take(t.Context(), path, snapshot.CopyOptions{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	d, err := c.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.WriteArchive(t.Context(), new(bytes.Buffer), d, snapshot.ArchiveOptions{ID: snapshot.NewID(c.TakenAt.Add(-time.Hour))})
	if err != nil {
		t.Fatal(err)
	}
	return snapshot.NewBase(m, d.Pages())
}

// read reads a database and has it checked.
func (p *tested) read(ctx context.Context, path string, base snapshot.Base, progress func(done, total int64)) error {
	r, err := Reader{Pool: p.Pool}.Read(ctx, path, base, snapshot.ReadOptions{CopyOptions: p.options(progress), Check: snapshot.CheckFull})
	if err != nil {
		return err
	}
	return r.Close()
}

// What a worker reads is what this process would read, be it root's database or
// a tenant's.
func TestRead(t *testing.T) {
	needs.Time(t)
	p := newTested(t, 1)
	paths := []string{makeDB(t, t.TempDir(), 10)}
	if !hasOwnRights(t) {
		paths = append(paths, tenantDB(t, 10))
	}
	for _, path := range paths {
		base := baseOf(t, path)
		execSQL(t, path, "UPDATE t SET x = randomblob(1000) WHERE rowid % 500 = 0")
		o := snapshot.ReadOptions{CopyOptions: p.options(nil), Check: snapshot.CheckFull}
		checks := 0
		o.Checking = func() { checks++ }
		var archives [2]bytes.Buffer
		for i, read := range []func(context.Context, string, snapshot.Base, snapshot.ReadOptions) (*snapshot.Reading, error){snapshot.Read, Reader{Pool: p.Pool}.Read} {
			r, err := read(t.Context(), path, base, o)
			if err != nil {
				t.Fatal(err)
			}
			r.TakenAt = time.Unix(1e9, 0)
			if _, err := r.WriteArchive(t.Context(), &archives[i], snapshot.ArchiveOptions{ID: "20991123T201500Z-3f9c2a"}); err != nil {
				t.Error(err)
			}
			if r.Pages() < 10 || !r.ReadLocked || !slices.Equal(r.Tables, []string{"t"}) {
				t.Errorf("%d pages, %+v", r.Pages(), r.Taken)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		if !bytes.Equal(archives[0].Bytes(), archives[1].Bytes()) || checks != 2 {
			t.Errorf("%s: %d and %d bytes of archive, %d checks", path, archives[0].Len(), archives[1].Len(), checks)
		}
	}
}

// Why a database is no differential, or no sound one, comes through.
func TestReadErrors(t *testing.T) {
	p := newTested(t, 1)
	path := makeDB(t, t.TempDir(), 1)
	base := baseOf(t, path)
	execSQL(t, path, "UPDATE t SET x = randomblob(1000)")
	var much *snapshot.BaseError
	if err := p.read(t.Context(), path, base, nil); !errors.As(err, &much) || much.Reason != "more than half of the pages differ" || !strings.Contains(err.Error(), path) {
		t.Errorf("much differs: %v", err)
	}
	execSQL(t, path, "CREATE INDEX i ON t (x)")
	base = baseOf(t, path)
	execSQL(t, path, "PRAGMA writable_schema = on; UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t (length(x))' WHERE name = 'i'")
	if err := p.read(t.Context(), path, base, nil); !errors.Is(err, snapshot.ErrSource) || errors.As(err, &much) || !strings.Contains(err.Error(), "failed its check") {
		t.Errorf("a wrong index: %v", err)
	}
	if err := p.read(t.Context(), path+"x", base, nil); !errors.Is(err, snapshot.ErrSource) {
		t.Errorf("no database: %v", err)
	}
}

// What a hostile database does to its check costs that database.
func TestReadHostile(t *testing.T) {
	needs.Time(t)
	p := newTested(t, 1)
	path := forged(t, 5000, "b NOT NULL AS (length(replace(hex(zeroblob(20000000)), '00', '01')))")
	base := baseOf(t, path)
	_, err := Reader{p.Pool, time.Second}.Read(t.Context(), path, base, snapshot.ReadOptions{CopyOptions: p.options(nil), Check: snapshot.CheckQuick})
	if !errors.Is(err, snapshot.ErrSource) || !errors.Is(err, ErrTooLong) || !strings.Contains(err.Error(), "took longer than 1s") {
		t.Errorf("got %v", err)
	}
}

// A worker that is killed while it reads, and what ends the context, leave
// nothing.
func TestReadKilled(t *testing.T) {
	p := newTested(t, 1)
	path := makeDB(t, t.TempDir(), 20)
	base := baseOf(t, path)
	err := p.read(t.Context(), path, base, once(func() {
		for _, pid := range children(t) {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}))
	if !errors.Is(err, snapshot.ErrSource) || !strings.Contains(err.Error(), "died: signal: killed") {
		t.Errorf("killed: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := p.read(ctx, path, base, once(cancel)); !errors.Is(err, context.Canceled) || errors.Is(err, snapshot.ErrSource) {
		t.Errorf("cancelled: %v", err)
	}
	if err := p.read(t.Context(), path, base, nil); err != nil {
		t.Error(err)
	}
}

// readerVar makes this test program one that reads the database of that path, and
// writes a file once it does.
const readerVar = "LIFEBOAT_TEST_READS"

// A program that is killed takes its worker with it, and the next one removes what
// it has left.
func TestReadingProgramKilled(t *testing.T) {
	if path := os.Getenv(readerVar); path != "" {
		p := &tested{Pool: NewPool(1, slog.New(slog.DiscardHandler)), temp: os.Getenv("TMPDIR")}
		_ = p.read(t.Context(), path, baseOf(t, path), once(func() {
			if err := os.WriteFile(path+"-reads", nil, 0o600); err != nil {
				t.Error(err)
			}
		}))
		return
	}
	p := newTested(t, 1)
	path := makeDB(t, t.TempDir(), 20)
	program := exec.Command(os.Args[0], "-test.run=^TestReadingProgramKilled$")
	program.Env = append(os.Environ(), readerVar+"="+path, "TMPDIR="+p.temp)
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	defer program.Process.Kill() // in case of a Fatal
	await.That(t, func() bool { _, err := os.Stat(path + "-reads"); return err == nil })
	workers := childrenOf(t, program.Process.Pid)
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = program.Wait()
	if len(workers) != 1 {
		t.Fatalf("the program had the workers %v", workers)
	}
	await.That(t, func() bool { return unix.Kill(workers[0], 0) != nil })
	if left, _ := filepath.Glob(filepath.Join(p.temp, "lifeboat-backup-*", "wal")); len(left) != 1 {
		t.Errorf("the program had %v when it was killed", left)
	}
	if err := p.read(t.Context(), path, baseOf(t, path), nil); err != nil {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(p.temp, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range left { // the test's own, which it had no time to remove
		if !strings.HasPrefix(filepath.Base(path), "lifeboat-backup-") {
			if err := os.RemoveAll(path); err != nil {
				t.Error(err)
			}
		}
	}
}
