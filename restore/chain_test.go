package restore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/restore/fetch"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// A chainOfFour is a series with a full snapshot and three differentials, each on the
// one before, of a database that grows and shrinks.
type chainOfFour struct {
	*buckettest.Series
	ids   []snapshot.ID // the full one's first
	dumps []string      // the database's content at the time of each
}

var classesOfFour = []series.Class{series.Weekly, series.Daily, series.Hourly, series.Recent}

func newChainOfFour(t testing.TB, b bucket.Bucket, recipients ...age.Recipient) *chainOfFour {
	t.Helper()
	return newChainTaken(t, b, 0, recipients...)
}

// newChainTaken returns a chain with IDs that are so much older than its uploads.
func newChainTaken(t testing.TB, b bucket.Bucket, ago time.Duration, recipients ...age.Recipient) *chainOfFour {
	t.Helper()
	db := filepath.Join(t.TempDir(), "app.db")
	c := &chainOfFour{Series: buckettest.NewSeries(t, b, db)}
	c.Recipients, c.Taken = recipients, c.Taken.Add(-ago)
	for i, change := range []string{
		`PRAGMA auto_vacuum=FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, x);
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 6000) INSERT INTO t SELECT i, randomblob(900) FROM n`,
		"INSERT INTO t SELECT id+10000, randomblob(900) FROM t WHERE id <= 2000; UPDATE t SET x = 'changed' WHERE id % 1000 = 7",
		"DELETE FROM t WHERE id > 9000; DELETE FROM t WHERE id > 5000",
		"UPDATE t SET x = randomblob(900) WHERE id % 500 = 3; INSERT INTO t (x) VALUES ('last')",
	} {
		run(t, db, change)
		if i == 0 {
			c.ids = append(c.ids, c.Full(classesOfFour[i]))
		} else {
			c.ids = append(c.ids, c.On(c.ids[i-1], classesOfFour[i]))
		}
		c.dumps = append(c.dumps, run(t, db, ".dump"))
	}
	return c
}

// listed returns a snapshot of the chain as a listing shows it now.
func (c *chainOfFour) listed(t testing.TB, i int) series.Snapshot {
	t.Helper()
	s, err := Select(t.Context(), c.Bucket, Selector{Which: string(c.ids[i])})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// object returns the path of a snapshot's object in a directory.
func (c *chainOfFour) object(t testing.TB, i int) string {
	t.Helper()
	return filepath.Join(c.Bucket.URL().Dir, c.listed(t, i).Object.Name)
}

// From a directory, and encrypted from S3: every snapshot of a chain comes back, into a
// new file, over an old database, into an open one, and as a stream.
func TestRestoreChain(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	me := identity(t)
	for name, test := range map[string]struct {
		url        string
		recipients []age.Recipient
	}{
		"directory, plain": {"file://" + t.TempDir(), nil},
		"S3, encrypted":    {"s3://" + server.Bucket(t) + "/app", []age.Recipient{me.Recipient()}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChainOfFour(t, openBucket(t, test.url), test.recipients...)
			o := Options{Identities: []age.Identity{me}}
			for i := range c.ids {
				testRestoreOf(t, c, i, o)
			}
		})
	}
}

// A copy of the objects, such as rclone makes, has their names and a later time of upload.
// Its differentials have come no later than their bases, so they count.
func TestRestoreCopiedChain(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	for name, url := range map[string]string{"directory": "file://" + t.TempDir(), "S3": "s3://" + server.Bucket(t) + "/app"} {
		t.Run(name, func(t *testing.T) {
			c := newChainTaken(t, openBucket(t, url), 48*time.Hour)
			for i := range c.ids {
				s := c.listed(t, i)
				if s.Broken {
					t.Fatalf("%s is broken: %s", s.Name, s.Why())
				}
				if r, err := verify(t, c.Bucket, s, VerifyOptions{}); err != nil || !r.Frames {
					t.Errorf("snapshot %d: verified: %v, %v", i, r.Frames, err)
				}
			}
			testRestoreOf(t, c, 3, Options{})
			if latest, err := Select(t.Context(), c.Bucket, Selector{}); err != nil || latest.ID != c.ids[3] {
				t.Errorf("the latest is %s, %v", latest.ID, err)
			}
		})
	}
}

// Differentials that were uploaded long after what they stand on are broken: never the
// latest, but each comes back whole when it is named.
func TestRestoreLateChain(t *testing.T) {
	c := newLateChain(t)
	for i := range c.ids {
		s := c.listed(t, i)
		if s.Broken == s.Full() {
			t.Fatalf("%s: broken: %v, %s", s.Name, s.Broken, s.Why())
		}
		if i == 3 {
			testRestoreOf(t, c, i, Options{})
		}
		if r, err := verify(t, c.Bucket, s, VerifyOptions{}); err != nil || !r.Frames {
			t.Errorf("snapshot %d: verified: %v, %v", i, r.Frames, err)
		}
		if m, err := fetch.Manifest(t.Context(), c.Bucket, s, nil); err != nil || m.ID != c.ids[i] {
			t.Errorf("snapshot %d: its manifest is of %s, %v", i, m.ID, err)
		}
	}
	var log bytes.Buffer
	latest, err := Select(t.Context(), c.Bucket, Selector{Log: slog.New(slog.NewTextHandler(&log, nil))})
	command := fmt.Sprintf("lifeboat restore %s DB --snapshot %s", c.Bucket.URL(), c.ids[3])
	if err != nil || latest.ID != c.ids[0] || !strings.Contains(log.String(), command) {
		t.Errorf("the latest is %s, %v; logged: %s", latest.ID, err, &log)
	}
}

// newLateChain makes a chain in a directory of which all but the full one were uploaded
// two months later.
func newLateChain(t *testing.T) *chainOfFour {
	t.Helper()
	const ago = 60 * 24 * time.Hour
	c := newChainTaken(t, openBucket(t, "file://"+t.TempDir()), ago)
	then := time.Now().Add(-ago)
	if err := os.Chtimes(c.object(t, 0), then, then); err != nil {
		t.Fatal(err)
	}
	return c
}

// Where only snapshots are left that do not count, the error has the last one that can
// be restored by its ID.
func TestNoneCounts(t *testing.T) {
	c := newLateChain(t)
	all := c.listed(t, 3).Chain()
	for what, test := range map[string]struct {
		of    []series.Snapshot
		last  snapshot.ID
		whole bool
	}{
		"a whole chain":            {all[1:], c.ids[3], true},
		"and one without its base": {append(slices.Clone(all[1:]), series.Snapshot{Name: series.Name{ID: c.ids[3] + "x", Base: "none"}, Broken: true}), c.ids[3], true},
		"none that is whole":       {[]series.Snapshot{{Name: series.Name{ID: c.ids[3], Base: "none"}, Broken: true}}, c.ids[3], false},
	} {
		_, err := Selector{}.pick(test.of)
		var none *NoneCountsError
		if !errors.Is(err, ErrNoSnapshot) || !errors.As(err, &none) || none.Last.ID != test.last || none.Whole != test.whole {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func testRestoreOf(t *testing.T, c *chainOfFour, i int, o Options) {
	t.Helper()
	s := c.listed(t, i)
	target := filepath.Join(t.TempDir(), "app.db")
	var done, total int64
	o.Progress = func(d, of int64) { done, total = d, of }
	if _, err := Restore(t.Context(), c.Bucket, s, target, o); err != nil {
		t.Fatal(err)
	}
	if done != total || total < fileSize(target) {
		t.Errorf("the progress ended at %d of %d", done, total)
	}
	if run(t, target, ".dump") != c.dumps[i] {
		t.Fatalf("snapshot %d came back as something else", i)
	}
	restored, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	var streamed bytes.Buffer
	if err := Stream(t.Context(), c.Bucket, s, &streamed, o); err != nil || !bytes.Equal(streamed.Bytes(), restored) {
		t.Errorf("snapshot %d: the stream has %d bytes, the file %d: %v", i, streamed.Len(), len(restored), err)
	}
	old := makeOld(t, "")
	o.Replace = true
	if _, err := Restore(t.Context(), c.Bucket, s, old, o); err != nil || run(t, old, ".dump") != c.dumps[i] {
		t.Errorf("snapshot %d over an old database: %v", i, err)
	}
	open := makeOld(t, "PRAGMA journal_mode=WAL;")
	h := holdOpen(t, open, "idle")
	o.Replace, o.Live = false, true
	if _, err := Restore(t.Context(), c.Bucket, s, open, o); err != nil || run(t, open, ".dump") != c.dumps[i] {
		t.Errorf("snapshot %d into an open database: %v", i, err)
	}
	h.end()
}

// What would be fetched is the whole chain, and the room is that of its largest
// database.
func TestPrepareChain(t *testing.T) {
	c := newChainOfFour(t, openBucket(t, "file://"+t.TempDir()))
	p, err := Prepare(t.Context(), c.Bucket, c.listed(t, 3), filepath.Join(t.TempDir(), "new.db"), Options{}, c.ids[3].Time())
	if err != nil {
		t.Fatal(err)
	}
	var ids []snapshot.ID
	var bytes, largest int64
	for i, part := range p.Chain {
		ids = append(ids, part.ID)
		bytes += fileSize(c.object(t, i))
		one, err := Prepare(t.Context(), c.Bucket, c.listed(t, i), filepath.Join(t.TempDir(), "new.db"), Options{}, c.ids[3].Time())
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, one.Manifest.Size)
	}
	if !slices.Equal(ids, c.ids) || p.Fetch != bytes || p.Manifest.ID != c.ids[3] {
		t.Errorf("%v of %d bytes would be fetched, want %v of %d", ids, p.Fetch, c.ids, bytes)
	}
	if p.Manifest.Size >= largest || p.Need < largest {
		t.Errorf("%d bytes are needed for a database of %d, of which a base has %d", p.Need, p.Manifest.Size, largest)
	}
}
