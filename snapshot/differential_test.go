package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// A taken is a copy with its digest and its archive.
type taken struct {
	content []byte
	archive []byte
	base    Base
}

func file(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// takeFull takes the full snapshot of a database, the hour-th of a series.
func takeFull(t testing.TB, path string, hour int) taken {
	t.Helper()
	c := take(t, path, CopyOptions{})
	d, err := c.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, m := archive(t, c, ArchiveOptions{ID: idOf(hour)})
	return taken{file(t, c.path), b, NewBase(m, d.Pages())}
}

func idOf(hour int) ID { return NewID(time.Date(2026, 11, 23, hour, 0, 0, 0, time.UTC)) }

// takeDifferential takes the differential of a database on a base.
func takeDifferential(t testing.TB, path string, hour int, base Base) taken {
	t.Helper()
	c := take(t, path, CopyOptions{})
	d, err := c.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := compare(t, c, d, base)
	var b bytes.Buffer
	m, err := r.WriteArchive(t.Context(), &b, ArchiveOptions{ID: idOf(hour), Database: "app.db"})
	if err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) > r.MaxArchiveSize() {
		t.Errorf("archive has %d bytes, MaxArchiveSize said %d", b.Len(), r.MaxArchiveSize())
	}
	if m.Digest != d.String() {
		t.Errorf("the differential has the digest %s, the copy %s", m.Digest, d)
	}
	return taken{file(t, c.path), b.Bytes(), NewBase(m, d.Pages())}
}

// compare makes of a copy what Read would make of its database, also if more than
// half of its pages differ from the base.
func compare(t testing.TB, c *Copy, d *Digest, base Base) *Reading {
	t.Helper()
	scratch, err := disk.NewScratch(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	r := &Reading{Taken: c.Taken, source: c.source, base: base.Reference, remove: scratch.Close}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := newSpool(filepath.Join(scratch.Path(), walName), base.PageSize)
	if err != nil {
		t.Fatal(err)
	}
	r.files.wal = s.file
	page, own, old := make([]byte, base.PageSize), newDigestFile(d.Pages(), c.Header.PageCount, PageDigestSize), base.digests()
	for number := 1; number <= c.Header.PageCount; number++ {
		digest, err := own.next()
		if err != nil {
			t.Fatal(err)
		}
		before, _ := old.next()
		if number == wal.LockPage(base.PageSize) || bytes.Equal(digest, before) && number != 1 {
			continue
		}
		_, err = c.db.ReadAt(page, int64(number-1)*int64(base.PageSize))
		if err == nil {
			err = s.add(number, page)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.out.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := r.complete(t.Context(), base, d.String(), scratch); err != nil {
		t.Fatal(err)
	}
	return r
}

// chainOf opens the archives as a chain.
func chainOf(t testing.TB, archives ...[]byte) (*Chain, error) {
	t.Helper()
	var open []*Archive
	for _, b := range archives {
		a, err := OpenArchive(t.Context(), bytes.NewReader(b), int64(len(b)), "")
		if err != nil {
			return nil, err
		}
		open = append(open, a)
	}
	return NewChain(open...)
}

// extractChain returns the database that the archives make.
func extractChain(t testing.TB, archives ...[]byte) ([]byte, error) {
	t.Helper()
	chain, err := chainOf(t, archives...)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(t.TempDir(), "restored.db")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := chain.Extract(t.Context(), f, ExtractOptions{Digests: true}); err != nil {
		return nil, err
	}
	return file(t, path), nil
}

// restoreByHand restores the archives with the stock tools, as the documents say.
func restoreByHand(t testing.TB, archives ...[]byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	write(t, path, zstdTool(t, archives[0], "-d"))
	for _, b := range archives[1:] {
		write(t, path+"-wal", zstdTool(t, b, "-d"))
		a, err := OpenArchive(t.Context(), bytes.NewReader(b), int64(len(b)), "")
		if err != nil {
			t.Fatal(err)
		}
		n := a.Manifest().Pages
		if got, want := runSQL(t, path, "PRAGMA wal_checkpoint; PRAGMA integrity_check"), fmt.Sprintf("0|%d|%d\nok", n, n); got != want {
			t.Errorf("sqlite3 prints %q, want %q", got, want)
		}
	}
	return file(t, path)
}

// digestBesideWAL returns the digest of the database that an application sees
// which opens the first archive's with the second one's WAL beside it.
func digestBesideWAL(t testing.TB, full, differential []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	write(t, path, zstdTool(t, full, "-d"))
	write(t, path+"-wal", zstdTool(t, differential, "-d"))
	d, err := take(t, path, CopyOptions{}).Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// edits are what may happen to a database between two snapshots.
var edits = map[string]func(journal string) string{
	"grow":   func(string) string { return "INSERT INTO t (a, b) SELECT hex(randomblob(300)), randomblob(700) FROM t" },
	"shrink": func(string) string { return "DELETE FROM t WHERE id % 3; VACUUM" },
	"empty":  func(string) string { return "DROP TABLE t; VACUUM" },
	"a page": func(string) string { return "UPDATE t SET a = 'x' WHERE id = 17" },
	"other journal": func(journal string) string {
		return "PRAGMA journal_mode = " + map[string]string{"wal": "delete", "delete": "wal"}[journal] + "; UPDATE t SET a = 'y' WHERE id = 17"
	},
}

// Three ways lead from a full snapshot and a differential to the same bytes:
// Lifeboat's, that of zstd and sqlite3, and that of an application which opens the
// database with the WAL beside it.
func TestDifferential(t *testing.T) {
	needs.Time(t)
	for _, pageSize := range []int{512, 1024, 2048, 4096, 8192, 16384, 32768, 65536} {
		for _, journal := range []string{"delete", "wal"} {
			for _, vacuum := range []string{"none", "full", "incremental"} {
				for what, change := range edits {
					t.Run(fmt.Sprintf("%d %s %s %s", pageSize, journal, vacuum, what), func(t *testing.T) {
						path := makeDB(t, 1, fmt.Sprintf("page_size=%d", pageSize), "auto_vacuum="+vacuum, "journal_mode="+journal)
						full := takeFull(t, path, 1)
						runSQL(t, path, change(journal))
						differential := takeDifferential(t, path, 2, full.base)
						got, err := extractChain(t, full.archive, differential.archive)
						if err != nil {
							t.Fatal(err)
						}
						if !bytes.Equal(got, differential.content) {
							t.Error("Lifeboat restores something else than the copy")
						}
						if by := restoreByHand(t, full.archive, differential.archive); !bytes.Equal(by, differential.content) {
							t.Error("zstd and sqlite3 restore something else than the copy")
						}
						if seen := digestBesideWAL(t, full.archive, differential.archive); seen != differential.base.Digest {
							t.Errorf("an application sees %s, the copy is %s", seen, differential.base.Digest)
						}
					})
				}
			}
		}
	}
}

// A chain of four, of several data frames each, that grows and shrinks.
func TestChain(t *testing.T) {
	needs.Time(t)
	path := makeDB(t, 9, "journal_mode=wal")
	full := takeFull(t, path, 1)
	archives, last := [][]byte{full.archive}, full
	for i, change := range []string{
		"UPDATE t SET b = randomblob(700)",
		"DELETE FROM t WHERE id > 2000; VACUUM",
		"INSERT INTO t (a, b) SELECT hex(randomblob(300)), randomblob(700) FROM generate_series(1, 9000)",
	} {
		runSQL(t, path, change)
		last = takeDifferential(t, path, i+2, last.base)
		archives = append(archives, last.archive)
		got, err := extractChain(t, archives...)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, last.content) {
			t.Errorf("after %s: the chain makes something else than the copy", change)
		}
	}
	if by := restoreByHand(t, archives...); !bytes.Equal(by, last.content) {
		t.Error("zstd and sqlite3 restore something else than the copy")
	}
	for _, wrong := range [][][]byte{archives[1:], {archives[0], archives[2]}, {archives[0], archives[2], archives[1]}, {archives[0], archives[0]}} {
		if _, err := chainOf(t, wrong...); !errors.Is(err, ErrDamaged) {
			t.Errorf("a chain of wrong archives: %v", err)
		}
	}
	if len(archives[1]) < 4<<20 {
		t.Errorf("the first differential has %d bytes: one data frame alone", len(archives[1]))
	}
}

// A base that differs by one change only is refused: SQLite would apply the WAL to
// it, and quick_check would say ok.
func TestWrongBase(t *testing.T) {
	path := makeDB(t, 0)
	runSQL(t, path, "INSERT INTO t (a, b) SELECT id, 'text' FROM (SELECT value AS id FROM generate_series(1, 500))")
	full := takeFull(t, path, 1)
	runSQL(t, path, "UPDATE t SET b = 'TEXT' WHERE id = 400")
	other := takeFull(t, path, 1)
	runSQL(t, path, "UPDATE t SET b = 'Text' WHERE id = 100")
	differential := takeDifferential(t, path, 2, full.base)
	if _, err := extractChain(t, full.archive, differential.archive); err != nil {
		t.Fatal(err)
	}
	if _, err := extractChain(t, other.archive, differential.archive); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "stands on") {
		t.Errorf("another base: %v", err)
	}
}

// Whatever byte is changed and wherever the archive is cut: it is refused.
func TestDamagedDifferential(t *testing.T) {
	needs.Time(t)
	path := makeDB(t, 0, "page_size=512")
	full := takeFull(t, path, 1)
	runSQL(t, path, "INSERT INTO t (a) VALUES (1)")
	b := takeDifferential(t, path, 2, full.base).archive
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	refusesDamage(t, b, func(changed []byte) error {
		chain, err := chainOf(t, full.archive, changed)
		if err != nil {
			return err
		}
		return chain.Extract(t.Context(), f, ExtractOptions{})
	})
}

// A differential alone is no database.
func TestDifferentialAlone(t *testing.T) {
	path := makeDB(t, 0)
	full := takeFull(t, path, 1)
	runSQL(t, path, "INSERT INTO t (a) VALUES (1)")
	if _, err := chainOf(t, takeDifferential(t, path, 2, full.base).archive); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

// The digest leaves out what changes in the first page while the content does not,
// and nothing else.
func TestDigestOfFirstPage(t *testing.T) {
	page := make([]byte, 512)
	digest := pageDigest(1, page)
	for i := range page {
		page[i] = 1
		counts := !(i >= 24 && i < 28 || i >= 40 && i < 44 || i >= 92 && i < 100)
		if bytes.Equal(pageDigest(1, page), digest) == counts {
			t.Errorf("byte %d of the first page: counts %v, want %v", i, !counts, counts)
		}
		if bytes.Equal(pageDigest(2, page), digest) {
			t.Errorf("byte %d of another page does not count", i)
		}
		page[i] = 0
	}
}

// A transaction that leaves everything as it was changes no digest.
func TestDigestOfAnEmptyCommit(t *testing.T) {
	for _, journal := range []string{"delete", "wal"} {
		path := makeDB(t, 0, "journal_mode="+journal)
		before := takeFull(t, path, 1)
		runSQL(t, path, "CREATE TABLE u (a); DROP TABLE u; PRAGMA schema_version = 77; VACUUM")
		runSQL(t, path, "VACUUM")
		if after := takeFull(t, path, 2); after.base.Digest != before.base.Digest {
			t.Errorf("%s: digest before %s, after %s", journal, before.base.Digest, after.base.Digest)
		}
	}
}
