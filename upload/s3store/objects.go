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
func (b *store) List(ctx context.Context, after string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		input := s3.ListObjectsV2Input{Prefix: aws.String(b.key("")), Delimiter: aws.String("/")}
		if after != "" {
			input.StartAfter = aws.String(b.key(after))
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

// listed returns an entry of a listing as an Object, or false for what is not an
// object of the bucket.
func (b *store) listed(entry types.Object, encoding types.EncodingType) (bucket.Object, bool) {
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
func (b *store) listedAt(entry types.Object, encoding types.EncodingType) (bucket.Object, bool) {
	key := aws.ToString(entry.Key)
	if encoding == types.EncodingTypeUrl {
		decoded, err := url.QueryUnescape(key)
		if err != nil {
			return bucket.Object{}, false
		}
		key = decoded
	}
	name, found := strings.CutPrefix(key, b.key(""))
	return bucket.Object{
		Name:     name,
		Size:     aws.ToInt64(entry.Size),
		ETag:     opaque(entry.ETag),
		Modified: aws.ToTime(entry.LastModified),
	}, found && name != ""
}

// Delete implements Bucket.
func (b *store) Delete(ctx context.Context, object bucket.Object) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket:    &b.url.Bucket,
		Key:       aws.String(b.key(object.Name)),
		VersionId: version(object),
	})
	if err != nil {
		err = describe(ctx, b.failure("delete", object, "s3:DeleteObject"), err)
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
func (b *store) find(ctx context.Context, name string) (*bucket.Object, error) {
	// The key itself sorts before all that it begins.
	for page, err := range b.objectPages(ctx, s3.ListObjectsV2Input{Prefix: aws.String(b.key(name)), MaxKeys: aws.Int32(1)}) {
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

func (b *store) deleteSidecar(ctx context.Context, name string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.url.Bucket, Key: aws.String(b.key(sidecar.Of(name)))})
	if err != nil {
		err = describe(ctx, b.failure("delete", bucket.Object{Name: sidecar.Of(name)}, "s3:DeleteObject"), err)
	}
	if errors.Is(err, bucket.ErrNotFound) {
		return nil
	}
	return err
}
