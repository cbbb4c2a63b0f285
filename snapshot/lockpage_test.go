package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// asCopy returns the closed database as a copy, and its digest. It saves copying
// a GiB.
func asCopy(t *testing.T, path string) (*Copy, *Digest) {
	t.Helper()
	c := &Copy{Taken: Taken{JournalMode: "delete"}, source: path}
	var err error
	if c.db, err = os.Open(path); err != nil {
		t.Fatal(err)
	}
	if c.pages, err = os.Create(filepath.Join(t.TempDir(), pagesName)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.files.close() })
	if err := c.readHeader(); err != nil {
		t.Fatal(err)
	}
	d, err := c.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, d
}

// beforeLockPage makes a database that ends two pages before the one that SQLite
// never uses. Its file is sparse.
func beforeLockPage(t *testing.T, pageSize int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	runSQL(t, path, fmt.Sprintf("PRAGMA page_size = %d; CREATE TABLE t (a)", pageSize))
	pages := wal.LockPage(pageSize) - 2
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		_, err = f.WriteAt(binary.BigEndian.AppendUint32(nil, uint32(pages)), 28)
	}
	if err == nil {
		err = f.Truncate(int64(pages) * int64(pageSize))
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func sameFiles(t *testing.T, one, other string) bool {
	t.Helper()
	var in [2]*os.File
	var buf [2][]byte
	for i, path := range []string{one, other} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		in[i], buf[i] = f, make([]byte, 4<<20)
	}
	for {
		n, err := io.ReadFull(in[0], buf[0])
		m, _ := io.ReadFull(in[1], buf[1])
		if !bytes.Equal(buf[0][:n], buf[1][:m]) {
			return false
		}
		if err != nil {
			return true
		}
	}
}

// A database grows across the page at 1 GiB that SQLite never uses, which no WAL
// may have.
func TestAcrossTheLockPage(t *testing.T) {
	needs.Time(t)
	for _, pageSize := range []int{512, 1024, 2048, 4096, 8192, 16384, 32768, 65536} {
		t.Run(fmt.Sprint(pageSize), func(t *testing.T) {
			path := beforeLockPage(t, pageSize)
			c, d := asCopy(t, path)
			base := Base{Reference{idOf(1), d.String(), strings.Repeat("0", 64)}, pageSize, c.Header.PageCount, d.leaves}

			grown, restored := sparseCopy(t, path), sparseCopy(t, path)
			runSQL(t, grown, fmt.Sprintf("INSERT INTO t VALUES (randomblob(%d))", 5*pageSize))
			c, d = asCopy(t, grown)
			if c.Header.PageCount <= wal.LockPage(pageSize) {
				t.Fatalf("the database has %d pages only", c.Header.PageCount)
			}
			r := compare(t, c, d, base)
			n := r.Pages()
			var b bytes.Buffer
			if _, err := r.WriteArchive(t.Context(), &b, ArchiveOptions{ID: idOf(2)}); err != nil {
				t.Fatal(err)
			}
			a, err := OpenArchive(t.Context(), bytes.NewReader(b.Bytes()), int64(b.Len()), "")
			if err != nil {
				t.Fatal(err)
			}

			over, err := newOverlay(base.digests(), base.PageCount, a.leaves(t.Context()), pageSize, c.Header.PageCount)
			if err == nil {
				err = readAll(newRooted(over, a.manifest))
			}
			if err != nil {
				t.Errorf("page digests: %v", err)
			}
			readPages(t, a, c.Header.PageCount, base, grown)
			f, err := os.OpenFile(restored, os.O_RDWR, 0)
			if err == nil {
				err = a.writeTo(t.Context(), f, ExtractOptions{Digests: true})
			}
			if err = errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			if !sameFiles(t, restored, grown) {
				t.Error("Lifeboat restores something else")
			}
			write(t, path+"-wal", zstdTool(t, b.Bytes(), "-d"))
			if got, want := runSQL(t, path, "PRAGMA wal_checkpoint"), fmt.Sprintf("0|%d|%d", n, n); got != want {
				t.Errorf("sqlite3 prints %q, want %q", got, want)
			}
			if !sameFiles(t, path, grown) {
				t.Error("zstd and sqlite3 restore something else")
			}
		})
	}
}

func sparseCopy(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "app.db")
	if out, err := exec.Command("cp", "--sparse=always", path, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	return to
}

// readPages reads all pages of a differential one frame at a time. The database is that
// in the file.
func readPages(t *testing.T, a *Archive, pages int, base Base, file string) {
	t.Helper()
	full := &Archive{manifest: Manifest{Kind: KindFull, PageSize: base.PageSize, PageCount: base.PageCount, Size: int64(base.PageCount * base.PageSize)}}
	r, err := (&Chain{[]*Archive{full, a}}).PageReader(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	read, want := 0, make([]byte, base.PageSize)
	for i := range r.Frames(1) {
		err := r.Read(Place{1, i}, func(off int64, page []byte) error {
			read++
			if _, err := f.ReadAt(want, off); err != nil || !bytes.Equal(page, want) {
				t.Errorf("page at %d differs: %v", off, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if read != a.manifest.Pages {
		t.Errorf("%d pages read of %d", read, a.manifest.Pages)
	}
	for page := base.PageCount + 1; page <= pages; page++ {
		if p, found := r.Find(page); found == (page == wal.LockPage(base.PageSize)) || found && p.Archive != 1 {
			t.Errorf("page %d: %v, %v", page, p, found)
		}
	}
}
