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

// pageFacts are what the pages of all kinds of listings have.
type pageFacts struct {
	lanes     [][]*string // keys, in each list those of snapshots in ascending order
	encoding  types.EncodingType
	truncated *bool
	next      *string // what to go on with, nil or "" if there is nothing
}

// walk yields the pages of a listing, with their keys decoded, as ask returns
// them: ask gets what the last page said to go on with.
func walk[P any](ctx context.Context, f failure, c course, ask func(next *string) (P, pageFacts, error)) iter.Seq2[P, error] {
	return func(yield func(P, error) bool) {
		c, none := c, *new(P) // anew for each range over the pages
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
	repeats bool // a key may come several times, where each is a version or an upload
	next    *string
	last    []string // key of a snapshot in each lane
	entries int
	idle    int // pages without an entry, one after another
}

// turn checks a page and reports whether there is another one.
func (c *course) turn(p pageFacts) (more bool, err error) {
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
func (b *s3Store) objectPages(ctx context.Context, input s3.ListObjectsV2Input) iter.Seq2[*s3.ListObjectsV2Output, error] {
	input.Bucket, input.EncodingType = &b.url.Bucket, types.EncodingTypeUrl // keys of others may hold what XML cannot
	f := failure{"list", b.under(input.Prefix), "s3:ListBucket"}
	return walk(ctx, f, course{prefix: *input.Prefix}, func(next *string) (*s3.ListObjectsV2Output, pageFacts, error) {
		input.ContinuationToken = next
		out, err := b.client.ListObjectsV2(ctx, &input)
		if err != nil {
			return nil, pageFacts{}, err
		}
		p := pageFacts{lanes: make([][]*string, 2), encoding: out.EncodingType, truncated: out.IsTruncated, next: out.NextContinuationToken}
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
func (b *s3Store) versionPages(ctx context.Context, input s3.ListObjectVersionsInput) iter.Seq2[*s3.ListObjectVersionsOutput, error] {
	input.Bucket, input.EncodingType = &b.url.Bucket, types.EncodingTypeUrl
	f := failure{"list versions in", b.under(input.Prefix), "s3:ListBucketVersions"}
	return walk(ctx, f, course{prefix: *input.Prefix, repeats: true}, func(*string) (*s3.ListObjectVersionsOutput, pageFacts, error) {
		out, err := b.client.ListObjectVersions(ctx, &input)
		if err != nil {
			return nil, pageFacts{}, err
		}
		p := pageFacts{lanes: make([][]*string, 2), encoding: out.EncodingType, truncated: out.IsTruncated}
		for _, v := range out.Versions {
			p.lanes[0] = append(p.lanes[0], v.Key)
		}
		for _, m := range out.DeleteMarkers {
			p.lanes[1] = append(p.lanes[1], m.Key)
		}
		input.KeyMarker, input.VersionIdMarker = decodedMarker(out.NextKeyMarker, out.EncodingType), out.NextVersionIdMarker
		p.next = both(input.KeyMarker, input.VersionIdMarker)
		out.EncodingType = ""
		return out, p, nil
	})
}

// uploadPages yields the pages of a listing of unfinished uploads.
func (b *s3Store) uploadPages(ctx context.Context, prefix string) iter.Seq2[*s3.ListMultipartUploadsOutput, error] {
	input := s3.ListMultipartUploadsInput{Bucket: &b.url.Bucket, Prefix: &prefix, EncodingType: types.EncodingTypeUrl}
	f := failure{"list uploads of", b.under(&prefix), "s3:ListBucketMultipartUploads"}
	return walk(ctx, f, course{prefix: prefix, repeats: true}, func(*string) (*s3.ListMultipartUploadsOutput, pageFacts, error) {
		out, err := b.client.ListMultipartUploads(ctx, &input)
		if code, _ := codeOf(err); code == "NoSuchUpload" { // rclone's answer for none
			return new(s3.ListMultipartUploadsOutput), pageFacts{}, nil
		}
		if err != nil {
			return nil, pageFacts{}, err
		}
		p := pageFacts{lanes: make([][]*string, 1), encoding: out.EncodingType, truncated: out.IsTruncated}
		for _, u := range out.Uploads {
			p.lanes[0] = append(p.lanes[0], u.Key)
		}
		input.KeyMarker, input.UploadIdMarker = decodedMarker(out.NextKeyMarker, out.EncodingType), out.NextUploadIdMarker
		if n := len(out.Uploads); aws.ToString(input.KeyMarker) == "" && aws.ToString(out.NextUploadIdMarker) != "" && n > 0 { // MinIO names the upload alone
			input.KeyMarker = decodedMarker(out.Uploads[n-1].Key, out.EncodingType)
		}
		p.next = both(input.KeyMarker, input.UploadIdMarker)
		out.EncodingType = ""
		return out, p, nil
	})
}

// under returns where a listing looks, as a URL.
func (b *s3Store) under(prefix *string) string { return "s3://" + b.url.Bucket + "/" + *prefix }

// decodedMarker decodes the key to go on with, which comes encoded as all keys do and
// is sent back plain.
func decodedMarker(key *string, encoding types.EncodingType) *string {
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
