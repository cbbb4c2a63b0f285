package upload

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A dated bucket says that each snapshot was uploaded when it was taken: in a bubble
// with a clock of its own, a file's times are those of another one.
type dated struct {
	bucket.Bucket
	beforePut, afterPut func(name string)
}

func (b *dated) Unwrap() bucket.Bucket { return b.Bucket }

func date(o bucket.Object) bucket.Object {
	if name, ok := series.ParseName(o.Name); ok {
		o.Modified = name.ID.Time()
	}
	return o
}

func (b *dated) List(ctx context.Context, after string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		for o, err := range b.Bucket.List(ctx, after) {
			if !yield(date(o), err) {
				return
			}
		}
	}
}

func (b *dated) Put(ctx context.Context, name string, o bucket.PutOptions, write func(io.Writer) error) (bucket.PutResult, error) {
	if b.beforePut != nil {
		b.beforePut(name)
	}
	put, err := b.Bucket.Put(ctx, name, o, write)
	put.Object = date(put.Object)
	if b.afterPut != nil {
		b.afterPut(name)
	}
	return put, err
}

// A job backs up one database, again and again.
type job struct {
	*dated
	db, cache string
	random    *rand.Rand
}

// newJob makes a database of about 6 MiB, and begins at that time of the bubble's.
func newJob(t *testing.T, begin time.Time) *job {
	t.Helper()
	dir := t.TempDir()
	b, err := Open(t.Context(), "file://"+filepath.Join(dir, "series"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	j := &job{&dated{Bucket: b}, filepath.Join(dir, "app.db"), filepath.Join(dir, "cache"), rand.New(rand.NewPCG(1, 2))}
	sqlitetest.Exec(t, j.db, `CREATE TABLE t (id INTEGER PRIMARY KEY, a);
		WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1500) INSERT INTO t SELECT i, randomblob(4000) FROM n`)
	time.Sleep(time.Until(begin))
	return j
}

// change changes some rows.
func (j *job) change(t *testing.T, rows int) {
	t.Helper()
	for range rows {
		sqlitetest.Exec(t, j.db, fmt.Sprintf("UPDATE t SET a = randomblob(4000) WHERE id = %d", 1+j.random.IntN(1500)))
	}
}

func (j *job) options(t *testing.T) BackupOptions {
	return BackupOptions{CacheDir: j.cache, Copy: snapshot.CopyOptions{TempDir: t.TempDir()}}
}

func (j *job) run(t *testing.T, o BackupOptions) BackupResult {
	t.Helper()
	r, err := Backup(t.Context(), j.dated, j.db, o)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(o.Copy.TempDir); err != nil || len(left) > 0 {
		t.Errorf("left in the temp directory: %v, %v", left, err)
	}
	return r
}

// at lets the bubble's clock go on to that time of the day.
func at(day, hour, minute int) {
	time.Sleep(time.Until(time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC)))
}

// restores compares what the snapshot's chain holds with the digest of the database.
func (j *job) restores(t *testing.T, r BackupResult) {
	t.Helper()
	all, err := series.Snapshots(t.Context(), j, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	newest, _ := series.NewestOf(all)
	if newest.ID != r.Snapshot.ID {
		t.Fatalf("the newest is %s, not %s", newest.ID, r.Snapshot.ID)
	}
	var archives []*snapshot.Archive
	for _, s := range newest.Chain() {
		blob, err := j.Open(t.Context(), s.Object)
		if err != nil {
			t.Fatal(err)
		}
		defer blob.Close()
		a, err := snapshot.OpenArchive(t.Context(), blob, s.Object.Size, s.ID)
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, a)
	}
	chain, err := snapshot.NewChain(archives...)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "restored.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := chain.Extract(t.Context(), f, snapshot.ExtractOptions{Digests: true}); err != nil {
		t.Fatal(err)
	}
	if got := chain.Manifest().Digest; got != r.Digest {
		t.Errorf("the chain's digest is %s, not %s", got, r.Digest)
	}
	const sum = "SELECT count(*) || ' ' || sum(length(a)) || ' ' || hex(group_concat(substr(a, 1, 4), '')) FROM t"
	if got, want := text(t, f.Name(), sum), text(t, j.db, sum); got != want {
		t.Error("the chain restores to another database")
	}
}

// text returns the answer to a query.
func text(t *testing.T, db, query string) string {
	t.Helper()
	c, err := sqlite.OpenSource(db, 0, url.Values{"mode": {"ro"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answer, err := c.Column(context.Background(), query)
	if err != nil || len(answer) != 1 {
		t.Fatalf("%s: %v, %v", query, answer, err)
	}
	return fmt.Sprint(answer[0])
}

// A week: what each snapshot stands on, and what it holds.
func TestLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob(t, time.Date(2026, 11, 20, 22, 30, 0, 0, time.UTC)) // a Friday
		want := func(r BackupResult, class series.Class, levels int, base series.Snapshot) series.Snapshot {
			t.Helper()
			s := r.Snapshot
			if s.Class != class || s.Base != base.ID || len(s.Chain()) != levels || s.Full() != (r.WhyFull != "") {
				t.Errorf("%s with a chain of %d, want a %s one on %s with %d: %s", s.Name, len(s.Chain()), class, base.ID, levels, r.WhyFull)
			}
			if !s.Full() && r.ArchivePages > 40 {
				t.Errorf("%s has %d pages", s.Name, r.ArchivePages)
			}
			if tag := tagsOf(t, j, s)[series.TagRetention]; tag != series.Held(class) {
				t.Errorf("%s has the tag %s", s.Name, tag)
			}
			j.restores(t, r)
			return s
		}
		var none series.Snapshot
		o := j.options(t)
		step := func() BackupResult { t.Helper(); j.change(t, 3); return j.run(t, o) }
		month := want(step(), series.Monthly, 1, none)
		at(20, 22, 45)
		want(step(), series.Recent, 2, month)
		at(20, 23, 0)
		hour := want(step(), series.Hourly, 2, month)
		at(20, 23, 30)
		want(step(), series.Recent, 3, hour)
		at(21, 0, 0)
		day := want(step(), series.Daily, 2, month)
		at(21, 7, 30)
		hour = want(step(), series.Hourly, 3, day)
		at(21, 7, 45)
		recent := want(step(), series.Recent, 4, hour)
		at(21, 7, 50)
		if r := j.run(t, o); !r.Unchanged || r.Snapshot.ID != recent.ID {
			t.Errorf("an unchanged database: %+v", r)
		}
		at(23, 0, 5) // Monday
		week := want(step(), series.Weekly, 1, none)
		at(24, 8, 0)
		want(step(), series.Daily, 2, week)
		at(25, 8, 0)
		day = want(j.run(t, o), series.Daily, 2, week) // Tuesday's is as long
		if day.ID.Time().Day() != 24 {
			t.Error("an unchanged database was uploaded for a second day")
		}
		at(25, 9, 0)
		day = want(step(), series.Daily, 2, week)
		o.Full = true
		at(25, 10, 0)
		hour = want(step(), series.Hourly, 1, none)
		o.Full = false
		at(25, 10, 10)
		want(step(), series.Recent, 2, hour)
		o.Copy.Method = snapshot.MethodVacuum
		at(25, 10, 20)
		want(step(), series.Recent, 1, none)
	})
}
