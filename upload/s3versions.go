package upload

import (
	"context"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A SnapshotVersion is one version of a snapshot in a versioned bucket: the
// snapshot itself, what was overwritten or deleted, or the mark of a deletion.
type SnapshotVersion struct {
	Snapshot
	// Latest: this is what a reader gets who names no version.
	Latest bool
	// Deleted: no content, but the mark that a deletion has put on the key.
	Deleted bool
}

// Versions yields all versions of the series' snapshots, by ID and for each
// the newest version first. Where the bucket was never versioned there is one
// of each, with the version "null".
func (b *S3) Versions(ctx context.Context) iter.Seq2[SnapshotVersion, error] {
	return func(yield func(SnapshotVersion, error) bool) {
		input := s3.ListObjectVersionsInput{Prefix: aws.String(b.key("")), Delimiter: aws.String("/")}
		for page, err := range b.versionPages(ctx, input) {
			if err != nil {
				yield(SnapshotVersion{}, err)
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

// NeverUsed implements Bucket. It needs the right to list versions. What an
// examination has left behind does not count.
func (b *S3) NeverUsed(ctx context.Context) (bool, error) {
	input := s3.ListObjectVersionsInput{Prefix: aws.String(b.key("")), MaxKeys: aws.Int32(100)}
	counts := func(key *string) bool { return !strings.HasPrefix(aws.ToString(key), b.key(doctorPrefix)) }
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
func (b *S3) versionsOf(page *s3.ListObjectVersionsOutput) []SnapshotVersion {
	var merged []SnapshotVersion
	versions, markers := page.Versions, page.DeleteMarkers
	for len(versions) > 0 || len(markers) > 0 {
		var v SnapshotVersion
		if len(versions) == 0 || len(markers) > 0 && before(markers[0], versions[0]) {
			m := markers[0]
			markers = markers[1:]
			v.Latest, v.Deleted = aws.ToBool(m.IsLatest), true
			v.Object = Object{Name: aws.ToString(m.Key), Modified: aws.ToTime(m.LastModified), Version: aws.ToString(m.VersionId)}
		} else {
			o := versions[0]
			versions = versions[1:]
			v.Latest = aws.ToBool(o.IsLatest)
			v.Object = Object{
				Name: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), ETag: opaque(o.ETag),
				Modified: aws.ToTime(o.LastModified), Version: aws.ToString(o.VersionId),
			}
		}
		if page.EncodingType == types.EncodingTypeUrl {
			decoded, err := url.QueryUnescape(v.Object.Name)
			if err != nil {
				continue
			}
			v.Object.Name = decoded
		}
		name, found := strings.CutPrefix(v.Object.Name, b.key(""))
		if v.Object.Name = name; !found {
			continue
		}
		if s, ok := asSnapshot(v.Object); ok {
			s.judge(Present(b))
			v.Snapshot = s
			merged = append(merged, v)
		}
	}
	return merged
}

func before(m types.DeleteMarkerEntry, o types.ObjectVersion) bool {
	if marked, kept := aws.ToString(m.Key), aws.ToString(o.Key); marked != kept {
		return marked < kept
	}
	return aws.ToBool(m.IsLatest) || !aws.ToBool(o.IsLatest) && aws.ToTime(m.LastModified).After(aws.ToTime(o.LastModified))
}
