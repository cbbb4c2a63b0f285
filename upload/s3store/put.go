package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Put implements Bucket. Content that fits into one part is uploaded at once
// after write has returned; more than that in parts of equal size, several at
// a time, while write goes on.
func (b *s3Store) Put(ctx context.Context, name string, o bucket.PutOptions, write func(io.Writer) error) (bucket.PutResult, error) {
	b.wrote.Store(true)
	size, err := partSize(o.MaxSize, b.options.PartSize)
	if err != nil {
		return bucket.PutResult{}, fmt.Errorf("put %s/%s: %w", b.url, name, err)
	}
	p := &s3Put{
		bucket: b, name: name, options: o, started: time.Now(),
		pool: newPartPool(size, partsAtOnce(size, b.options.Concurrency), b.options.TempDir),
	}
	result, err := p.run(ctx, write)
	if left := p.pool.close(); left != nil { // temp files without names: the object is as good
		b.options.Log.Warn("a spooled part could not be closed", "err", left)
	}
	return result, err
}

// run either stores the object or leaves nothing behind, also when write
// panics.
func (p *s3Put) run(ctx context.Context, write func(io.Writer) error) (result bucket.PutResult, err error) {
	done := false
	defer func() {
		if p.current != nil {
			p.pool.put(p.current)
		}
		if p.parts != nil && !done {
			err = p.parts.takeBack(ctx, err)
		}
		if p.parts != nil {
			p.parts.cancel(nil) // the caller's context may live long
		}
		if p.beside && !done && !errors.Is(err, bucket.ErrExists) {
			p.untagBeside(ctx)
		}
	}()
	p.current, err = p.pool.get(ctx, p.hint())
	if err != nil {
		return bucket.PutResult{}, p.wrap(err)
	}
	if err := write(writerFunc(func(data []byte) (int, error) { return p.write(ctx, data) })); err != nil {
		return bucket.PutResult{}, p.wrap(err)
	}
	if p.failed == nil && ctx.Err() != nil {
		p.failed = context.Cause(ctx)
	}
	if p.failed != nil {
		return bucket.PutResult{}, p.wrap(p.failed)
	}
	if p.parts == nil {
		result, err = p.putWhole(ctx)
	} else {
		result, err = p.putParts(ctx)
	}
	if done = err == nil; !done {
		return result, err
	}
	result.Object, err = p.settle(ctx, result.Object)
	// It is stored, whether or not a listing could show it. What is listed in its
	// place is left alone.
	if p.parts != nil && !errors.Is(err, bucket.ErrChanged) {
		err = errors.Join(err, p.keepTags(ctx, result.Object))
	}
	return result, err
}

// write takes content. A full part is sent only when there is more to come.
func (p *s3Put) write(ctx context.Context, data []byte) (written int, err error) {
	if p.failed == nil && ctx.Err() != nil {
		p.failed = context.Cause(ctx)
	}
	if p.failed != nil {
		return 0, p.failed
	}
	defer func() { p.failed = err }()
	for len(data) > 0 {
		if p.current.n == p.pool.size {
			if err := p.send(ctx); err != nil {
				return written, err
			}
		}
		n, err := p.current.Write(data[:min(int64(len(data)), p.pool.size-p.current.n)])
		written, p.total, data = written+n, p.total+int64(n), data[n:]
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// send gives the current part to the upload and begins a new one.
func (p *s3Put) send(ctx context.Context) error {
	if p.parts == nil {
		p.parts = newMultipart(ctx, p)
		if err := p.withTags(ctx, func() error { return p.parts.create(ctx) }); err != nil {
			return err
		}
	}
	full := p.current
	p.current = nil
	if err := p.parts.upload(full); err != nil {
		return err
	}
	next, err := p.pool.get(p.parts.ctx, p.pool.size)
	if err != nil {
		return p.parts.failure(err)
	}
	p.current = next
	return nil
}

// putWhole uploads everything with one PutObject.
func (p *s3Put) putWhole(ctx context.Context) (bucket.PutResult, error) {
	var out *s3.PutObjectOutput
	err := p.withTags(ctx, func() error {
		return p.make(ctx, "s3:PutObject", func(ctx context.Context, condition *string) (err error) {
			out, err = p.bucket.client.PutObject(ctx, p.putInput(condition))
			return err
		})
	})
	var landed *landedError
	if errors.As(err, &landed) {
		return bucket.PutResult{Object: landed.object, NotEncrypted: p.looksPlain(ctx)}, nil
	}
	if err != nil {
		return bucket.PutResult{}, err
	}
	plain := !p.bucket.options.encryptedBy(out.ServerSideEncryption, out.SSECustomerAlgorithm)
	return bucket.PutResult{Object: p.object(out.ETag), Expiration: aws.ToString(out.Expiration), NotEncrypted: plain}, nil
}

func (p *s3Put) putInput(condition *string) *s3.PutObjectInput {
	sse := p.bucket.options.SSE
	return &s3.PutObjectInput{
		Bucket: &p.bucket.url.Bucket, Key: p.objectKey(), IfNoneMatch: condition,
		Body: p.current.reader(), ContentLength: &p.current.n,
		Tagging:        tagging(p.options.Tags),
		ObjectLockMode: types.ObjectLockMode(p.bucket.options.Lock.Mode), ObjectLockRetainUntilDate: p.lockedUntil(),
		ChecksumAlgorithm:    p.checksum(),
		StorageClass:         types.StorageClass(p.bucket.options.StorageClass),
		ServerSideEncryption: types.ServerSideEncryption(sse.Algorithm), SSEKMSKeyId: nonEmpty(sse.KMSKeyID),
	}
}

// putParts sends the last part and completes the upload.
func (p *s3Put) putParts(ctx context.Context) (bucket.PutResult, error) {
	last := p.current
	p.current = nil
	if err := p.parts.upload(last); err != nil {
		return bucket.PutResult{}, p.wrap(err)
	}
	completed, err := p.parts.wait()
	if err != nil {
		return bucket.PutResult{}, p.wrap(err)
	}
	if err := p.mustBeFree(ctx); err != nil {
		return bucket.PutResult{}, err
	}
	var out *s3.CompleteMultipartUploadOutput
	err = p.make(ctx, "s3:PutObject", func(ctx context.Context, condition *string) (err error) {
		out, err = p.parts.complete(ctx, completed, condition)
		return err
	})
	var landed *landedError
	if err != nil && !errors.As(err, &landed) {
		return bucket.PutResult{}, err
	}
	p.parts.sweepIfUnsure(ctx)
	if landed != nil {
		return bucket.PutResult{Object: landed.object, NotEncrypted: !p.parts.encrypted && p.parts.plainPart && p.looksPlain(ctx)}, nil
	}
	plain := !p.parts.encrypted && p.parts.plainPart && !p.bucket.options.encryptedBy(out.ServerSideEncryption, nil)
	return bucket.PutResult{Object: p.object(out.ETag), Expiration: aws.ToString(out.Expiration), NotEncrypted: plain}, nil
}

// make calls what makes the object visible, on the condition that there is
// none of that name. A store that does not know the condition gets one try
// without it, after a look. Where an answer was lost and the object has
// landed all the same it returns a *landedError.
func (p *s3Put) make(ctx context.Context, action string, call func(ctx context.Context, condition *string) error) error {
	counting, attempts := countAttempts(ctx)
	err := call(counting, aws.String("*"))
	if lacksConditions(err) {
		there, findErr := p.bucket.find(ctx, p.name)
		if findErr != nil {
			return findErr
		}
		if there != nil {
			return p.exists(err)
		}
		err = call(counting, nil)
	}
	if err == nil {
		return nil
	}
	return p.judge(ctx, action, err, int(attempts.Load()))
}

// judge finds out what a failure to make the object visible means. The answer
// to an earlier one of several attempts may have been lost, and then a later one
// meets our own object or an upload that is no more.
func (p *s3Put) judge(ctx context.Context, action string, err error, attempts int) error {
	code, _ := codeOf(err)
	exists := isPrecondition(err)
	unanswered := ctx.Err() != nil || statusOf(err) == 0 || isGarbled(err)
	if unanswered || attempts > 1 && (exists || code == "NoSuchUpload" || retryable(err)) {
		look := p.findAfterwards
		if !unanswered && (exists || code == "NoSuchUpload") {
			look = p.await // it is there, but a listing may be late
		}
		there, findErr := look(ctx)
		if findErr == nil && there != nil && p.isOurs(there) {
			return &landedError{*there}
		}
	}
	if exists {
		return p.exists(err)
	}
	return describe(ctx, failure{"put", p.where(), p.actions(action)}, err)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
