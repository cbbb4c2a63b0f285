package lifecycle

import (
	"database/sql"
	"io"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
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

// The requests of a backup with release stay bounded however many snapshots
// there are: 24 or 25 reads of tags are the day that release looks back, and
// one more is the newest's.
func TestRequestsPerBackup(t *testing.T) {
	server := testserver.Start(t)
	path := filepath.Join(t.TempDir(), "app.db")
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE t (x); INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	bucketName := server.Bucket(t)
	direct := open(t, server, bucketName)
	count := &counter{calls: map[string]int{}}
	counted := open(t, count.start(t, server), bucketName)
	// All IDs lie in the past, and all uploads in the present: with a short
	// hold and a clock a little ahead, that is an hourly pace.
	const hold = time.Second
	last := time.Now().Add(-time.Hour)
	filled := 0
	for _, n := range []int{10, 1000, 3000} { // 10,000 would only take longer: TestReleaseRequests has them
		fill(t, direct, last, time.Hour, filled, n)
		filled = n
		clear(count.calls)
		began := time.Now()
		backup, err := upload.Backup(t.Context(), counted, path, upload.BackupOptions{Copy: snapshot.CopyOptions{TempDir: t.TempDir()}})
		if err != nil {
			t.Fatal(err)
		}
		result, err := Release(t.Context(), timed{counted, time.Now().Add(2 * hold)}, Options{Hold: hold, IgnoreShrink: true})
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, calls := range count.calls {
			total += calls
		}
		t.Logf("%d snapshots: %d requests, %v, %v", n, total, count.calls, time.Since(began).Round(time.Millisecond))
		if len(result.Released) != 1 || total > 45 || count.calls["GET ?list-type"] > 5 || backup.Unchanged {
			t.Errorf("%d snapshots: released %d with %v", n, len(result.Released), count.calls)
		}
		if err := direct.Delete(t.Context(), backup.Snapshot.Object); err != nil {
			t.Fatal(err)
		}
		if err := direct.SetTags(t.Context(), result.Released[0].Object, bucket.Tags{series.TagRetention: series.Held}); err != nil {
			t.Fatal(err)
		}
	}
}

// fill makes a series of n snapshots up to last, of which have are there. All
// but the newest are released.
func fill(t *testing.T, b bucket.Bucket, last time.Time, pace time.Duration, have, n int) {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(16)
	for i := have; i < n; i++ {
		retention := "hourly"
		if i == 0 {
			retention = series.Held
		}
		group.Go(func() error {
			id := snapshot.NewID(last.Add(-time.Duration(i) * pace))
			_, err := b.Put(t.Context(), series.ObjectName(id), bucket.PutOptions{Tags: bucket.Tags{series.TagRetention: retention, series.TagDatabase: "app.db"}},
				func(io.Writer) error { return nil })
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestReleaseRequestsAtDailyPace(t *testing.T) {
	c := newClockwork(at("2024-01-01 03:07"))
	for range 1000 {
		c.now = c.now.Add(day)
		c.backup(t, "0123456789")
	}
	release(t, c, Options{})
	c.now = c.now.Add(day)
	c.backup(t, "0123456789")
	clear(c.calls)
	if result := release(t, c, Options{}); len(result.Released) != 1 || c.calls["list"] != 1 || c.calls["tags"] > 7 { // two of them see what became of the write
		t.Errorf("released %d with %v", len(result.Released), c.calls)
	}
}

func TestReleaseRequests(t *testing.T) {
	for _, n := range []int{10, 1000, 10000} {
		c := hourly(t, at("2026-11-10 12:00"), n)
		release(t, c, Options{All: true})
		c.now = c.now.Add(time.Hour)
		c.backup(t, "0123456789")
		clear(c.calls)
		result := release(t, c, Options{})
		t.Logf("%d snapshots: released %d with %v", n, len(result.Released), c.calls)
		if c.calls["list"] > 1 && n > 100 || c.calls["list"] > 2 || c.calls["tags"] > 40 || c.calls["set"] != len(result.Released) || n > 100 && len(result.Released) != 1 {
			t.Errorf("%d snapshots: released %d with %v", n, len(result.Released), c.calls)
		}
	}
}
