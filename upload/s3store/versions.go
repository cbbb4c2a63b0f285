package s3store

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Versions implements Versioned. Where the bucket was never versioned there is
// one version of each object, "null".
func (b *s3Store) Versions(ctx context.Context) iter.Seq2[bucket.Version, error] {
	return func(yield func(bucket.Version, error) bool) {
		input := s3.ListObjectVersionsInput{Prefix: aws.String(b.objectKey("")), Delimiter: aws.String("/")}
		for page, err := range b.versionPages(ctx, input) {
			if err != nil {
				yield(bucket.Version{}, err)
				return
			}
			for _, v := range b.versionsOf(page) {
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

// KeepsVersions implements Versioned. It needs the right
// s3:GetBucketVersioning.
func (b *s3Store) KeepsVersions(ctx context.Context) (bool, error) {
	out, err := b.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &b.url.Bucket})
	if err != nil {
		return false, describe(ctx, failure{"read the versioning setting of", b.url.String(), "s3:GetBucketVersioning"}, err)
	}
	return out.Status == types.BucketVersioningStatusEnabled, nil
}

// NeverUsed implements Bucket. It needs the right to list versions.
func (b *s3Store) NeverUsed(ctx context.Context) (bool, error) {
	input := s3.ListObjectVersionsInput{Prefix: aws.String(b.objectKey("")), MaxKeys: aws.Int32(100)}
	counts := func(key *string) bool { return !strings.HasPrefix(aws.ToString(key), b.objectKey(bucket.TrialPrefix)) }
	for page, err := range b.versionPages(ctx, input) {
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(page.Versions, func(v types.ObjectVersion) bool { return counts(v.Key) }) ||
			slices.ContainsFunc(page.DeleteMarkers, func(m types.DeleteMarkerEntry) bool { return counts(m.Key) }) {
			return false, nil
		}
	}
	return true, nil
}

// versionsOf merges a page's versions and delete markers, both of which are
// sorted by key and age.
func (b *s3Store) versionsOf(page *s3.ListObjectVersionsOutput) []bucket.Version {
	var merged []bucket.Version
	versions, markers := page.Versions, page.DeleteMarkers
	for len(versions) > 0 || len(markers) > 0 {
		var v bucket.Version
		if len(versions) == 0 || len(markers) > 0 && standsBefore(markers[0], versions[0]) {
			v, markers = markerVersion(markers[0]), markers[1:]
		} else {
			v, versions = objectVersion(versions[0]), versions[1:]
		}
		name, found := strings.CutPrefix(v.Name, b.objectKey(""))
		if found && isPlace(name) {
			v.Name = name
			merged = append(merged, v)
		}
	}
	return merged
}

func objectVersion(o types.ObjectVersion) bucket.Version {
	return bucket.Version{
		Object: bucket.Object{
			Name: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), ETag: opaque(o.ETag),
			Modified: aws.ToTime(o.LastModified), Version: aws.ToString(o.VersionId),
		},
		Latest: aws.ToBool(o.IsLatest),
	}
}

func markerVersion(m types.DeleteMarkerEntry) bucket.Version {
	return bucket.Version{
		Object:  bucket.Object{Name: aws.ToString(m.Key), Modified: aws.ToTime(m.LastModified), Version: aws.ToString(m.VersionId)},
		Latest:  aws.ToBool(m.IsLatest),
		Deleted: true,
	}
}

func standsBefore(m types.DeleteMarkerEntry, o types.ObjectVersion) bool {
	if marked, kept := aws.ToString(m.Key), aws.ToString(o.Key); marked != kept {
		return marked < kept
	}
	return aws.ToBool(m.IsLatest) || !aws.ToBool(o.IsLatest) && aws.ToTime(m.LastModified).After(aws.ToTime(o.LastModified))
}
