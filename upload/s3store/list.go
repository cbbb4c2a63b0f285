package s3store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/sidecar"
)

// The SDK's paginators end where a token is missing, and go round where one
// comes again. A listing that is shorter than it should be makes an older
// snapshot the newest, so here each one goes forward to its end, or fails.

const (
	// maxListed bounds the entries of one listing: a snapshot a minute for
	// nearly four years.
	maxListed = 2_000_000
	// maxIdlePages bounds pages without an entry that come one after another.
	maxIdlePages = 1000
)

// A page is what all kinds of listings have.
type page struct {
	lanes     [][]*string // keys, in each list those of snapshots in ascending order
	encoding  types.EncodingType
	truncated *bool
	next      *string // what to go on with, nil or "" if there is nothing
}

// walk yields the pages of a listing, with their keys decoded, as ask returns
// them: ask gets what the last page said to go on with. Keys may come several
// times where each is a version or an upload.
func walk[P any](ctx context.Context, f failure, prefix string, repeats bool, ask func(next *string) (P, page, error)) iter.Seq2[P, error] {
	return func(yield func(P, error) bool) {
		c := course{prefix: prefix, repeats: repeats}
		var none P
		for more := true; more; {
			answer, p, err := ask(c.next)
			if err != nil {
				yield(none, describe(ctx, f, err))
				return
			}
			if more, err = c.turn(p); err != nil {
				yield(none, reason.Errorf(bucket.ErrUnreachable, err, "%s %s: the store's listing is wrong: %v", f.operation, f.where, err))
				return
			}
			if !yield(answer, nil) {
				return
			}
		}
	}
}

// A course is a listing on its way.
type course struct {
	prefix  string
	repeats bool
	next    *string
	last    []string // key of a snapshot in each lane
	entries int
	idle    int // pages without an entry, one after another
}

// turn checks a page and reports whether there is another one.
func (c *course) turn(p page) (more bool, err error) {
	before := c.entries
	for i, keys := range p.lanes {
		if len(c.last) == i {
			c.last = append(c.last, "")
		}
		for _, key := range keys {
			if err := c.pass(i, key, p.encoding); err != nil {
				return false, err
			}
		}
	}
	if c.idle++; c.entries > before {
		c.idle = 0
	}
	token := aws.ToString(p.next)
	switch {
	case !aws.ToBool(p.truncated) && (p.truncated != nil || token == ""):
		return false, nil
	case token == "":
		return false, errors.New("it breaks off: there is more, and nothing to go on with")
	case token == aws.ToString(c.next):
		return false, errors.New("it does not go on: it would go on where it did before")
	case c.idle > maxIdlePages:
		return false, fmt.Errorf("it does not go on: %d pages have no entry", c.idle)
	}
	c.next = &token
	return true, nil
}

// pass decodes the next key of a lane and checks it.
func (c *course) pass(lane int, key *string, encoding types.EncodingType) error {
	if key == nil {
		return errors.New("it has an entry without a key")
	}
	if encoding == types.EncodingTypeUrl {
		decoded, err := url.QueryUnescape(*key)
		if err != nil {
			return fmt.Errorf("it has %q, which cannot be decoded", *key)
		}
		*key = decoded
	}
	if !strings.HasPrefix(*key, c.prefix) {
		return fmt.Errorf("it has %q, which does not begin with %q", *key, c.prefix)
	}
	if c.entries++; c.entries > maxListed {
		return fmt.Errorf("it has more than %d entries", maxListed)
	}
	if !sidecar.IsSnapshot(path.Base(*key)) {
		return nil // the order of others' keys decides nothing, and versitygw garbles those that XML cannot hold
	}
	if last := c.last[lane]; *key < last || *key == last && !c.repeats {
		return fmt.Errorf("it goes backwards, from %q to %q", last, *key)
	}
	c.last[lane] = *key
	return nil
}

// objectPages yields the pages of a listing of objects.
func (b *store) objectPages(ctx context.Context, input s3.ListObjectsV2Input) iter.Seq2[*s3.ListObjectsV2Output, error] {
	input.Bucket, input.EncodingType = &b.url.Bucket, types.EncodingTypeUrl // keys of others may hold what XML cannot
	f := failure{"list", b.under(input.Prefix), "s3:ListBucket"}
	return walk(ctx, f, *input.Prefix, false, func(next *string) (*s3.ListObjectsV2Output, page, error) {
		input.ContinuationToken = next
		out, err := b.client.ListObjectsV2(ctx, &input)
		if err != nil {
			return nil, page{}, err
		}
		p := page{lanes: make([][]*string, 2), encoding: out.EncodingType, truncated: out.IsTruncated, next: out.NextContinuationToken}
		for _, o := range out.Contents {
			p.lanes[0] = append(p.lanes[0], o.Key)
		}
		for _, folder := range out.CommonPrefixes {
			p.lanes[1] = append(p.lanes[1], folder.Prefix)
		}
		out.EncodingType = "" // walk decodes the keys
		return out, p, nil
	})
}

// versionPages yields the pages of a listing of versions.
func (b *store) versionPages(ctx context.Context, input s3.ListObjectVersionsInput) iter.Seq2[*s3.ListObjectVersionsOutput, error] {
	input.Bucket, input.EncodingType = &b.url.Bucket, types.EncodingTypeUrl
	f := failure{"list versions in", b.under(input.Prefix), "s3:ListBucketVersions"}
	return walk(ctx, f, *input.Prefix, true, func(*string) (*s3.ListObjectVersionsOutput, page, error) {
		out, err := b.client.ListObjectVersions(ctx, &input)
		if err != nil {
			return nil, page{}, err
		}
		p := page{lanes: make([][]*string, 2), encoding: out.EncodingType, truncated: out.IsTruncated}
		for _, v := range out.Versions {
			p.lanes[0] = append(p.lanes[0], v.Key)
		}
		for _, m := range out.DeleteMarkers {
			p.lanes[1] = append(p.lanes[1], m.Key)
		}
		input.KeyMarker, input.VersionIdMarker = marker(out.NextKeyMarker, out.EncodingType), out.NextVersionIdMarker
		p.next = both(input.KeyMarker, input.VersionIdMarker)
		out.EncodingType = ""
		return out, p, nil
	})
}

// uploadPages yields the pages of a listing of unfinished uploads.
func (b *store) uploadPages(ctx context.Context, prefix string) iter.Seq2[*s3.ListMultipartUploadsOutput, error] {
	input := s3.ListMultipartUploadsInput{Bucket: &b.url.Bucket, Prefix: &prefix, EncodingType: types.EncodingTypeUrl}
	f := failure{"list uploads of", b.under(&prefix), "s3:ListBucketMultipartUploads"}
	return walk(ctx, f, prefix, true, func(*string) (*s3.ListMultipartUploadsOutput, page, error) {
		out, err := b.client.ListMultipartUploads(ctx, &input)
		if code, _ := codeOf(err); code == "NoSuchUpload" { // rclone's answer for none
			return new(s3.ListMultipartUploadsOutput), page{}, nil
		}
		if err != nil {
			return nil, page{}, err
		}
		p := page{lanes: make([][]*string, 1), encoding: out.EncodingType, truncated: out.IsTruncated}
		for _, u := range out.Uploads {
			p.lanes[0] = append(p.lanes[0], u.Key)
		}
		input.KeyMarker, input.UploadIdMarker = marker(out.NextKeyMarker, out.EncodingType), out.NextUploadIdMarker
		if n := len(out.Uploads); aws.ToString(input.KeyMarker) == "" && aws.ToString(out.NextUploadIdMarker) != "" && n > 0 { // MinIO names the upload alone
			input.KeyMarker = marker(out.Uploads[n-1].Key, out.EncodingType)
		}
		p.next = both(input.KeyMarker, input.UploadIdMarker)
		out.EncodingType = ""
		return out, p, nil
	})
}

// under returns where a listing looks, as a URL.
func (b *store) under(prefix *string) string { return "s3://" + b.url.Bucket + "/" + *prefix }

// marker decodes the key to go on with, which comes encoded as all keys do and
// is sent back plain.
func marker(key *string, encoding types.EncodingType) *string {
	if decoded, err := url.QueryUnescape(aws.ToString(key)); err == nil && key != nil && encoding == types.EncodingTypeUrl {
		return &decoded
	}
	return key
}

// both makes one of two markers, of which the second alone means nothing.
func both(key, id *string) *string {
	if aws.ToString(key) == "" {
		return nil
	}
	return aws.String(*key + "\x00" + aws.ToString(id))
}

// opaque returns an ETag without its quotes, and without the mark of a weak one
// (W/"..."), which proxies that compress add: so two of them compare by the weak
// comparison of RFC 9110 (section 8.8.3.2).
func opaque(etag *string) string {
	text := aws.ToString(etag)
	if len(text) >= 2 && text[:2] == "W/" {
		text = text[2:]
	}
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	return text
}
