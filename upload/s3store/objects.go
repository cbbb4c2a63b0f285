package s3store

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/sidecar"
)

// List implements Bucket.
func (b *s3Store) List(ctx context.Context, after string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		around, more, ok, err := b.listAround(ctx, after)
		if err != nil {
			yield(bucket.Object{}, err)
			return
		}
		for _, object := range around {
			if !yield(object, nil) {
				return
			}
			after = object.Name
		}
		if ok && !more {
			return
		}
		input := s3.ListObjectsV2Input{Prefix: aws.String(b.objectKey("")), Delimiter: aws.String("/")}
		if after != "" {
			input.StartAfter = aws.String(b.objectKey(after))
		}
		for page, err := range b.objectPages(ctx, input) {
			if err != nil {
				yield(bucket.Object{}, err)
				return
			}
			for _, entry := range page.Contents {
				object, ok := b.listed(entry, page.EncodingType)
				if ok && object.Name > after && !yield(object, nil) {
					return
				}
			}
		}
	}
}

// Folders implements bucket.Tree.
func (b *s3Store) Folders(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		under := b.objectKey("")
		for page, err := range b.objectPages(ctx, s3.ListObjectsV2Input{Prefix: aws.String(under), Delimiter: aws.String("/")}) {
			if err != nil {
				yield("", err)
				return
			}
			for _, folder := range page.CommonPrefixes {
				name := strings.TrimSuffix(strings.TrimPrefix(aws.ToString(folder.Prefix), under), "/")
				if name != "" && !strings.HasPrefix(name, ".") && !yield(name, nil) {
					return
				}
			}
		}
	}
}

// Above implements bucket.Nested.
func (b *s3Store) Above(ctx context.Context) iter.Seq2[bucket.Object, error] {
	if b.around == nil {
		return b.listAbove(ctx)
	}
	return func(yield func(bucket.Object, error) bool) {
		all, err := b.around.aboveOnce(b.listAbove(ctx))
		if err != nil {
			yield(bucket.Object{}, err)
			return
		}
		for _, object := range all {
			if !yield(object, nil) {
				return
			}
		}
	}
}

func (b *s3Store) listAbove(ctx context.Context) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		up, above := "", b.url.Prefix
		for at := strings.LastIndexByte(above, '/'); at >= 0; at = strings.LastIndexByte(above, '/') {
			up, above = up+"../", above[:at] // the bucket itself is no series
			for object, err := range b.snapshotsIn(ctx, above+"/") {
				object.Name = up + object.Name
				if !yield(object, err) || err != nil {
					return
				}
			}
		}
	}
}

// snapshotsIn yields the objects of a folder whose names begin as snapshots' do, as many
// as one request shows.
func (b *s3Store) snapshotsIn(ctx context.Context, folder string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		const millennium = "2" // with which the years of snapshots begin
		for page, err := range b.objectPages(ctx, s3.ListObjectsV2Input{Prefix: aws.String(folder + millennium), Delimiter: aws.String("/")}) {
			if err != nil {
				yield(bucket.Object{}, err)
				return
			}
			for _, entry := range page.Contents {
				name := strings.TrimPrefix(aws.ToString(entry.Key), folder)
				if !yield(bucket.Object{Name: name, Size: aws.ToInt64(entry.Size), ETag: opaque(entry.ETag), Modified: aws.ToTime(entry.LastModified)}, nil) {
					return
				}
			}
			return
		}
	}
}

// listed returns an entry of a listing as an Object, or false for what is not an
// object of the bucket.
func (b *s3Store) listed(entry types.Object, encoding types.EncodingType) (bucket.Object, bool) {
	object, found := b.listedAt(entry, encoding)
	return object, found && isPlace(object.Name)
}

// isPlace reports whether a name is an object's, and neither deeper than the
// prefix nor a sidecar's.
func isPlace(name string) bool {
	return name != "" && !strings.Contains(name, "/") && !sidecar.Is(name)
}

// listedAt returns an entry of a listing as an Object, or false for what is not
// below the prefix.
func (b *s3Store) listedAt(entry types.Object, encoding types.EncodingType) (bucket.Object, bool) {
	key := aws.ToString(entry.Key)
	if encoding == types.EncodingTypeUrl {
		decoded, err := url.QueryUnescape(key)
		if err != nil {
			return bucket.Object{}, false
		}
		key = decoded
	}
	name, found := strings.CutPrefix(key, b.objectKey(""))
	return bucket.Object{
		Name:     name,
		Size:     aws.ToInt64(entry.Size),
		ETag:     opaque(entry.ETag),
		Modified: aws.ToTime(entry.LastModified),
	}, found && name != ""
}

// Delete implements Bucket.
func (b *s3Store) Delete(ctx context.Context, object bucket.Object) error {
	b.wrote.Store(true)
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket:    &b.url.Bucket,
		Key:       aws.String(b.objectKey(object.Name)),
		VersionId: version(object),
	})
	if err != nil {
		err = describe(ctx, b.failureOf("delete", object, "s3:DeleteObject"), err)
	}
	if err != nil && !errors.Is(err, bucket.ErrNotFound) { // some stores say so of what is gone
		return err
	}
	if b.beside.Load() && object.Version == "" {
		return b.deleteSidecar(ctx, object.Name)
	}
	return nil
}

// find looks for one object by listing exactly its key, which needs no right
// to read. A nil object and no error: it is not there.
func (b *s3Store) find(ctx context.Context, name string) (*bucket.Object, error) {
	// The key itself sorts before all that it begins.
	for page, err := range b.objectPages(ctx, s3.ListObjectsV2Input{Prefix: aws.String(b.objectKey(name)), MaxKeys: aws.Int32(1)}) {
		if err != nil {
			return nil, err
		}
		if len(page.Contents) == 0 {
			continue
		}
		if object, ok := b.listedAt(page.Contents[0], page.EncodingType); ok && object.Name == name {
			return &object, nil
		}
		return nil, nil
	}
	return nil, nil
}

func (b *s3Store) deleteSidecar(ctx context.Context, name string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.url.Bucket, Key: aws.String(b.objectKey(sidecar.Of(name)))})
	if err != nil {
		err = describe(ctx, b.failureOf("delete", bucket.Object{Name: sidecar.Of(name)}, "s3:DeleteObject"), err)
	}
	if errors.Is(err, bucket.ErrNotFound) {
		return nil
	}
	return err
}
