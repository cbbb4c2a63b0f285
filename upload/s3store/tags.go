package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/sidecar"
)

// Tags implements Bucket.
func (b *s3Store) Tags(ctx context.Context, object bucket.Object) (bucket.Tags, error) {
	if !b.beside.Load() {
		tags, err := b.storeTags(ctx, object)
		if !errors.Is(err, bucket.ErrNoTags) {
			return tags, err
		}
		b.keepBeside(err)
	}
	return b.readSidecar(ctx, object)
}

// SetTags implements Bucket.
func (b *s3Store) SetTags(ctx context.Context, object bucket.Object, tags bucket.Tags) error {
	if !b.beside.Load() {
		err := b.setStoreTags(ctx, object, tags)
		if mayLackTags(err) && !errors.Is(err, bucket.ErrNoTags) {
			if _, reading := b.storeTags(ctx, object); errors.Is(reading, bucket.ErrNoTags) {
				err = reading
			}
		}
		if !errors.Is(err, bucket.ErrNoTags) {
			return err
		}
		b.keepBeside(err)
	}
	if err := b.mustExist(ctx, "set tags of", object); err != nil {
		return err
	}
	return b.writeSidecar(ctx, object.Name, tags)
}

// keepBeside notes that the store knows no tags. From now on they are kept in
// a small object beside each snapshot, as in a directory.
func (b *s3Store) keepBeside(cause error) {
	if !b.beside.Swap(true) {
		b.options.Log.Warn("the store has no object tags, so no rule of the bucket can carry out retention: lifeboat prune does", "url", b.url, "cause", cause)
	}
}

// TagsBeside is for bucket.TagsBeside: what answers have shown of the store.
func (b *s3Store) TagsBeside() (beside, known bool) {
	beside = b.beside.Load()
	return beside, beside || b.tagged.Load()
}

func (b *s3Store) storeTags(ctx context.Context, object bucket.Object) (bucket.Tags, error) {
	out, err := b.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{
		Bucket:    &b.url.Bucket,
		Key:       aws.String(b.objectKey(object.Name)),
		VersionId: version(object),
	})
	if err != nil {
		return nil, describe(ctx, b.failureOf("get tags of", object, "s3:GetObjectTagging"), err)
	}
	b.tagged.Store(true)
	tags := make(bucket.Tags, len(out.TagSet))
	for _, tag := range out.TagSet {
		tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return tags, nil
}

func (b *s3Store) setStoreTags(ctx context.Context, object bucket.Object, tags bucket.Tags) error {
	set := make([]types.Tag, 0, len(tags))
	for key, value := range tags {
		set = append(set, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
	_, err := b.client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{
		Bucket:    &b.url.Bucket,
		Key:       aws.String(b.objectKey(object.Name)),
		VersionId: version(object),
		Tagging:   &types.Tagging{TagSet: set},
	})
	if err != nil {
		return describe(ctx, b.failureOf("set tags of", object, "s3:PutObjectTagging"), err)
	}
	b.tagged.Store(true)
	return nil
}

// mustExist: tags can be left over from an upload that was interrupted.
func (b *s3Store) mustExist(ctx context.Context, operation string, object bucket.Object) error {
	there, err := b.find(ctx, object.Name)
	if err == nil && there == nil {
		err = fmt.Errorf("%s %s/%s: %w", operation, b.url, object.Name, bucket.ErrNotFound)
	}
	return err
}

// readSidecar returns the tags beside an object.
func (b *s3Store) readSidecar(ctx context.Context, object bucket.Object) (bucket.Tags, error) {
	if err := b.mustExist(ctx, "get tags of", object); err != nil {
		return nil, err
	}
	f := b.failureOf("read", bucket.Object{Name: sidecar.Of(object.Name)}, "s3:GetObject")
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.url.Bucket, Key: aws.String(b.objectKey(sidecar.Of(object.Name))),
	})
	if err != nil {
		err = describe(ctx, f, err)
		if errors.Is(err, bucket.ErrNotFound) {
			return bucket.Tags{}, nil
		}
		return nil, err
	}
	defer out.Body.Close()
	data, err := io.ReadAll(io.LimitReader(out.Body, sidecar.MaxSize+1))
	if err != nil {
		return nil, describe(ctx, f, err)
	}
	tags, err := sidecar.Parse(data, b.url.String()+"/"+sidecar.Of(object.Name))
	if err != nil {
		return nil, &bucket.DamagedTagsError{URL: b.url, Object: object.Name, Cause: err}
	}
	return tags, nil
}

func (b *s3Store) writeSidecar(ctx context.Context, name string, tags bucket.Tags) error {
	data, err := sidecar.Format(tags)
	if err != nil {
		return err
	}
	sse := b.options.SSE
	_, err = b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.url.Bucket, Key: aws.String(b.objectKey(sidecar.Of(name))), Body: bytes.NewReader(data),
		ServerSideEncryption: types.ServerSideEncryption(sse.Algorithm), SSEKMSKeyId: nonEmpty(sse.KMSKeyID),
	})
	if err != nil {
		return describe(ctx, b.failureOf("put", bucket.Object{Name: sidecar.Of(name)}, "s3:PutObject"), err)
	}
	return nil
}

// withTags calls put, which sends the tags along, and once more without them if
// the store may know none: then they are beside the object before it is there.
func (p *s3Put) withTags(ctx context.Context, put func() error) error {
	var cause error
	if !p.bucket.beside.Load() {
		cause = put()
		if len(p.options.Tags) == 0 || !mayLackTags(cause) {
			return cause
		}
	}
	if err := p.tagBeside(ctx); err != nil {
		if sameCode(cause, err) {
			return cause // it was not for the tags
		}
		return err
	}
	err := put()
	var landed *landedError
	switch {
	case cause == nil:
		return err
	case err == nil, errors.As(err, &landed), errors.Is(cause, bucket.ErrNoTags):
		p.bucket.keepBeside(cause)
		return err
	}
	return cause // it was not for the tags
}

// tagBeside writes the tags beside where the object will be. An object that is
// there already keeps its own.
func (p *s3Put) tagBeside(ctx context.Context) error {
	tags := p.options.Tags
	if len(tags) == 0 {
		return nil
	}
	there, err := p.bucket.find(ctx, p.name)
	if err != nil {
		return err
	}
	if there != nil {
		return p.exists(nil)
	}
	p.options.Tags, p.beside = nil, true
	return p.bucket.writeSidecar(ctx, p.name, tags)
}

// untagBeside removes the tags of an object that has not come about. Where the
// credentials may not delete, they stay, and are never read.
func (p *s3Put) untagBeside(ctx context.Context) {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	if err := p.bucket.deleteSidecar(ctx, p.name); err != nil {
		p.bucket.options.Log.Debug("tags of a failed upload remain", "err", err)
	}
}
