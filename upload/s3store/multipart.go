package s3store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/pause"
	"golang.org/x/sync/errgroup"
)

// A multipart is the upload of one object in parts.
type multipart struct {
	put    *s3Put
	group  *errgroup.Group
	ctx    context.Context // done with the first part that fails
	cancel context.CancelCauseFunc

	id *string // nil until created
	// A part's request was broken off, so the store may still be at work on it.
	brokenOff atomic.Bool
	unsure    bool // there may be an upload whose ID we never learned

	mu        sync.Mutex
	completed []types.CompletedPart // index is the part number - 1
	// Stores report encryption in the first answer (S3), or with the parts
	// (MinIO): the object is encrypted if either reports it for everything.
	encrypted, plainPart bool
}

// abortAgainAfter is how long after an abort it is repeated where a part was
// broken off. S3's documentation of the call asks for it too.
const abortAgainAfter = 200 * time.Millisecond

func newMultipart(ctx context.Context, put *s3Put) *multipart {
	ctx, cancel := context.WithCancelCause(ctx)
	group, ctx := errgroup.WithContext(ctx)
	return &multipart{put: put, group: group, ctx: ctx, cancel: cancel}
}

// create begins the upload. When ctx is done while it waits, the answer still
// gets a moment, since without it there is no ID to abort.
func (m *multipart) create(ctx context.Context) error {
	counting, attempts := countAttempts(ctx)
	lingering, cancel := linger(counting, createTimeout)
	defer cancel()
	b, sse := m.put.bucket, m.put.bucket.options.SSE
	out, err := b.client.CreateMultipartUpload(lingering, &s3.CreateMultipartUploadInput{
		Bucket: &b.url.Bucket, Key: m.put.objectKey(),
		Tagging:        tagging(m.put.options.Tags),
		ObjectLockMode: types.ObjectLockMode(b.options.Lock.Mode), ObjectLockRetainUntilDate: m.put.lockedUntil(),
		ChecksumAlgorithm:    m.put.checksum(),
		StorageClass:         types.StorageClass(b.options.StorageClass),
		ServerSideEncryption: types.ServerSideEncryption(sse.Algorithm), SSEKMSKeyId: nonEmpty(sse.KMSKeyID),
	})
	// An earlier attempt, with tags, may have left one too.
	m.unsure = m.unsure || attempts.Load() > 1 || err != nil && (statusOf(err) == 0 || isGarbled(err))
	if err != nil {
		return describe(ctx, failure{"put", m.put.where(), m.put.actions("s3:PutObject")}, err)
	}
	m.id, m.encrypted = out.UploadId, b.options.encryptedBy(out.ServerSideEncryption, out.SSECustomerAlgorithm)
	return nil
}

// upload sends a part in the background and gives it back to the pool.
func (m *multipart) upload(p *part) error {
	m.mu.Lock()
	number := len(m.completed) + 1
	m.completed = append(m.completed, types.CompletedPart{})
	m.mu.Unlock()
	if number > maxParts {
		m.put.pool.put(p)
		return fmt.Errorf("the content is larger than announced: %d parts of %d bytes are full", maxParts, m.put.pool.size)
	}
	m.group.Go(func() error {
		defer m.put.pool.put(p)
		done, err := m.uploadPart(int32(number), p)
		if err != nil {
			m.brokenOff.CompareAndSwap(false, statusOf(err) == 0)
			f := failure{fmt.Sprintf("put part %d of", number), m.put.where(), "s3:PutObject"}
			return describe(m.ctx, f, err)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.completed[number-1] = done
		return nil
	})
	return nil
}

func (m *multipart) uploadPart(number int32, p *part) (types.CompletedPart, error) {
	b := m.put.bucket
	out, err := b.client.UploadPart(m.ctx, &s3.UploadPartInput{
		Bucket: &b.url.Bucket, Key: m.put.objectKey(), UploadId: m.id, PartNumber: &number,
		Body: p.reader(), ContentLength: &p.n, ChecksumAlgorithm: m.put.checksum(),
	})
	if err != nil {
		return types.CompletedPart{}, err
	}
	if !b.options.encryptedBy(out.ServerSideEncryption, out.SSECustomerAlgorithm) {
		m.mu.Lock()
		m.plainPart = true
		m.mu.Unlock()
	}
	return types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32}, nil
}

// wait returns the parts when all are uploaded, or the first error.
func (m *multipart) wait() ([]types.CompletedPart, error) {
	if err := m.group.Wait(); err != nil {
		return nil, err
	}
	return m.completed, nil
}

// failing returns why the upload's context is done: a part's error, or err.
func (m *multipart) failure(err error) error {
	if m.ctx.Err() == nil {
		return err
	}
	if first := m.group.Wait(); first != nil {
		return first
	}
	return err
}

// complete makes the parts an object. They have the ETags that came with them;
// where the store does not know those, a proxy has made them weak, and they are
// sent once more as they were.
func (m *multipart) complete(ctx context.Context, parts []types.CompletedPart, condition *string) (*s3.CompleteMultipartUploadOutput, error) {
	b := m.put.bucket
	input := &s3.CompleteMultipartUploadInput{
		Bucket: &b.url.Bucket, Key: m.put.objectKey(), UploadId: m.id, IfNoneMatch: condition,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	}
	out, err := b.client.CompleteMultipartUpload(ctx, input)
	strong, altered := strengthened(parts)
	if code, _ := codeOf(err); code == "InvalidPart" && altered {
		input.MultipartUpload.Parts = strong
		return b.client.CompleteMultipartUpload(ctx, input)
	}
	return out, err
}

// strengthened returns the parts with strong ETags, and whether one was weak.
func strengthened(parts []types.CompletedPart) (strong []types.CompletedPart, altered bool) {
	for _, part := range parts {
		if strings.HasPrefix(aws.ToString(part.ETag), "W/") {
			part.ETag, altered = aws.String(`"`+opaque(part.ETag)+`"`), true
		}
		strong = append(strong, part)
	}
	return strong, altered
}

// takeBack stops the parts in flight, waits for them, and removes what was
// sent, on a context of its own. It returns err, with a text about parts that remain.
func (m *multipart) takeBack(ctx context.Context, err error) error {
	m.cancel(errors.New("the upload is taken back"))
	_ = m.group.Wait() // err has the reason already
	ctx, cancel := afterwards(ctx)
	defer cancel()
	var aborting error
	if m.id != nil {
		aborting = m.abort(ctx, m.id)
	}
	if m.id != nil && m.brokenOff.Load() {
		// The store may still be at work on a part whose request was broken
		// off, and keep it although the upload is gone.
		if pause.For(ctx, abortAgainAfter) == nil {
			aborting = m.abort(ctx, m.id)
		}
	}
	if m.unsure {
		aborting = errors.Join(aborting, m.sweep(ctx))
	}
	if aborting != nil {
		return fmt.Errorf("%w (and parts of it may remain in the bucket, %s: %w)", err, m.remains(), aborting)
	}
	return err
}

// remains names the upload whose parts remain, as a tool that ends it wants it.
func (m *multipart) remains() string {
	text := fmt.Sprintf("bucket %s, key %s", m.put.bucket.url.Bucket, *m.put.objectKey())
	if m.id != nil {
		text += ", upload ID " + *m.id
	}
	return text
}

// abort is abortUpload for an upload of this key.
func (m *multipart) abort(ctx context.Context, id *string) error {
	err := m.put.bucket.abortUpload(ctx, m.put.objectKey(), id)
	if err == nil {
		return nil
	}
	return describe(ctx, failure{"abort the upload of", m.put.where(), "s3:AbortMultipartUpload"}, err)
}

// sweepIfUnsure removes an upload whose ID was in a lost answer.
func (m *multipart) sweepIfUnsure(ctx context.Context) {
	if !m.unsure {
		return
	}
	if err := m.sweep(ctx); err != nil {
		m.put.bucket.options.Log.Warn("an unfinished upload may remain in the bucket", "key", *m.put.objectKey(), "err", err)
	}
}

// sweep aborts every upload of exactly this key. Names are never used twice,
// so they are all ours.
func (m *multipart) sweep(ctx context.Context) error {
	b := m.put.bucket
	// They are gone as soon as they are aborted, so that the list is complete
	// before that.
	var ids []*string
	for page, err := range b.uploadPages(ctx, *m.put.objectKey()) {
		if err != nil {
			return err
		}
		for _, u := range page.Uploads {
			if aws.ToString(u.Key) == *m.put.objectKey() {
				ids = append(ids, u.UploadId)
			}
		}
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, m.abort(ctx, id))
	}
	return errors.Join(errs...)
}
