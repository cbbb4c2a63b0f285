package snapshot

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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

// A sparse file has holes where zeros are written.
type sparse struct{ *os.File }

func (f sparse) WriteAt(p []byte, off int64) (int, error) {
	if bytes.Count(p, []byte{0}) == len(p) {
		return len(p), nil
	}
	return f.File.WriteAt(p, off)
}

// A database grows across the page at 1 GiB that SQLite never uses, which no WAL
// may have.
func TestAcrossTheLockPage(t *testing.T) {
	needs.Time(t)
	for _, pageSize := range []int{512, 1024, 2048, 4096, 8192, 16384, 32768, 65536} {
		t.Run(fmt.Sprint(pageSize), func(t *testing.T) {
			path := beforeLockPage(t, pageSize)
			c, d := asCopy(t, path)
			var full bytes.Buffer
			m, err := c.WriteArchive(t.Context(), &full, d, ArchiveOptions{ID: idOf(1)})
			if err != nil {
				t.Fatal(err)
			}
			base := baseOf(m, d)

			grown := filepath.Join(t.TempDir(), "app.db")
			if out, err := exec.Command("cp", "--sparse=always", path, grown).CombinedOutput(); err != nil {
				t.Fatalf("cp: %v\n%s", err, out)
			}
			runSQL(t, grown, fmt.Sprintf("INSERT INTO t VALUES (randomblob(%d))", 5*pageSize))
			c, d = asCopy(t, grown)
			if c.Header.PageCount <= wal.LockPage(pageSize) {
				t.Fatalf("the database has %d pages only", c.Header.PageCount)
			}
			n, err := c.CountChanges(t.Context(), d, base)
			if err != nil {
				t.Fatal(err)
			}
			changes, err := c.Changes(t.Context(), d, base, n, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer changes.Close()
			var differential bytes.Buffer
			if _, err := changes.WriteArchive(t.Context(), &differential, ArchiveOptions{ID: idOf(2)}); err != nil {
				t.Fatal(err)
			}
			restored := filepath.Join(t.TempDir(), "app.db")
			f, err := os.Create(restored)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			chain, err := chainOf(t, full.Bytes(), differential.Bytes())
			if err == nil {
				err = chain.Extract(t.Context(), sparse{f}, ExtractOptions{})
			}
			if err != nil {
				t.Fatal(err)
			}
			write(t, path+"-wal", zstdTool(t, differential.Bytes(), "-d"))
			if got, want := runSQL(t, path, "PRAGMA wal_checkpoint"), fmt.Sprintf("0|%d|%d", n, n); got != want {
				t.Errorf("sqlite3 prints %q, want %q", got, want)
			}
			if !sameFiles(t, path, grown) { // as what Lifeboat has restored is, by its digest
				t.Error("zstd and sqlite3 restore something else")
			}
		})
	}
}
