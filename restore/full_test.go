package restore

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// noLeftovers fails if a restore that failed left anything behind, but for the
// empty WAL and its index that SQLite could not get rid of on a full disk.
func (x site) noLeftovers(t testing.TB) {
	t.Helper()
	for name, b := range readDir(t, x.dir) {
		old, was := x.old[name]
		sqlite := name == "app.db-shm" || name == "app.db-wal" && len(b) == 0
		if !was && !sqlite && !strings.HasPrefix(name, "app.db-mj") || x.damaged && was && string(b) != string(old) {
			t.Fatalf("%s is left over or changed", name)
		}
	}
}

// A limit on the size of files stops the restore wherever it begins to bite.
func TestFileLimit(t *testing.T) {
	needs.Time(t)
	source := newSource(t, "")
	for _, s := range states {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for limit := uint64(1); ; limit = limit*3/2 + 1000 {
				x := s.make(t)
				o := x.order(source)
				o.MaxFile = limit
				out, err := command(t, o).CombinedOutput()
				if err == nil {
					if limit < uint64(fileSize(source)) {
						t.Fatalf("restored under a limit of %d bytes", limit)
					}
					x.checkDone(t)
					return
				}
				if code := err.(interface{ ExitCode() int }).ExitCode(); code != exitCode(ErrNoRoom) {
					t.Fatalf("limit %d: %v\n%s", limit, err, out)
				}
				x.checkWhole(t)
				x.noLeftovers(t)
				o.MaxFile = 0
				restored(t, o)
				x.checkDone(t)
			}
		})
	}
}

// A disk that becomes full before any of the steps.
func TestDiskFull(t *testing.T) {
	needs.Time(t)
	source := newSource(t, "")
	small := t.TempDir()
	sh(t, "mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", small)
	t.Cleanup(func() { sh(t, "umount", small) })
	full := 0
	for _, s := range states {
		for i := range s.steps {
			if s.name == "super-journal" || s.name == "what a killed run left" || s.link {
				continue // they differ from others in names only, which take no room
			}
			x := s.make(t)
			// The same site, on the small disk.
			x.dir = filepath.Join(small, "d")
			if err := os.Mkdir(x.dir, 0o700); err != nil {
				t.Fatal(err)
			}
			for name := range x.old {
				sh(t, "cp", "-p", filepath.Join(filepath.Dir(x.db), name), filepath.Join(x.dir, name))
			}
			x.db = filepath.Join(x.dir, "app.db")
			x.target = x.db
			o := x.order(source)
			options := o.options()
			at := 0
			ballast := filepath.Join(small, "ballast")
			SetHook(&options, func(string) {
				if at++; at == i+1 {
					fillDisk(t, ballast)
				}
			})
			_, err := place(t.Context(), x.target, o.content(), options)
			if err != nil && !errors.Is(err, ErrNoRoom) {
				t.Fatalf("%s, full before %q: %v", s.name, s.steps[i], err)
			}
			if e := os.Remove(ballast); e != nil {
				t.Fatal(e)
			}
			if err != nil {
				full++
				x.checkWhole(t)
				x.noLeftovers(t)
				if _, err := place(t.Context(), x.target, o.content(), o.options()); err != nil {
					t.Fatal(err)
				}
			}
			x.checkDone(t)
			if err := os.RemoveAll(x.dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d times the full disk stopped the restore", full)
	if full < 20 {
		t.Error("the disk was hardly ever full")
	}
	path := filepath.Join(small, "app.db")
	write(t, path, nil)
	o := basicOrder(path, source)
	c := o.content()
	c.size = 1 << 30
	if _, err := place(t.Context(), path, c, o.options()); !errors.Is(err, ErrNoRoom) {
		t.Errorf("a snapshot that is too large: %v", err)
	}
	if got := names(t, path); !slices.Equal(got, []string{"app.db"}) {
		t.Errorf("there is %v", got)
	}
}

// fillDisk writes until nothing more goes.
func fillDisk(t testing.TB, path string) {
	f, err := os.Create(path)
	if err != nil {
		t.Error(err)
		return
	}
	for size := 1 << 16; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, unix.ENOSPC) {
			size /= 16
		} else if err != nil {
			t.Error(err)
			return
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
