package lifecycle

import (
	"cmp"
	"context"
	"io"
	"iter"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// A counter stands before a store and counts requests.
type counter struct {
	mutex sync.Mutex
	calls map[string]int
}

func (c *counter) start(t *testing.T, server *testserver.Server) *testserver.Server {
	target, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
		what := r.In.Method
		for _, query := range []string{"list-type", "tagging"} {
			if r.In.URL.Query().Has(query) {
				what += " ?" + query
			}
		}
		c.mutex.Lock()
		c.calls[what]++
		c.mutex.Unlock()
	}}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	counted := *server
	counted.Endpoint = front.URL
	return &counted
}

// An aged bucket has had its older snapshots since they were taken.
type aged struct{ bucket.Bucket }

func (b aged) Unwrap() bucket.Bucket { return b.Bucket }

func (b aged) List(ctx context.Context, after string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		for o, err := range b.Bucket.List(ctx, after) {
			if name, ok := series.ParseName(o.Name); ok && time.Since(name.ID.Time()) > 30*time.Minute {
				o.Modified = name.ID.Time().Add(time.Minute)
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

// The requests of a backup with release stay bounded however many snapshots there are:
// 24 or 25 reads of tags are the day that release looks back, and one more is the
// newest's.
func TestRequestsPerBackup(t *testing.T) {
	server := testserver.Start(t)
	path := filepath.Join(t.TempDir(), "app.db")
	sqlitetest.Exec(t, path, "CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT randomblob(4000) FROM n")
	for _, n := range []int{10, 1000, 3000} { // 10,000 would only take longer: TestReleaseRequests has them
		bucketName, cacheDir := server.Bucket(t), t.TempDir()
		count := &counter{calls: map[string]int{}}
		counted := aged{lifecycletest.Open(t, count.start(t, server), bucketName)}
		fill(t, lifecycletest.Open(t, server, bucketName), time.Now().Add(-time.Hour), time.Hour, n)
		needs.OneHour(t)
		for _, what := range []string{"full", "differential"} {
			sqlitetest.Exec(t, path, "UPDATE t SET x = randomblob(4000) WHERE rowid = 7")
			clear(count.calls)
			backup, err := upload.Backup(t.Context(), counted, path, upload.BackupOptions{CacheDir: cacheDir, Copy: snapshot.CopyOptions{TempDir: t.TempDir()}})
			if err != nil {
				t.Fatal(err)
			}
			result, err := Release(t.Context(), counted, Options{Terms: Terms{IgnoreShrink: true}})
			if err != nil {
				t.Fatal(err)
			}
			total := 0
			for _, calls := range count.calls {
				total += calls
			}
			t.Logf("%d snapshots, %s: %d requests, %v", n, what, total, count.calls)
			if what == "full" && n > 100 && len(result.Released) == 0 { // two if an hour ends meanwhile
				t.Errorf("%d snapshots: released %d", n, len(result.Released))
			}
			if total > 60 || count.calls["GET ?list-type"] > 6 || backup.Unchanged || backup.Snapshot.Full() != (what == "full") {
				t.Errorf("%d snapshots: %s with %v", n, backup.Snapshot.Object.Name, count.calls)
			}
		}
	}
}

// fill makes a series of n snapshots up to last, in chains. All that is due is released
// but the one that is due last.
func fill(t *testing.T, b bucket.Bucket, last time.Time, pace time.Duration, n int) {
	t.Helper()
	var times []time.Time
	for i := range n {
		times = append(times, last.Add(-time.Duration(i)*pace))
	}
	objects := objectsAt(true, times...)
	items := heldItems(series.Of(objects, time.Now()))
	due := inOrder(Decide(items, Terms{}, time.Now()), ActRelease)
	retention := map[string]string{}
	for _, d := range due[:max(0, len(due)-1)] {
		retention[d.Object.Name] = string(d.Class)
	}
	var group errgroup.Group
	group.SetLimit(16)
	for _, item := range items {
		tag := cmp.Or(retention[item.Object.Name], series.Held(item.Class))
		group.Go(func() error {
			_, err := b.Put(t.Context(), item.Object.Name, bucket.PutOptions{Tags: bucket.Tags{series.TagRetention: tag, series.TagDatabase: "app.db"}},
				func(io.Writer) error { return nil })
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestReleaseRequestsAtDailyPace(t *testing.T) {
	c := newClockwork(lifecycletest.At("2024-01-01 03:07"))
	for range 1000 {
		c.now = c.now.Add(day)
		c.backup(t, "0123456789")
	}
	release(t, c, Options{})
	for range 7 {
		c.now = c.now.Add(day)
		c.backup(t, "0123456789")
		clear(c.calls)
		// One batch of reads, the newest's, and three for what is written.
		if result := release(t, c, Options{}); len(result.Released) != 1 || c.calls["list"] != 1 || c.calls["tags"] > readers+4 {
			t.Errorf("%v: released %d with %v", c.now, len(result.Released), c.calls)
		}
	}
}

func TestReleaseRequests(t *testing.T) {
	for _, n := range []int{10, 1000, 10000} {
		now := lifecycletest.At("2026-11-12 12:20") // a Thursday
		chains := min(n, 400)
		c := hourly(t, now.Add(-time.Duration(chains)*time.Hour), n-chains)
		for c.now.Before(now) {
			c.now = c.now.Add(time.Hour)
			c.change(t, "0123456789")
		}
		releaseAll(t, c, Options{})
		released, most := 0, map[string]int{}
		for range 7 * 24 {
			c.now = c.now.Add(time.Hour)
			c.change(t, "0123456789")
			clear(c.calls)
			result := release(t, c, Options{})
			released += len(result.Released)
			if c.calls["set"] != len(result.Released) {
				t.Errorf("%d snapshots: released %d with %v", n, len(result.Released), c.calls)
			}
			for call, n := range c.calls {
				most[call] = max(most[call], n)
			}
		}
		t.Logf("%d snapshots: released %d with at most %v a run", n, released, most)
		if most["list"] > 2 || most["tags"] > 75 || n > 100 && released != 7*24 {
			t.Errorf("%d snapshots: at most %v", n, most)
		}
	}
}
