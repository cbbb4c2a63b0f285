package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
)

// plantInBucket uploads so many hourly snapshots, without two in a row, and records of
// drills, and gives the series rules. It returns the name of the bucket.
func plantInBucket(t testing.TB, server *testserver.Server, snapshots, drills int) string {
	t.Helper()
	bucket, client, now := server.Bucket(t), server.Client(t), time.Now().UTC()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(16)
	for i := snapshots; i > 0; i-- {
		if i == 60 || i == 61 {
			continue
		}
		name := now.Add(-time.Duration(i)*time.Hour).Format("20060102T150405Z") + fmt.Sprintf("-%06x.hourly.db.zst", i)
		tags := url.Values{"lifeboat-retention": {"held-hourly"}, "lifeboat-database": {"app.db"}}.Encode()
		group.Go(func() error { return client.Put(ctx, bucket, "app/"+name, "x", "x-amz-tagging", tags) })
	}
	for i := range drills {
		at := now.Add(-time.Duration(i+1) * 20 * time.Hour).Truncate(time.Second)
		id := snapshot.ID(at.Add(-time.Hour).Format("20060102T150405Z") + "-3f9c2a")
		record := fmt.Sprintf(`{"format":1,"time":%q,"snapshot":%q,"passed":true,"frames":true}`, at.Format(time.RFC3339), id)
		group.Go(func() error {
			return client.Put(ctx, bucket, "app/.drills/"+drill.Name{Time: at, Snapshot: id}.String(), record)
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	runAt(t, server, "lifecycle", "apply", "s3://"+bucket+"/app", "--yes")
	return bucket
}

// runAt runs the program against a server, and returns what it prints.
func runAt(t testing.TB, server *testserver.Server, args ...string) string {
	t.Helper()
	command := exec.Command("lifeboat", args...)
	command.Env = os.Environ()
	for name, value := range server.Environment() {
		command.Env = append(command.Env, name+"="+value)
	}
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("lifeboat %v: %v: %s", args, err, out)
	}
	return string(out)
}

// What a page costs grows with the series by its listing alone: of tags it reads those that
// status reads, those that tell whether a gap is one, and those of what goes next.
func TestReportRequests(t *testing.T) {
	server := testserver.Start(t)
	bucket := plantInBucket(t, server, 1100, drillsRead+20)
	counting := quirks.Start(t, server)
	runAt(t, &counting.Server, "report", "s3://"+bucket+"/app", "--every", "1h", "-o", filepath.Join(t.TempDir(), "report.html"))
	const surveyed, gaps, next = 32, 1, 20
	counts := counting.Counts()
	for operation, want := range map[string]int{
		"ListObjectsV2": 2 + 1, "GetBucketLifecycleConfiguration": 1, "GetObject": drillsRead, "GetObjectTagging": surveyed + gaps + next,
	} {
		if counts[operation] != want {
			t.Errorf("%d of %s, want %d", counts[operation], operation, want)
		}
		delete(counts, operation)
	}
	if len(counts) > 0 {
		t.Errorf("and %v", counts)
	}
}

// Where nothing was ever released, all but the newest is due, and a page does not read the
// tags of each. It says of how many it did not.
func TestReportRequestsWithoutReleases(t *testing.T) {
	server := testserver.Start(t)
	bucket := plantInBucket(t, server, 1100, 0)
	var reading sync.Mutex
	read := map[string]bool{}
	note := func(store *quirks.Store, r *http.Request) (*http.Response, error) {
		reading.Lock()
		read[r.URL.Path] = true
		reading.Unlock()
		return store.Do(r)
	}
	counting := quirks.Start(t, server, quirks.On(note, "GetObjectTagging"), quirks.ClockAhead(10*time.Minute))
	page := runAt(t, &counting.Server, "report", "s3://"+bucket+"/app", "--every", "1h", "--hold", "1m", "-o", "-")
	const surveyed, bisected, next = 32, 11, 20
	if got, most := counting.Count("GetObjectTagging"), surveyed+dueRead+bisected+next; got > most {
		t.Errorf("%d tags were read, want at most %d", got, most)
	}
	for _, want := range []string{fmt.Sprintf("the tags of %d snapshots that are due were not read", 1098-len(read)), "1,097 snapshots to go or to be released"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %s", want)
		}
	}
}

// Keys that may list a series and no more make a page, too, which says what it cannot know.
func TestReportWithoutRights(t *testing.T) {
	server := testserver.Start(t)
	bucket := plantInBucket(t, server, 110, 2)
	may := func(action, prefix string) string {
		return fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": %q, "Resource": ["arn:aws:s3:::%s", "arn:aws:s3:::%[2]s/*"], "Condition": {"StringEquals": {"s3:prefix": %q}}}]}`, action, bucket, prefix)
	}
	server.As(t, may("s3:ListBucket", "app/")).Setenv(t)
	file := filepath.Join(t.TempDir(), "report.html")
	said := lifeboat(t, 3, "report", "s3://"+bucket+"/app", "--every", "1h", "-o", file)
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"<dd class=\"big wrong\">not known</dd>", "it is not known whether a restore was ever proved: list drill records", "s3:ListBucket",
		"not known: retention, and when the newest was last confirmed", "When snapshots go is not known here", "108 snapshots", "the database may have been unchanged",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not say %s", want)
		}
	}
	if !strings.Contains(said, "the page lacks something: the drills") || !strings.Contains(said, "hint: the page is written") {
		t.Errorf("%s", said)
	}
}

// The time for a page about 5,000 snapshots in a MinIO that is 30 ms away.
func BenchmarkReport(b *testing.B) {
	server := testserver.Start(b)
	bucket := plantInBucket(b, server, 5000, 200)
	away := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), b.Name(), "127.0.0.1:0", strings.TrimPrefix(server.Endpoint, "http://"))
	if err := away.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(away.Stop)
	if _, err := away.Toxics.AddToxicJson(strings.NewReader(`{"type":"latency","stream":"downstream","attributes":{"latency":30}}`)); err != nil {
		b.Fatal(err)
	}
	far := *server
	far.Endpoint = "http://" + away.Listen
	for name, hold := range map[string]string{"held": "4d", "due": "0"} { // and none is released
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				runAt(b, &far, "report", "s3://"+bucket+"/app", "--every", "1h", "--hold", hold, "-o", filepath.Join(b.TempDir(), "report.html"))
			}
		})
	}
}
