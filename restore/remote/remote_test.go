package remote

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// What is read is what a restore writes: page sizes, journal modes, chains of one to
// four, plain and encrypted. SQLite reads each of them, and finds it sound.
func TestReadsWhatRestoreWrites(t *testing.T) {
	me := identity(t)
	for i, pageSize := range []int{512, 4096, 65536} {
		for _, mode := range []string{"wal", "delete"} {
			recipients := []age.Recipient{me.Recipient()}[:(i+len(mode))%2]
			t.Run(fmt.Sprint(pageSize, mode, len(recipients)), func(t *testing.T) {
				c := newChain(t, openBucket(t, "file://"+t.TempDir()), 9, fmt.Sprintf("PRAGMA page_size=%d; PRAGMA journal_mode=%s;", pageSize, mode), recipients...)
				o := Options{Identities: []age.Identity{me}}
				for i := range c.ids {
					testReads(t, c, i, o)
				}
			})
		}
	}
}

func testReads(t *testing.T, c *chain, i int, o Options) {
	t.Helper()
	want := c.restored(i, o)
	d := c.open(i, o)
	if d.Size() != int64(len(want)) {
		t.Fatalf("snapshot %d: %d bytes, restored %d", i, d.Size(), len(want))
	}
	random := rand.New(rand.NewPCG(1, uint64(i)))
	for range 200 {
		off := random.Int64N(d.Size())
		got := make([]byte, 1+random.IntN(20000))
		n, err := d.ReadAt(got, off)
		if whole := int64(len(got)) <= d.Size()-off; n != min(len(got), int(d.Size()-off)) || (err == nil) != whole || (err == io.EOF) == whole {
			t.Fatalf("snapshot %d: read %d bytes at %d: %d, %v", i, len(got), off, n, err)
		}
		if !bytes.Equal(got[:n], want[off:][:n]) {
			t.Fatalf("snapshot %d: other bytes at %d", i, off)
		}
	}
	sound(t, d)
	whole := make([]byte, len(want))
	if _, err := d.ReadAt(whole, 0); err != nil || !bytes.Equal(whole, want) {
		t.Fatalf("snapshot %d: differs: %v", i, err)
	}
	pages := 0
	for digest, err := range d.Digests(t.Context()) {
		if pages++; err != nil || len(digest) != snapshot.PageDigestSize {
			t.Fatalf("snapshot %d: digest of page %d: %v", i, pages, err)
		}
	}
	if pages != d.Manifest().PageCount {
		t.Errorf("snapshot %d: %d page digests of %d", i, pages, d.Manifest().PageCount)
	}
}

func sound(t *testing.T, d *Database) {
	t.Helper()
	conn, err := untrusted.Open(t.Context(), "the snapshot", d, d.Size())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if result, err := conn.Column(t.Context(), "PRAGMA integrity_check"); err != nil || len(result) != 1 || result[0] != "ok" {
		t.Fatal(result, conn.Explain(err))
	}
	for _, statement := range []string{"DELETE FROM t", "ATTACH '/tmp/x' AS x", "VACUUM INTO '/tmp/x'", "PRAGMA journal_mode = delete; DELETE FROM t", "PRAGMA query_only = off; DELETE FROM t"} {
		if err := conn.Exec(t.Context(), statement); err == nil {
			t.Errorf("%s: no error", statement)
		}
	}
}

// 1,000 random queries answer as on a restored copy, and fetch a frame once.
func TestRandomQueries(t *testing.T) {
	c := newChain(t, openBucket(t, "file://"+t.TempDir()), 24, "PRAGMA journal_mode=wal;")
	path := filepath.Join(t.TempDir(), "restored.db")
	if err := os.WriteFile(path, c.restored(3, Options{}), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	d := c.open(3, Options{})
	there, err := untrusted.Open(t.Context(), "the snapshot", d, d.Size())
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	here, err := untrusted.Open(t.Context(), "the copy", file, d.Size())
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	random := rand.New(rand.NewPCG(3, 5))
	for range 1000 {
		query := randomQuery(random)
		if got, want := answer(t, there.Conn, query), answer(t, here.Conn, query); got != want {
			t.Fatalf("%s: %s instead of %s", query, got, want)
		}
	}
	total := 0
	for i := range d.frames.states {
		total += len(d.frames.states[i])
	}
	if got := d.Fetched(); got.Frames > total || got.Bytes > 2*d.Bytes() {
		t.Errorf("fetched %+v of %d frames, %d bytes", got, total, d.Bytes())
	}
}

func randomQuery(r *rand.Rand) string {
	id := r.IntN(30000)
	return fmt.Sprintf([]string{
		"SELECT id, k, hex(x), n FROM t WHERE id = %d",
		"SELECT count(*), total(id), max(k) FROM t WHERE n = %d %% 97",
		"SELECT id, length(x) FROM t WHERE id BETWEEN %d AND %[1]d + 50 ORDER BY k DESC",
		"SELECT id FROM t WHERE k > (SELECT k FROM t WHERE id >= %d LIMIT 1) ORDER BY k LIMIT 5",
		"SELECT n, count(*), max(id) FROM t INDEXED BY tn WHERE id < %d GROUP BY n ORDER BY 2, 1 LIMIT 7",
		"SELECT x FROM t WHERE id > %d ORDER BY id DESC LIMIT 1",
	}[r.IntN(6)], id)
}

func answer(t *testing.T, c *sqlite.Conn, query string) string {
	t.Helper()
	var text bytes.Buffer
	if err := c.Each(t.Context(), query, func(row []driver.Value) { fmt.Fprintf(&text, "%#v\n", row) }); err != nil {
		t.Fatal(query, err)
	}
	return text.String()
}

// Any number of goroutines may read at once: each frame is fetched once.
func TestConcurrentReads(t *testing.T) {
	c := newChain(t, openBucket(t, "file://"+t.TempDir()), 12, "")
	want := c.restored(1, Options{})
	d := c.open(1, Options{})
	opened := d.Fetched().Requests
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			got := make([]byte, 4096)
			for range 100 {
				off := random.Int64N(d.Size()-4096) &^ 4095
				if _, err := d.ReadAt(got, off); err != nil || !bytes.Equal(got, want[off:][:4096]) {
					t.Errorf("at %d: %v", off, err)
				}
			}
		})
	}
	group.Wait()
	if f := d.Fetched(); f.Requests-opened != int64(f.Frames) {
		t.Errorf("%d requests for %d frames", f.Requests-opened, f.Frames)
	}
}

// Prefetch fetches all that is needed, and nothing else is fetched then.
func TestPrefetch(t *testing.T) {
	c := newChain(t, openBucket(t, "file://"+t.TempDir()), 12, "")
	want := c.restored(2, Options{})
	d := c.open(2, Options{})
	if err := d.PrefetchPages(t.Context(), slices.Values([]int{1, 2, 3})); err != nil || d.Available(0, 5000) != 5000 {
		t.Fatal(err, d.Available(0, 5000))
	}
	if err := d.Prefetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := d.Fetched()
	got := make([]byte, len(want))
	if _, err := d.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) || d.Fetched() != before {
		t.Errorf("%v, fetched %+v then %+v", err, before, d.Fetched())
	}
	if n := d.Available(100, 1<<30); n != len(want)-100 {
		t.Errorf("%d available", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.open(2, Options{}).Prefetch(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A frame that waits to be read ahead, and is needed now, waits no longer for those that
// are read ahead: here they never end.
func TestNeededBeforeAhead(t *testing.T) {
	c := newChain(t, openBucket(t, "file://"+t.TempDir()), 12, "")
	d := c.open(0, Options{})
	f := d.frames
	for range aheadAtOnce {
		f.ahead <- struct{}{}
	}
	f.mu.Lock()
	waiting := f.start(snapshot.Place{Frame: 2})
	f.mu.Unlock()
	page := make([]byte, 4096)
	if _, err := d.ReadAt(page, 2<<22); err != nil {
		t.Fatal(err)
	}
	if <-waiting.done; waiting.err != nil || f.fetched() != d.Fetched().Frames {
		t.Errorf("%v, %d frames there, %d fetched", waiting.err, f.fetched(), d.Fetched().Frames)
	}
}

// The limit holds for everything that is fetched.
func TestMaxFetch(t *testing.T) {
	c := newChain(t, openBucket(t, "file://"+t.TempDir()), 24, "")
	for _, most := range []int64{1 << 10, 1 << 20, 9 << 20} {
		var seen int64
		o := Options{MaxFetch: most, Progress: func(n int64) { seen = n }}
		noneLeft(t, &o)
		d, err := Open(t.Context(), c.Bucket, c.listed(0), o)
		if err == nil {
			_, err = io.Copy(io.Discard, io.NewSectionReader(d, 0, d.Size()))
			if f := d.Fetched(); f.Bytes > most || f.Bytes != seen {
				t.Errorf("fetched %d of %d, seen %d", f.Bytes, most, seen)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
		if !errors.Is(err, ErrMaxFetch) {
			t.Errorf("%d: %v", most, err)
		}
	}
}
