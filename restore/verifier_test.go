package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// A watchedBucket counts for each object how often its data was read from the start,
// and all bytes that were read.
type watchedBucket struct {
	bucket.Bucket
	mu     sync.Mutex
	starts map[string]int
	bytes  int64
}

type watchedObject struct {
	bucket.Blob
	b    *watchedBucket
	name string
}

func (b *watchedBucket) Open(ctx context.Context, o bucket.Object) (bucket.Blob, error) {
	blob, err := b.Bucket.Open(ctx, o)
	return watchedObject{blob, b, o.Name}, err
}

func (o watchedObject) ReadAt(p []byte, offset int64) (int, error) {
	o.b.mu.Lock()
	if offset == 0 {
		o.b.starts[o.name]++
	}
	o.b.bytes += int64(len(p))
	o.b.mu.Unlock()
	return o.Blob.ReadAt(p, offset)
}

// newTree stores a series of about 30 snapshots: two full ones, and differentials on
// random ones that they may stand on, of a database that grows and shrinks.
func newTree(t testing.TB, b bucket.Bucket, random *rand.Rand) {
	t.Helper()
	db := filepath.Join(t.TempDir(), "app.db")
	s := buckettest.NewSeries(t, b, db)
	run(t, db, `PRAGMA auto_vacuum=FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, x);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 13000) INSERT INTO t SELECT i, randomblob(900) FROM n`)
	var bases [6][]snapshot.ID // by their class
	bases[3] = append(bases[3], s.Full(series.Weekly))
	for i := range 30 {
		run(t, db, fmt.Sprintf("DELETE FROM t WHERE id > %d; INSERT INTO t (x) SELECT randomblob(900) FROM t LIMIT %d; UPDATE t SET x = 'of %d' WHERE id %% 2000 = %d",
			11000+random.IntN(5000), random.IntN(1500), i, random.IntN(2000)))
		if i == 12 {
			bases[2] = append(bases[2], s.Full(series.Daily)) // some later ones stand on the weekly one again
			continue
		}
		class := min(random.IntN(4), 2)
		if i < 3 {
			class = 2 - i // one chain is as long as it can be
		}
		var longer []snapshot.ID
		for _, of := range bases[class+1:] {
			longer = append(longer, of...)
		}
		base := longer[random.IntN(len(longer))]
		if i < 3 {
			base = longer[0]
		}
		bases[class] = append(bases[class], s.On(base, series.Classes()[class]))
	}
}

// comparing is an Examiner that compares the rebuilt database with a restored one.
type comparing struct {
	t    *testing.T
	want func() []byte
}

func (c comparing) Check(_ context.Context, path string, _ snapshot.CheckLevel) (*untrusted.ForeignKeys, error) {
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, c.want()) {
		c.t.Errorf("the rebuilt database is not the restored one (%v)", err)
	}
	return nil, nil
}

func (comparing) Ask(context.Context, string, string, time.Duration) (untrusted.QueryResult, error) {
	return untrusted.QueryResult{}, errors.ErrUnsupported
}

// However the snapshots of a series stand on each other: a drill rebuilds what a
// restore does, each object is fetched once, and little is read twice.
func TestVerifier(t *testing.T) {
	needs.Time(t)
	b := openBucket(t, "file://"+t.TempDir())
	random := rand.New(rand.NewPCG(1, 0))
	newTree(t, b, random)
	all, err := series.Snapshots(t.Context(), b, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var stored int64
	depth := 0
	for _, s := range all {
		stored += s.Object.Size
		depth = max(depth, len(s.Chain()))
		if !s.Counts() {
			t.Fatalf("%s: %s", s.Name, s.Why())
		}
	}
	if depth < 4 {
		t.Errorf("no chain has more than %d snapshots", depth)
	}
	temp := t.TempDir()
	for _, fast := range []bool{false, true} {
		watched := &watchedBucket{Bucket: b, starts: map[string]int{}}
		var current series.Snapshot
		examiner := comparing{t, func() []byte {
			target := filepath.Join(t.TempDir(), "restored.db")
			if _, err := Restore(t.Context(), b, current, target, Options{}); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(target)
			if err != nil {
				t.Fatal(err)
			}
			return content
		}}
		v := NewVerifier(watched, VerifyOptions{Fast: fast, Examiner: examiner, TempDir: temp})
		shuffled := slices.Clone(all)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for i, s := range ByChain(shuffled) {
			if current = s; i == 0 && s.ID != all[len(all)-1].ID {
				t.Errorf("the first one is %s, not the newest", s.ID)
			}
			if r, err := v.Verify(t.Context(), s); err != nil || !r.Frames {
				t.Fatalf("%s: %v", s.ID, err)
			}
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
		noFiles(t, temp)
		for _, s := range all {
			// Of one of up to 64 KiB the end, which is read at first, is all of it.
			if n := watched.starts[s.Object.Name]; n != 1 {
				t.Errorf("fast %v: %s was fetched %d times", fast, s.Object.Name, n)
			}
		}
		t.Logf("fast %v: %d snapshots, %d bytes stored, %d read", fast, len(all), stored, watched.bytes)
	}
}

// A drill that fails costs no other one: neither the file nor what is known of it is
// the worse. A damaged base is read once.
func TestVerifierAfterDamage(t *testing.T) {
	c := newChainOfFour(t, openBucket(t, "file://"+t.TempDir()))
	sibling := c.On(c.ids[0], series.Daily) // like the hourly one it does not need the damaged one
	damaged := c.object(t, 1)
	content, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	content[40] ^= 1
	write(t, damaged, content)
	all, err := series.Snapshots(t.Context(), c.Bucket, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	watched := &watchedBucket{Bucket: c.Bucket, starts: map[string]int{}}
	v := NewVerifier(watched, VerifyOptions{TempDir: t.TempDir()})
	for _, s := range ByChain(all) {
		r, err := v.Verify(t.Context(), s)
		if sound := s.ID == sibling || s.ID == c.ids[0]; sound != (err == nil) || sound != (r.Passed == snapshot.CheckQuick) || !sound && !errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("%s: %+v, %v", s.Name, r, err)
		}
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	if n := watched.starts[filepath.Base(damaged)]; n != 1 {
		t.Errorf("the damaged object was read %d times", n)
	}
}

// BenchmarkVerifyAll compares the drills of a chain of four with those of each of its
// snapshots alone.
func BenchmarkVerifyAll(b *testing.B) {
	c := newChainOfFour(b, openBucket(b, "file://"+b.TempDir()))
	all, err := series.Snapshots(b.Context(), c.Bucket, time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	none := VerifyOptions{Check: snapshot.CheckNone, TempDir: b.TempDir()}
	b.Run("together", func(b *testing.B) {
		for b.Loop() {
			v := NewVerifier(c.Bucket, none)
			for _, s := range ByChain(all) {
				if _, err := v.Verify(b.Context(), s); err != nil {
					b.Fatal(err)
				}
			}
			if err := v.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			for _, s := range all {
				if _, err := Verify(b.Context(), c.Bucket, s, none); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
