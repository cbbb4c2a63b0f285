package s3store

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// An s3Put is one Put on its way.
type s3Put struct {
	bucket  *s3Store
	name    string
	options bucket.PutOptions
	started time.Time // by this machine's clock
	pool    *partPool

	current *part // being filled
	total   int64
	failed  error      // of an earlier write, in case the caller goes on
	parts   *multipart // nil while everything fits into one part
	beside  bool       // tags were written beside the object
}

// hint returns how large the first part will be at most.
func (p *s3Put) hint() int64 {
	if p.options.MaxSize > 0 {
		return min(p.pool.size, p.options.MaxSize)
	}
	return p.pool.size
}

// lockedUntil returns the end of the object's lock, nil if it gets none.
func (p *s3Put) lockedUntil() *time.Time {
	if p.bucket.options.Lock.For == 0 {
		return nil
	}
	return aws.Time(p.bucket.clock.now().Add(p.bucket.options.Lock.For + p.options.LockLonger))
}

// checksum returns the algorithm of the checksums that S3 demands of what is
// to be locked; otherwise it is left to the SDK's settings.
func (p *s3Put) checksum() types.ChecksumAlgorithm {
	if p.bucket.options.Lock.For == 0 {
		return ""
	}
	return types.ChecksumAlgorithmCrc32
}

// looksPlain asks the store for what a lost answer would have said: whether
// what was asked for was not done. Credentials that may not read do not get to
// know, and what is not known does not count as encrypted.
func (p *s3Put) looksPlain(ctx context.Context) bool {
	if !p.bucket.options.SSE.IsSet() {
		return false
	}
	ctx, cancel := afterwards(ctx)
	defer cancel()
	out, err := p.bucket.client.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: &p.bucket.url.Bucket, Key: p.objectKey(),
	})
	if err != nil {
		p.bucket.options.Log.Debug("whether the store has encrypted an object whose answer was lost is not known", "err", err)
		return true
	}
	return !p.bucket.options.encryptedBy(out.ServerSideEncryption, out.SSECustomerAlgorithm)
}

// isOurs: of our size, and not older than this Put (the store's times are in
// whole seconds, and its clock is known to about one).
func (p *s3Put) isOurs(o *bucket.Object) bool {
	return o.Size == p.total && !o.Modified.Before(p.started.Add(p.bucket.clock.offset()-3*time.Second))
}

func (p *s3Put) exists(cause error) error {
	return &storeError{error: reason.Errorf(bucket.ErrExists, cause, "put %s: %v", p.where(), bucket.ErrExists)}
}

// object returns the object as stored. Its time is near what a listing shows.
func (p *s3Put) object(etag *string) bucket.Object {
	return bucket.Object{
		Name: p.name, Size: p.total,
		ETag:     opaque(etag),
		Modified: p.bucket.clock.now().UTC().Truncate(time.Second),
	}
}

// actions names what the credentials need for an upload with these tags.
func (p *s3Put) actions(action string) string {
	if len(p.options.Tags) > 0 {
		return action + ", and s3:PutObjectTagging for its tags"
	}
	return action
}

func (p *s3Put) objectKey() *string { return aws.String(p.bucket.objectKey(p.name)) }

func (p *s3Put) where() string { return p.bucket.url.String() + "/" + p.name }

// wrap adds the object to err, unless err names it already.
func (p *s3Put) wrap(err error) error {
	if strings.Contains(err.Error(), p.where()) {
		return err
	}
	return fmt.Errorf("put %s: %w", p.where(), err)
}

// tagging returns the value of the x-amz-tagging header.
func tagging(tags bucket.Tags) *string {
	if len(tags) == 0 {
		return nil
	}
	var pairs []string
	for key, value := range tags {
		pairs = append(pairs, queryEscape(key)+"="+queryEscape(value))
	}
	slices.Sort(pairs)
	return aws.String(strings.Join(pairs, "&"))
}

// queryEscape writes a space as %20, which no store reads as a plus sign.
func queryEscape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// A landedError means that an answer was lost, but the object is there.
type landedError struct{ object bucket.Object }

func (e *landedError) Error() string { return "the answer was lost, but the object is there" }
