package worker

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// The tasks of these tests: this program is their worker, too.
func init() {
	tasks["test-ask"] = func(ctx context.Context, databases []*untrusted.Conn, request []byte, send func([]byte) error) error {
		for _, d := range databases {
			var failed error
			err := d.Each(ctx, string(request), func(row []driver.Value) {
				if failed == nil {
					failed = send(fmt.Append(nil, row[0]))
				}
			})
			if err := errors.Join(err, failed); err != nil {
				return err
			}
		}
		return nil
	}
	tasks["test-crash"] = func(context.Context, []*untrusted.Conn, []byte, func([]byte) error) error {
		var nowhere *int
		return fmt.Errorf("%d", *nowhere)
	}
	tasks["test-large"] = func(_ context.Context, _ []*untrusted.Conn, _ []byte, send func([]byte) error) error {
		if err := send(make([]byte, MaxMessage)); err != nil {
			return err
		}
		return send(make([]byte, MaxMessage+1))
	}
}

// fileSource returns a database that is read from its file.
func fileSource(t *testing.T, path string) Source {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return Source{f, info.Size()}
}

// ask runs a query in a worker, and returns the first column of its rows.
func (p *tested) ask(ctx context.Context, query string, limit time.Duration, sources ...Source) (string, error) {
	i := Inside{Pool: p.Pool, Sources: sources, Limit: limit}
	for n := range sources {
		i.Names = append(i.Names, fmt.Sprint("database ", n))
	}
	var rows []string
	err := i.Run(ctx, "test-ask", []byte(query), func(message []byte) error {
		rows = append(rows, string(message))
		return nil
	})
	return strings.Join(rows, " "), err
}

// atHand is a source that gives more than it is asked for.
type atHand struct {
	io.ReaderAt
	reads int
}

func (a *atHand) Available(_ int64, most int) int { return most }

func (a *atHand) ReadAt(p []byte, off int64) (int, error) {
	a.reads++
	return a.ReaderAt.ReadAt(p, off)
}

// A worker reads databases that the program reads for it: whatever their header says,
// without a file beside them, and with few round trips where it reads on and on. One
// worker does many tasks.
func TestInside(t *testing.T) {
	p := newTested(t, 1)
	path := makeDB(t, t.TempDir(), 4)
	for _, beside := range []string{"-wal", "-shm"} {
		if err := os.RemoveAll(path + beside); err != nil {
			t.Fatal(err)
		}
	}
	one := fileSource(t, path)
	if err := p.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	hand := &atHand{ReaderAt: one.ReaderAt}
	got, err := p.ask(t.Context(), "SELECT count(*) || ' ' || total(length(x)) FROM t", time.Minute, one, Source{hand, one.Size})
	if want := "4001 4001000.0 4001 4001000.0"; err != nil || got != want {
		t.Fatalf("%q, %v", got, err)
	}
	if p.started() != 1 {
		t.Errorf("%d workers", p.started())
	}
	if hand.reads > 60 {
		t.Errorf("%d reads of 1,000 pages in a row", hand.reads)
	}
	if got, err = p.ask(t.Context(), "SELECT rowid FROM t ORDER BY x LIMIT 3", time.Minute, one); err != nil || len(strings.Fields(got)) != 3 {
		t.Errorf("sorted: %q, %v", got, err)
	}
	for _, statement := range []string{"DELETE FROM t RETURNING 1", "ATTACH ':memory:' AS x", "SELECT load_extension('x')", "CREATE TEMP TABLE x (y)"} {
		if _, err = p.ask(t.Context(), statement, time.Minute, one); err == nil {
			t.Errorf("%s: no error", statement)
		}
	}
	if p.started() > 5 { // an error ends a worker
		t.Errorf("%d workers", p.started())
	}
}

// faulty is a source that fails from an offset on.
type faulty struct {
	io.ReaderAt
	from int64
	err  error
}

func (f faulty) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.from {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, off)
}

// What keeps the program from reading is the error, not what SQLite makes of it.
func TestInsideFails(t *testing.T) {
	p := newTested(t, 1)
	path := makeDB(t, t.TempDir(), 4)
	one := fileSource(t, path)
	all := "SELECT count(x) FROM t"
	for _, from := range []int64{0, 1 << 20} {
		for _, cause := range []error{fmt.Errorf("snapshot x: %w: frame 7", snapshot.ErrDamaged), fmt.Errorf("keep: %w", snapshot.ErrNoRoom), io.EOF} {
			got, err := p.ask(t.Context(), all, time.Minute, Source{faulty{one.ReaderAt, from, cause}, one.Size})
			if got != "" || cause != io.EOF && err != cause || cause == io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("from %d: %q, %v", from, got, err)
			}
		}
	}
	if _, err := p.ask(t.Context(), all, time.Minute, Source{bytes.NewReader(make([]byte, 8192)), 8192}); !errors.Is(err, untrusted.ErrCheck) {
		t.Errorf("no database: %v", err)
	}
	if _, err := p.ask(t.Context(), "SELECT absent FROM t", time.Minute, one); err == nil || errors.Is(err, untrusted.ErrCheck) || !strings.Contains(err.Error(), "no such column: absent") {
		t.Errorf("wrong query: %v", err)
	}
	endless := "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n) SELECT max(i) FROM n"
	if _, err := p.ask(t.Context(), endless, 300*time.Millisecond, one); !errors.Is(err, ErrLimit) {
		t.Errorf("endless: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := p.ask(ctx, endless, time.Minute, one); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := p.ask(t.Context(), "SELECT 1"+strings.Repeat(", hex(randomblob(30000000))", 6), time.Minute, one); !errors.Is(err, ErrLimit) {
		t.Errorf("memory: %v", err)
	}
	i := Inside{Pool: p.Pool, Names: []string{"snapshot x"}, Sources: []Source{one}, Limit: time.Minute}
	nothing := func([]byte) error { return nil }
	if err := i.Run(t.Context(), "test-crash", nil, nothing); !errors.Is(err, untrusted.ErrCheck) || !strings.Contains(err.Error(), "snapshot x died: ") {
		t.Errorf("crash: %v", err)
	}
	if err := i.Run(t.Context(), "unknown", nil, nothing); err == nil {
		t.Error("an unknown task")
	}
	length := 0
	err := i.Run(t.Context(), "test-large", nil, func(m []byte) error { length += len(m); return nil })
	if length != MaxMessage || err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("large: %d, %v", length, err)
	}
	full := errors.New("the disk is full")
	if err := i.Run(t.Context(), "test-ask", []byte("SELECT x FROM t"), func([]byte) error { return full }); err != full {
		t.Errorf("receive: %v", err)
	}
	if got, err := p.ask(t.Context(), all, time.Minute, one); got != "4001" || err != nil {
		t.Errorf("afterwards: %q, %v", got, err)
	}
}

// The time that the program takes for rows is not the worker's.
func TestInsideWaits(t *testing.T) {
	p := newTested(t, 1)
	one := fileSource(t, makeDB(t, t.TempDir(), 1))
	longEnough(t, 3*time.Second, ErrLimit, func(limit time.Duration) error {
		i := Inside{Pool: p.Pool, Names: []string{"x"}, Sources: []Source{one}, Limit: limit}
		rows := 0
		err := i.Run(t.Context(), "test-ask", []byte("SELECT x FROM t LIMIT 12"), func([]byte) error {
			if rows++; rows == 1 {
				time.Sleep(limit + limit/6)
			}
			return nil
		})
		if err == nil && rows != 12 {
			t.Errorf("%d rows", rows)
		}
		return err
	})
}

// SQLite sorts what does not fit into memory in temp files that have no name. A
// directory without room is named.
func TestInsideTempFiles(t *testing.T) {
	one := fileSource(t, makeDB(t, t.TempDir(), 20))
	sort := "SELECT rowid FROM (SELECT rowid, x FROM t UNION ALL SELECT rowid, x FROM t ORDER BY x) LIMIT 1"
	temp := t.TempDir()
	for dir, want := range map[string]error{temp: nil, filepath.Join(temp, "none"): snapshot.ErrTempDir} {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Setenv("SQLITE_TMPDIR", dir)
			p := newTested(t, 1)
			if _, err := p.ask(t.Context(), sort, time.Minute, one); !errors.Is(err, want) {
				t.Error(err)
			}
		})
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
