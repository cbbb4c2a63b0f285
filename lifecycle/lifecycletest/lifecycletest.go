// Package lifecycletest has what the tests of retention share.
package lifecycletest

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Golden compares text with testdata/<name>.golden.
func Golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what was decided; got:\n%s\nwant:\n%s", path, got, want)
	}
}

// At returns a time that is written in one of several ways, UTC if it says no zone.
func At(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	panic(s)
}

// Timed is a bucket whose clock stands at Now, or a moment later.
type Timed struct {
	bucket.Bucket
	Now time.Time
}

// Unwrap implements bucket.Wrapper.
func (b Timed) Unwrap() bucket.Bucket { return b.Bucket }

// ClockOffset implements bucket.Bucket.
func (b Timed) ClockOffset() (time.Duration, bool) { return Offset(b.Now), true }

// Offset returns how far the clock of a bucket is ahead for which it is now, or a
// moment later.
func Offset(now time.Time) time.Duration { return time.Until(now) + time.Millisecond }

// Open opens the series "app" in a bucket as the server's user.
func Open(t testing.TB, server *testserver.Server, bucketName string) bucket.Bucket {
	t.Helper()
	server.Setenv(t)
	b, err := upload.OpenURL(t.Context(), bucket.URL{Bucket: bucketName, Prefix: "app"}, upload.Options{RetryFor: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Put stores a full snapshot whose ID is of the given time. Its class is the one that
// the retention tag has, or daily.
func Put(t testing.TB, b bucket.Bucket, taken time.Time, retention, text string) bucket.Object {
	t.Helper()
	class, err := series.ParseClass(strings.TrimPrefix(retention, "held-"))
	if err != nil {
		class = series.Daily
	}
	done, err := b.Put(t.Context(), series.Name{ID: snapshot.NewID(taken), Class: class}.String(), bucket.PutOptions{
		MaxSize: int64(len(text)),
		Tags:    bucket.Tags{series.TagRetention: retention, series.TagDatabase: "app.db"},
	}, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return done.Object
}

// Retentions returns the retention tags of a series, the oldest snapshot's first.
func Retentions(t testing.TB, b bucket.Bucket) []string {
	t.Helper()
	snapshots, err := series.Snapshots(t.Context(), b, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, s := range snapshots {
		tags, err := b.Tags(t.Context(), s.Object)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, tags[series.TagRetention])
	}
	return all
}
