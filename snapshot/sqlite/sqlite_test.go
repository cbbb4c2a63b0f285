package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

func connect(t *testing.T, path string) *Conn {
	t.Helper()
	c, err := OpenSource(path, 0, url.Values{"mode": {"rw"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func database(t *testing.T, statements string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a?b=c%41#d.db") // taken literally
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := connect(t, path).Exec(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRowsAndColumns(t *testing.T) {
	ctx := t.Context()
	c := connect(t, database(t, "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (2, 'y')"))
	if row, err := c.Row(ctx, "SELECT a, b FROM t ORDER BY a"); err != nil || !slices.Equal(row, []driver.Value{int64(1), "x"}) {
		t.Errorf("row: %v, %v", row, err)
	}
	if column, err := c.Column(ctx, "SELECT a, b FROM t ORDER BY a"); err != nil || !slices.Equal(column, []driver.Value{int64(1), int64(2)}) {
		t.Errorf("column: %v, %v", column, err)
	}
	if n, err := c.Int(ctx, "SELECT sum(a) FROM t"); err != nil || n != 3 {
		t.Errorf("integer: %v, %v", n, err)
	}
	if n, err := c.Int(ctx, "SELECT b FROM t"); err == nil {
		t.Errorf("a text is the integer %d", n)
	}
	if row, err := c.Row(ctx, "SELECT a FROM t WHERE a > 2"); !errors.Is(err, io.EOF) {
		t.Errorf("no row: %v, %v", row, err)
	}
	if column, err := c.Column(ctx, "SELECT a FROM t WHERE a > 2"); err != nil || len(column) != 0 {
		t.Errorf("an empty column: %v, %v", column, err)
	}
	var seen []string
	if err := c.Each(ctx, "SELECT a, b FROM t", func(row []driver.Value) { seen = append(seen, fmt.Sprint(row)) }); err != nil || !slices.Equal(seen, []string{"[1 x]", "[2 y]"}) {
		t.Errorf("each: %v, %v", seen, err)
	}
	if err := c.Exec(ctx, "no SQL"); !errors.Is(err, reason.ErrSource) || Message(err) != `near "no": syntax error` {
		t.Errorf("%v: %q", err, Message(err))
	}
}

func TestOpenMakesNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mistyped.db")
	for _, open := range []func(string, time.Duration, url.Values) (*Conn, error){Open, OpenSource} {
		c, err := open(path, 0, url.Values{"mode": {"rw"}})
		if err == nil {
			_, err = c.Row(t.Context(), "SELECT 1")
			c.Close()
		}
		if _, absent := os.Stat(path); Code(err) != sqlite3.ErrCantOpen || !errors.Is(absent, os.ErrNotExist) {
			t.Errorf("%v, %v", err, absent)
		}
	}
}

// A statement waits as long as it may for another connection's lock, and no
// longer than its context.
func TestWaitForLocks(t *testing.T) {
	path := database(t, "CREATE TABLE t (a)")
	other, c := connect(t, path), connect(t, path)
	if err := other.Exec(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	c.Wait = 50 * time.Millisecond
	_, err := c.Column(t.Context(), "SELECT a FROM t")
	if !errors.Is(err, reason.ErrLocked) || !IsLocked(err) {
		t.Errorf("locked: %v", err)
	}
	c.Wait = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Column(ctx, "SELECT a FROM t"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after its context: %v", err)
	}
	attempts := 0
	err = c.Patiently(t.Context(), "SELECT a FROM t", func() error {
		attempts++
		err := c.each(t.Context(), "SELECT a FROM t", func([]driver.Value) {})
		if attempts == 2 {
			err = errors.Join(err, other.Exec(t.Context(), "COMMIT"))
		}
		return err
	})
	if err != nil || attempts != 3 {
		t.Errorf("unlocked: %v after %d attempts", err, attempts)
	}
}

func TestWaitTime(t *testing.T) {
	for option, want := range map[time.Duration]time.Duration{0: 30 * time.Second, NoWait: 0, time.Minute: time.Minute} {
		if got := WaitTime(option); got != want {
			t.Errorf("%d: %s, want %s", option, got, want)
		}
	}
}

func TestReasons(t *testing.T) {
	ioError := sqlite3.ErrIoErr
	for _, c := range []struct {
		err          error
		wrap, source error
	}{
		{sqlite3.Error{Code: sqlite3.ErrFull}, reason.ErrNoRoom, reason.ErrNoRoom},
		{sqlite3.Error{Code: ioError, SystemErrno: syscall.ENOSPC}, reason.ErrNoRoom, reason.ErrNoRoom},
		{sqlite3.Error{Code: ioError, SystemErrno: syscall.EFBIG}, reason.ErrNoRoom, reason.ErrNoRoom},
		{syscall.EDQUOT, reason.ErrNoRoom, reason.ErrNoRoom},
		{sqlite3.Error{Code: sqlite3.ErrBusy}, nil, reason.ErrLocked},
		{sqlite3.Error{Code: sqlite3.ErrNo(sqlite3.ErrBusy.Extend(2))}, nil, reason.ErrLocked}, // as a backup's step gives it
		{sqlite3.Error{Code: sqlite3.ErrProtocol}, nil, reason.ErrLocked},
		{sqlite3.Error{Code: sqlite3.ErrNotADB}, nil, reason.ErrSource},
		{sqlite3.Error{Code: sqlite3.ErrCorrupt}, nil, reason.ErrSource},
		{sqlite3.Error{Code: sqlite3.ErrReadonly}, nil, reason.ErrSource},
		{sqlite3.Error{Code: sqlite3.ErrError}, nil, reason.ErrSource},
		{sqlite3.Error{Code: ioError, ExtendedCode: sqlite3.ErrIoErrRead}, nil, reason.ErrSource},
		{sqlite3.Error{Code: ioError, ExtendedCode: sqlite3.ErrNoExtended(ioError), SystemErrno: syscall.ENOENT}, nil, reason.ErrSource}, // a corrupt schema
		{sqlite3.Error{Code: sqlite3.ErrNo(ioError.Extend(33))}, nil, reason.ErrSource},
		{sqlite3.Error{Code: ioError, ExtendedCode: sqlite3.ErrIoErrWrite}, nil, nil},
		{sqlite3.Error{Code: sqlite3.ErrNomem}, nil, nil},
		{syscall.EIO, nil, nil},
	} {
		for name, got := range map[string]struct{ err, want error }{"wrap": {Wrap("try", c.err), c.wrap}, "source": {WrapSource("try", c.err), c.source}} {
			for _, why := range []error{reason.ErrNoRoom, reason.ErrLocked, reason.ErrSource} {
				if errors.Is(got.err, why) != (why == got.want) {
					t.Errorf("%s of %#v: %v, want %v", name, c.err, got.err, got.want)
				}
			}
			if !errors.Is(got.err, c.err) {
				t.Errorf("%s of %#v does not wrap it", name, c.err)
			}
		}
	}
	if err := errors.Join(Wrap("try", nil), WrapSource("try", nil)); err != nil {
		t.Error(err)
	}
	files := fmt.Errorf("open: %w", sqlite3.Error{Code: sqlite3.ErrCantOpen, SystemErrno: syscall.EMFILE})
	if !HasErrno(files, syscall.ENFILE, syscall.EMFILE) || HasErrno(files, syscall.ENFILE) || !HasErrno(syscall.ENFILE, syscall.ENFILE) || HasErrno(nil, syscall.EMFILE) {
		t.Error("the system's error within SQLite's is not recognised")
	}
}
