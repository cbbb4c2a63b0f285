package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
)

// leftReading is what ReadInto has left of the database on a base, still to be
// adopted, and the digest that it returned.
func leftReading(t *testing.T, path string, base Base, o ReadOptions) (Adoption, string) {
	t.Helper()
	o.TempDir = t.TempDir()
	dir, err := os.Open(o.TempDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	a := Adoption{Source: path, Dir: dir, User: os.Geteuid(), Close: func() error { return nil }}
	if err := a.LeaveBase(base); err != nil {
		t.Fatal(err)
	}
	base.Pages = nil
	taken, digest, err := ReadInto(t.Context(), path, base, o)
	if err != nil {
		t.Fatal(err)
	}
	a.Taken = taken
	return a, digest
}

// changed is a database and the base that it differs from.
func changed(t *testing.T) (path string, full taken) {
	t.Helper()
	path = makeDB(t, 9, "journal_mode=wal")
	full = takeFull(t, path, 1)
	runSQL(t, path, "UPDATE t SET a = 'x' WHERE id % 300 = 7; INSERT INTO t (a, b) VALUES ('y', randomblob(9000))")
	return path, full
}

// An adopted reading gives the archive of one that was made here.
func TestAdoptReading(t *testing.T) {
	path, full := changed(t)
	own := read(t, path, full.base, ReadOptions{})
	a, digest := leftReading(t, path, full.base, ReadOptions{Check: CheckFull})
	closed := 0
	a.Close = func() error { closed++; return errors.New("not removed") }
	r, err := a.Reading(t.Context(), full.base, digest, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if r.Digest.String() != own.Digest.String() || r.Header != own.Header || r.JournalMode != "wal" || len(r.Tables) != len(own.Tables) || r.Pages() != own.Pages() {
		t.Errorf("adopted %s %+v, read here %s %+v", r.Digest, r.Taken, own.Digest, own.Taken)
	}
	if !bytes.Equal(restored(t, full, r), restored(t, full, own)) {
		t.Error("the adopted reading restores something else")
	}
	leaves := io.NewSectionReader(r.Digest.Pages(), 0, 1<<40)
	if got, err := DigestOf(t.Context(), leaves, r.Header.PageSize, r.Header.PageCount); got != digest {
		t.Errorf("its page digests give %s, %v", got, err)
	}
	if err := r.Close(); err == nil || closed != 1 {
		t.Errorf("close: %v, %d times", err, closed)
	}
}

// What stands in the place of the WAL is not followed, waited for or taken for it.
func TestAdoptReadingRefuses(t *testing.T) {
	path, full := changed(t)
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, []byte("secret"))
	for what, put := range map[string]func(at string) error{
		"symlink":   func(at string) error { return os.Symlink(secret, at) },
		"hard link": func(at string) error { return os.Link(secret, at) },
		"FIFO":      func(at string) error { return unix.Mkfifo(at, 0o600) },
		"nothing":   func(string) error { return nil },
	} {
		a, digest := leftReading(t, path, full.base, ReadOptions{})
		at := filepath.Join(a.Dir.Name(), walName)
		if err := errors.Join(os.Remove(at), put(at)); err != nil {
			t.Fatal(err)
		}
		if r, err := a.Reading(t.Context(), full.base, digest, t.TempDir()); !errors.Is(err, ErrTempDir) {
			t.Errorf("%s: adopted %v, %v", what, r, err)
		}
		if err := a.LeaveBase(full.base); !errors.Is(err, ErrTempDir) { // it is there already
			t.Errorf("%s: left a base: %v", what, err)
		}
	}
}

// A process that a hostile database has taken over cannot have anything uploaded
// but what is consistent in itself.
func TestAdoptReadingLies(t *testing.T) {
	path, full := changed(t)
	size := full.base.PageSize
	frame := int64(wal.FrameHeaderSize + size)
	second := int64(wal.HeaderSize) + frame
	for what, c := range map[string]struct {
		lie  func(wal *os.File) error
		want string // in the error
	}{
		"empty":                {func(f *os.File) error { return f.Truncate(0) }, "no whole pages"},
		"header alone":         {func(f *os.File) error { return f.Truncate(wal.HeaderSize) }, "no whole pages"},
		"cut in a page":        {func(f *os.File) error { return f.Truncate(second + 100) }, "no whole pages"},
		"a page less":          {func(f *os.File) error { return f.Truncate(second) }, "page"},
		"endless":              {func(f *os.File) error { return f.Truncate(wal.HeaderSize + frame<<30) }, "bytes, more than"},
		"another page":         {func(f *os.File) error { _, err := f.WriteAt([]byte("rubbish"), second+1000); return err }, "gives the digest"},
		"page 0":               {func(f *os.File) error { return number(f, second, 0) }, ": page 0 is out of place"},
		"page 1 again":         {func(f *os.File) error { return number(f, second, 1) }, ": page 1 is out of place"},
		"page beyond the end":  {func(f *os.File) error { return number(f, second, 1<<30) }, ": page 1073741824 is out of place"},
		"no first page":        {func(f *os.File) error { return number(f, wal.HeaderSize, 2) }, ": page 2 is out of place"},
		"no database":          {func(f *os.File) error { _, err := f.WriteAt(make([]byte, 100), second-int64(size)); return err }, "no SQLite header"},
		"many pages":           {func(f *os.File) error { return number(f, second-int64(size)+28, 1<<31) }, "cannot make a database of 2147483648"},
		"few pages":            {func(f *os.File) error { return number(f, second-int64(size)+28, 1) }, "cannot make a database of 1"},
		"pages of other sizes": {func(f *os.File) error { _, err := f.WriteAt([]byte{2, 0}, second-int64(size)+16); return err }, "pages of 512 bytes"},
	} {
		t.Run(what, func(t *testing.T) {
			a, digest := leftReading(t, path, full.base, ReadOptions{})
			f, err := os.OpenFile(filepath.Join(a.Dir.Name(), walName), os.O_RDWR, 0)
			if err == nil {
				err = errors.Join(c.lie(f), f.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
			temp := t.TempDir()
			if r, err := a.Reading(t.Context(), full.base, digest, temp); err == nil || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("adopted %+v, %v", r, err)
			}
			if left, _ := os.ReadDir(temp); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// number writes four bytes, as of a page's number.
func number(f *os.File, at int64, n uint32) error {
	_, err := f.WriteAt(binary.BigEndian.AppendUint32(nil, n), at)
	return err
}
