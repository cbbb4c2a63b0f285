package s3store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
)

// walks are all listings, each of which returns what it has found.
var walks = map[string]func(ctx context.Context, b *s3Store) ([]string, error){
	"snapshots": func(ctx context.Context, b *s3Store) (found []string, err error) {
		snapshots, err := series.Snapshots(ctx, b, time.Time{})
		for _, s := range snapshots {
			found = append(found, s.Object.Name)
		}
		return found, err
	},
	"versions": func(ctx context.Context, b *s3Store) (found []string, err error) {
		for v, err := range b.Versions(ctx) {
			if err != nil {
				return found, err
			}
			found = append(found, v.Object.Name)
		}
		return found, nil
	},
	"folders": func(ctx context.Context, b *s3Store) (found []string, err error) {
		for folder, err := range b.Folders(ctx) {
			if err != nil {
				return found, err
			}
			found = append(found, folder)
		}
		return found, nil
	},
	"uploads": func(ctx context.Context, b *s3Store) (found []string, err error) {
		for page, err := range b.uploadPages(ctx, b.objectKey("upload")) { // MinIO lists those of one key
			if err != nil {
				return found, err
			}
			for _, u := range page.Uploads {
				found = append(found, aws.ToString(u.Key))
			}
		}
		return found, nil
	},
}

// filled returns a bucket with some snapshots, folders and uploads, and what
// each listing should find.
func filled(t *testing.T, server *testserver.Server) (*s3Store, map[string][]string) {
	t.Helper()
	server.Setenv(t)
	b := openBucket(t, server, settings{Options: bucket.Options{PartSize: buckettest.PartSize}})
	want := map[string][]string{}
	for i := range 5 {
		name := fmt.Sprintf("2026112%dT201500Z-3f9c2a.daily.db.zst", i)
		buckettest.Put(t, b, name, buckettest.Content(10), nil)
		buckettest.Put(t, b, fmt.Sprintf("f %d/object", i), buckettest.Content(10), nil)
		_, err := server.Client(t).CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &b.url.Bucket, Key: aws.String(b.objectKey("upload"))})
		if err != nil {
			t.Fatal(err)
		}
		want["snapshots"] = append(want["snapshots"], name)
		want["folders"] = append(want["folders"], fmt.Sprintf("f %d", i))
		want["uploads"] = append(want["uploads"], b.objectKey("upload"))
	}
	want["versions"] = want["snapshots"]
	return b, want
}

// A listing goes forward to its end, whatever the size of its pages, or fails:
// it is never shorter than it should be, and ends.
func TestListingsGoForward(t *testing.T) {
	server := testserver.Start(t)
	whole, want := filled(t, server)
	for name, c := range map[string]struct {
		quirk quirks.Quirk
		wrong []string // the listings that fail
	}{
		"small pages":     {quirks.SmallPages(1), nil},
		"two at once":     {quirks.SmallPages(2), nil},
		"no token":        {quirks.TruncatedWithoutToken(2), []string{"snapshots", "versions", "folders", "uploads"}},
		"the same token":  {quirks.RepeatedToken(2), []string{"snapshots", "versions", "folders", "uploads"}},
		"without end":     {quirks.EndlessListing(), []string{"snapshots", "versions", "folders", "uploads"}},
		"backwards":       {quirks.Backwards(), []string{"snapshots", "versions", "folders"}},
		"another prefix":  {quirks.Outside("elsewhere/20261123T201500Z-3f9c2a.daily.db.zst"), []string{"snapshots", "folders"}},
		"prefix's sister": {quirks.Outside("some%20where/app2/20261123T201500Z-3f9c2a.daily.db.zst"), []string{"snapshots", "folders"}},
		"undecodable":     {quirks.Outside("some%20where/app/%zz"), []string{"snapshots", "folders"}},
		"without a key":   {quirks.On(quirks.ReplaceInAnswers("<Key>[^<]*</Key>", ""), "ListObjectsV2", "ListObjectVersions"), []string{"snapshots", "versions", "folders"}},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := quirks.Start(t, server, c.quirk)
			proxy.Setenv(t)
			b, err := Open(t.Context(), whole.URL(), bucket.Options{PartSize: buckettest.PartSize, RetryFor: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			for listing, walk := range walks {
				found, err := walk(t.Context(), b.(*s3Store))
				if slices.Contains(c.wrong, listing) {
					if !errors.Is(err, bucket.ErrUnreachable) {
						t.Errorf("%s: %v, %v, want ErrUnreachable", listing, found, err)
					}
				} else if err != nil || !slices.Equal(found, want[listing]) {
					t.Errorf("%s: %q, %v, want %q", listing, found, err, want[listing])
				}
			}
			if _, err := b.NeverUsed(t.Context()); slices.Contains(c.wrong, "versions") && name == "without end" && err == nil {
				t.Error("never used: no error")
			}
		})
	}
}

// What looks for one object does not take another one's entry, or none, for an
// answer that it is not there.
func TestFindThatGoesAstray(t *testing.T) {
	server := testserver.Start(t)
	whole, want := filled(t, server)
	for name, quirk := range map[string]quirks.Quirk{
		"no token":       quirks.TruncatedWithoutToken(0),
		"other prefix":   quirks.On(quirks.ReplaceInAnswers("<Key>[^<]*</Key>", "<Key>else</Key>"), "ListObjectsV2"),
		"prefix ignored": quirks.On(withoutPrefix, "ListObjectsV2"),
	} {
		proxy := quirks.Start(t, server, quirk)
		proxy.Setenv(t)
		b, err := Open(t.Context(), whole.URL(), bucket.Options{RetryFor: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if found, err := b.(*s3Store).find(t.Context(), want["snapshots"][2]); err == nil {
			t.Errorf("%s: %v, want an error", name, found)
		}
	}
}

func withoutPrefix(store *quirks.Store, r *http.Request) (*http.Response, error) {
	query := r.URL.Query()
	query.Del("prefix")
	r.URL.RawQuery = query.Encode()
	if err := store.Sign(r); err != nil {
		return nil, err
	}
	return store.Do(r)
}
