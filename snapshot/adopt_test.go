package snapshot

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// left is a copy that TakeInto has left, still to be adopted.
func left(t *testing.T, path string, o CopyOptions) Adoption {
	t.Helper()
	o.TempDir = t.TempDir()
	taken, err := TakeInto(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(o.TempDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return Adoption{Source: path, Dir: dir, User: os.Geteuid(), Taken: taken}
}

// An adopted copy gives the archive of one that was taken here, and goes by
// what was hashed while it was made.
func TestAdopt(t *testing.T) {
	needs.Time(t)
	for _, method := range []Method{MethodBackup, MethodVacuum} {
		path := makeDB(t, 40, "journal_mode=wal")
		own := take(t, path, CopyOptions{Method: method})
		o := CopyOptions{Method: method}
		if method == MethodBackup {
			o.MaxRate = 50 << 20 // slow enough to be hashed meanwhile
		}
		a := left(t, path, o)
		var checked CheckLevel
		closed := 0
		a.Check = func(_ context.Context, file string, level CheckLevel) error {
			checked = level
			return errors.Join(errors.New("not sound"), os.Remove(filepath.Join(a.Dir.Name(), file)))
		}
		a.Close = func() error { closed++; return errors.New("not removed") }
		c, err := a.Copy()
		if err != nil {
			t.Fatal(err)
		}
		if hashed := len(c.early) >= 5; hashed != (method == MethodBackup) {
			t.Errorf("%s: %d frames hashed early", method, len(c.early))
		}
		options := ArchiveOptions{ID: "20261123T201500Z-3f9c2a"}
		c.TakenAt = own.TakenAt
		got, m := archive(t, c, options)
		want, _ := archive(t, own, options)
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the archive of the adopted copy differs", method)
		}
		if m.JournalMode != "wal" || m.Method != method {
			t.Errorf("manifest: %+v", m)
		}
		if err := c.Check(t.Context(), CheckFull); err == nil || errors.Is(err, os.ErrNotExist) || checked != CheckFull {
			t.Errorf("check: %v, of level %q", err, checked)
		}
		if err := c.Close(); err == nil || closed != 1 {
			t.Errorf("close: %v, %d times", err, closed)
		}
	}
}

// What stands in the place of a copy's file is not followed, waited for or
// taken for it.
func TestAdoptRefuses(t *testing.T) {
	path := makeDB(t, 1)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{copyName, pagesName, hashesName} {
		for what, put := range map[string]func(at string) error{
			"symlink":   func(at string) error { return os.Symlink(secret, at) },
			"hard link": func(at string) error { return os.Link(secret, at) },
			"FIFO":      func(at string) error { return unix.Mkfifo(at, 0o600) },
			"directory": func(at string) error { return os.Mkdir(at, 0o700) },
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				a := left(t, path, CopyOptions{})
				at := filepath.Join(a.Dir.Name(), name)
				if err := errors.Join(os.Remove(at), put(at)); err != nil {
					t.Fatal(err)
				}
				if c, err := a.Copy(); !errors.Is(err, ErrTempDir) {
					t.Errorf("adopted %v, %v", c, err)
				}
			})
		}
	}
	t.Run("another user's", func(t *testing.T) {
		a := left(t, path, CopyOptions{})
		a.User++
		if c, err := a.Copy(); !errors.Is(err, ErrTempDir) {
			t.Errorf("adopted %v, %v", c, err)
		}
	})
}

// A process that a hostile database has taken over costs that database alone.
func TestAdoptLies(t *testing.T) {
	path := makeDB(t, 9)
	for what, lie := range map[string]func(a *Adoption) error{
		"no database": func(a *Adoption) error {
			return os.WriteFile(filepath.Join(a.Dir.Name(), copyName), make([]byte, 4096), 0o600)
		},
		"cut":          func(a *Adoption) error { return os.Truncate(filepath.Join(a.Dir.Name(), copyName), 4096) },
		"empty":        func(a *Adoption) error { return os.Truncate(filepath.Join(a.Dir.Name(), copyName), 0) },
		"journal mode": func(a *Adoption) error { a.Taken.JournalMode = "off"; return nil },
	} {
		t.Run(what, func(t *testing.T) {
			a := left(t, path, CopyOptions{})
			if err := lie(&a); err != nil {
				t.Fatal(err)
			}
			if c, err := a.Copy(); err == nil {
				t.Errorf("adopted %+v", c)
			}
		})
	}
	t.Run("more hashes than frames", func(t *testing.T) {
		a := left(t, path, CopyOptions{})
		if err := os.WriteFile(filepath.Join(a.Dir.Name(), hashesName), make([]byte, 1000*hashedSize+1), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := a.Copy()
		if err != nil || len(c.early) > frameCount(c.Header.Size()) {
			t.Errorf("%d early frames, %v", len(c.early), err)
		}
	})
}
