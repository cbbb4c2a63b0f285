package snapshot

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

func read(t testing.TB, path string, base Base, o ReadOptions) *Reading {
	t.Helper()
	if o.TempDir == "" {
		o.TempDir = t.TempDir()
	}
	r, err := Read(t.Context(), path, base, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// restored returns the database that a reading and its base make.
func restored(t testing.TB, full taken, r *Reading) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := r.WriteArchive(t.Context(), &b, ArchiveOptions{ID: idOf(2)}); err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) > r.MaxArchiveSize() {
		t.Errorf("archive has %d bytes, MaxArchiveSize said %d", b.Len(), r.MaxArchiveSize())
	}
	content, err := extractChain(t, full.archive, b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// An open application's connection.
func application(t testing.TB, path string) *sqlite.Conn {
	t.Helper()
	c, err := sqlite.Open(path, time.Second, url.Values{"mode": {"rw"}, "_synchronous": {"OFF"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// whims are what an application does to its database.
var whims = []string{
	"INSERT INTO t (a, b) SELECT hex(randomblob(30)), randomblob(700) FROM t LIMIT 20",
	"UPDATE t SET a = hex(randomblob(30)) WHERE id % 97 = abs(random()) % 97",
	"DELETE FROM t WHERE id % 211 = abs(random()) % 211",
	"CREATE TABLE IF NOT EXISTS u (a UNIQUE)", "DROP TABLE IF EXISTS u", "PRAGMA user_version = 7",
	"PRAGMA wal_checkpoint", "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA incremental_vacuum", "VACUUM",
}

// Reading a database and copying it give the same digest, and what was read makes
// of the base the database that was copied: a thousand times, while an application
// has it open.
func TestReadingEqualsCopying(t *testing.T) {
	needs.Time(t)
	for _, pageSize := range []int{512, 1024, 2048, 4096, 8192, 16384, 32768, 65536} {
		for _, journal := range []string{"wal", "delete"} {
			t.Run(fmt.Sprint(pageSize, " ", journal), func(t *testing.T) {
				path := makeDB(t, 1, fmt.Sprintf("page_size=%d", pageSize), "auto_vacuum=incremental", "journal_mode="+journal)
				app := application(t, path)
				random := rand.New(rand.NewPCG(uint64(pageSize), 1))
				temp := t.TempDir()
				full := takeFull(t, path, 1)
				for round := range 63 {
					for range random.IntN(3) {
						whim := whims[random.IntN(len(whims))]
						if whim == "VACUUM" && random.IntN(5) > 0 {
							continue
						}
						if err := app.Each(t.Context(), whim, func([]driver.Value) {}); err != nil {
							t.Fatal(err)
						}
					}
					copied := take(t, path, CopyOptions{TempDir: temp})
					d, err := copied.Digest(t.Context(), nil)
					if err != nil {
						t.Fatal(err)
					}
					r, err := Read(t.Context(), path, full.base, ReadOptions{CopyOptions: CopyOptions{TempDir: temp}})
					if errors.As(err, new(*BaseError)) {
						full = takeFull(t, path, 1)
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					if r.Digest.String() != d.String() || r.Header != copied.Header || r.JournalMode != copied.JournalMode || r.ReadLocked != (journal == "wal") {
						t.Fatalf("round %d: read %s %+v, copied %s %+v", round, r.Digest, r.Taken, d, copied.Taken)
					}
					if round%9 == 0 && !bytes.Equal(restored(t, full, r), file(t, copied.path)) {
						t.Fatalf("round %d: what was read makes another database", round)
					}
					if err := r.Close(); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

// What is read under writers is one state of the database.
func TestReadingUnderWriters(t *testing.T) {
	needs.Time(t)
	for _, mode := range []string{"wal", "delete"} {
		path := bank(t, mode, 20)
		full := takeFull(t, path, 1)
		w := startWriters(t, path, 4, 5*time.Second)
		for range 10 {
			r := read(t, path, full.base, ReadOptions{Check: CheckFull})
			out := filepath.Join(t.TempDir(), "restored.db")
			write(t, out, restored(t, full, r))
			if sum := runSQL(t, out, "SELECT sum(balance) FROM account; PRAGMA integrity_check"); sum != fmt.Sprintf("%d\nok", accounts*balance) {
				t.Errorf("%s: restored: %s", mode, sum)
			}
			if r.Pages() > 100 {
				t.Errorf("%s: %d pages differ", mode, r.Pages())
			}
		}
		w.stop()
	}
}

// Readings that begin anew, because a writer was in the way, are counted, and end.
func TestReadingBeginsAnew(t *testing.T) {
	needs.Time(t)
	path := bank(t, "delete", 20)
	full := takeFull(t, path, 1)
	w := startWriters(t, path, 4, 5*time.Second)
	r := read(t, path, full.base, ReadOptions{CopyOptions: CopyOptions{Progress: w.disturb(t)}})
	w.stop()
	if r.Restarts < maxRestarts || !r.ReadLocked {
		t.Errorf("%d restarts, locked %v", r.Restarts, r.ReadLocked)
	}
	content := restored(t, full, r)
	if got := digestOf(content, r.Header.PageSize); got != r.Digest.String() {
		t.Errorf("the digest is %s, the restored database's %s", r.Digest, got)
	}
}

// A reading of which much differs from the base is given up, and so is one with
// pages of another size.
func TestNotOnBase(t *testing.T) {
	path := makeDB(t, 1)
	full := takeFull(t, path, 1)
	temp := t.TempDir()
	for _, change := range []string{"UPDATE t SET b = randomblob(700)", "PRAGMA page_size = 512; VACUUM"} {
		runSQL(t, path, change)
		if r, err := Read(t.Context(), path, full.base, ReadOptions{CopyOptions: CopyOptions{TempDir: temp}}); !errors.As(err, new(*BaseError)) {
			t.Errorf("after %s: %v %v", change, r, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(temp, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCancelledReading(t *testing.T) {
	path := makeDB(t, 20, "journal_mode=wal")
	full := takeFull(t, path, 1)
	ctx, cancel := context.WithCancel(t.Context())
	temp := t.TempDir()
	progress := func(done, _ int64) {
		if done > 4<<20 {
			cancel()
		}
	}
	if _, err := Read(ctx, path, full.base, ReadOptions{CopyOptions: CopyOptions{TempDir: temp, Progress: progress}}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(temp, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What is read is checked, in the state in which it was read, and nothing is
// checked twice.
func TestReadingIsChecked(t *testing.T) {
	for _, journal := range []string{"wal", "delete"} {
		path := makeDB(t, 1, "journal_mode="+journal)
		full := takeFull(t, path, 1)
		runSQL(t, path, "CREATE INDEX i ON t (a); PRAGMA writable_schema = on; UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t (b)' WHERE name = 'i'")
		o := ReadOptions{CopyOptions: CopyOptions{TempDir: t.TempDir()}, Check: CheckFull}
		if _, err := Read(t.Context(), path, full.base, o); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "failed its check") {
			t.Errorf("%s: an index of another column: %v", journal, err)
		}
		o.Check = CheckNone
		r := read(t, path, full.base, o)
		o.Check, o.Known = CheckFull, r.Digest.String()
		read(t, path, full.base, o)
	}
}
