package remote

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
)

// A snapshot is opened with one request for each object of its chain, a page costs one
// more at most, and a scan fetches each frame once and never more than there are.
func TestRequests(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	proxy := quirks.Start(t, server)
	proxy.Setenv(t)
	c := newChain(t, openBucket(t, "s3://"+server.Bucket(t)+"/app"), 40, "")
	s := c.listed(1)
	proxy.ResetCounts()
	o := Options{}
	noneLeft(t, &o)
	d, err := Open(t.Context(), c.Bucket, s, o)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if n := proxy.Count(); n != 2 {
		t.Errorf("opened with %d requests: %v", n, proxy.Counts())
	}
	page := make([]byte, 4096)
	for i, off := range []int64{0, d.Size() / 2 &^ 4095, d.Size() / 4 &^ 4095} {
		if _, err := d.ReadAt(page, off); err != nil {
			t.Fatal(err)
		}
		if n := proxy.Count(); n > 3+i || int64(n) != d.Fetched().Requests {
			t.Errorf("%d requests with %d pages: %v", n, i+1, proxy.Counts())
		}
	}
	if _, err := io.Copy(io.Discard, io.NewSectionReader(d, 0, d.Size())); err != nil {
		t.Fatal(err)
	}
	frames := 0
	for i := range d.frames.states {
		frames += len(d.frames.states[i])
	}
	if n := proxy.Count(); n > 2+frames || d.Fetched().Bytes > d.Bytes()+256<<10 {
		t.Errorf("%d requests for %d frames, %d bytes of %d", n, frames, d.Fetched().Bytes, d.Bytes())
	}
}

// A slow proxy lets a test count what is under way at a time.
func newToxic(t *testing.T, server *testserver.Server) *toxiproxy.Proxy {
	t.Helper()
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(api, t.Name(), "127.0.0.1:0", strings.TrimPrefix(server.Endpoint, "http://"))
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://"+proxy.Listen)
	return proxy
}

func toxic(t *testing.T, proxy *toxiproxy.Proxy, kind, attributes string) {
	t.Helper()
	text := fmt.Sprintf(`{"name":%[1]q,"type":%[1]q,"stream":"downstream","attributes":{%s}}`, kind, attributes)
	if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
}

// Behind delays and broken connections the answers are the same; a store that stays
// away is unreachable, and ends the reads.
func TestTroubledStore(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	me := identity(t)
	url := "s3://" + server.Bucket(t) + "/app"
	c := newChain(t, openBucket(t, url), 12, "", me.Recipient())
	o := Options{Identities: []age.Identity{me}}
	want := c.restored(3, o)
	proxy := newToxic(t, server)
	through := func(retryFor time.Duration) bucket.Bucket {
		b, err := upload.Open(t.Context(), url, upload.Options{RetryFor: retryFor})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	c.Bucket = through(2 * time.Minute)
	toxic(t, proxy, "latency", `"latency":30`)
	toxic(t, proxy, "limit_data", `"bytes":3000000`) // of each connection, then it breaks off
	got := make([]byte, len(want))
	if _, err := c.open(3, o).ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Fatal("answers differ", err)
	}
	c.Bucket = through(2 * time.Second)
	d := c.open(3, o)
	proxy.Stop()
	if _, err := d.ReadAt(got, 0); !errors.Is(err, bucket.ErrUnreachable) {
		t.Error(err)
	}
}

// An object that becomes another one between two reads is not mixed with that.
func TestOverwrittenBetweenReads(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	name := server.Bucket(t)
	c := newChain(t, openBucket(t, "s3://"+name+"/app"), 12, "")
	d := c.open(0, Options{})
	page := make([]byte, 4096)
	if _, err := d.ReadAt(page, 0); err != nil {
		t.Fatal(err)
	}
	client := server.Client(t)
	key := "app/" + c.listed(0).Object.Name
	old, err := client.Get(t.Context(), name, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Put(t.Context(), name, key, strings.Replace(string(old.Body), "\x00", "\x01", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadAt(page, d.Size()-4096); !errors.Is(err, bucket.ErrChanged) {
		t.Error(err)
	}
	again := make([]byte, 4096)
	if _, err := d.ReadAt(again, 0); err != nil || !bytes.Equal(page, again) {
		t.Errorf("what was read before: %v", err)
	}
}

// Scans read ahead, in a window that grows; random reads do not, until most is there.
func TestReadAhead(t *testing.T) {
	var s scans
	var windows []int
	for i := range 20 {
		windows = append(windows, s.note(snapshot.Place{Frame: i}))
	}
	if got, want := fmt.Sprint(windows), "[0 0 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 8 8 8]"; got != want {
		t.Errorf("windows %s, want %s", got, want)
	}
	for _, i := range []int{70, 3, 42, 43, 9, 55, 90, 10, 71, 4, 17, 56} {
		if window := s.note(snapshot.Place{Archive: 1, Frame: i}); window > 0 {
			t.Errorf("frame %d: read ahead %d", i, window)
		}
	}
	if s.note(snapshot.Place{Frame: 20}) != 8 {
		t.Error("the scan is forgotten")
	}

	c := newChain(t, openBucket(t, "file://"+t.TempDir()), 100, "")
	var log bytes.Buffer
	d := c.open(0, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	page := make([]byte, 4096)
	read := func(frame int) {
		t.Helper()
		if _, err := d.ReadAt(page, int64(frame)<<22); err != nil {
			t.Fatal(err)
		}
	}
	for n, frame := range []int{0, 20, 7, 13, 3} {
		if read(frame); d.Fetched().Frames != n+1 {
			t.Fatalf("%d frames for %d random pages", d.Fetched().Frames, n+1)
		}
	}
	frames := len(d.frames.states[0])
	for frame := range frames - 2 {
		read(frame)
	}
	if err := d.Prefetch(t.Context()); err != nil || d.Fetched().Frames != frames || strings.Count(log.String(), "most of the snapshot") != 1 {
		t.Errorf("%v, %d of %d frames; log %s", err, d.Fetched().Frames, frames, &log)
	}
}
