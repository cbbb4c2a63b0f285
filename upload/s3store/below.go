package s3store

import (
	"context"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Below implements bucket.Tree. Where a page ends in a hidden folder, the listing goes on
// behind it.
func (b *s3Store) Below(ctx context.Context) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		for from, more := "", true; more; {
			from, more = b.listBelow(ctx, from, yield)
		}
	}
}

// listBelow yields objects whose keys are after from, up to the end or a page that ends in
// a hidden folder. It returns the key behind that folder, and whether to go on there.
func (b *s3Store) listBelow(ctx context.Context, from string, yield func(bucket.Object, error) bool) (next string, more bool) {
	input := s3.ListObjectsV2Input{Prefix: aws.String(b.objectKey(""))}
	if from != "" {
		input.StartAfter = &from
	}
	for page, err := range b.objectPages(ctx, input) {
		if err != nil {
			yield(bucket.Object{}, err)
			return "", false
		}
		hidden := ""
		for _, entry := range page.Contents {
			object, ok := b.listedAt(entry, page.EncodingType)
			if hidden = hiddenFolder(object.Name); ok && hidden == "" && !yield(object, nil) {
				return "", false
			}
		}
		const afterSlash = "0"
		next = b.objectKey(strings.TrimSuffix(hidden, "/")) + afterSlash
		if isLast := !aws.ToBool(page.IsTruncated) && aws.ToString(page.NextContinuationToken) == ""; hidden != "" && !isLast && next > from { // else the store does not heed where to start
			return next, true
		}
	}
	return "", false
}

// hiddenFolder returns the first of the folders in a name that begins with a dot, with
// what is before it and a slash, "" for none.
func hiddenFolder(name string) string {
	for from := 0; ; {
		end := strings.IndexByte(name[from:], '/')
		if end < 0 {
			return ""
		}
		if name[from] == '.' {
			return name[:from+end+1]
		}
		from += end + 1
	}
}
