package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Expiration asks the bucket itself when which of its rules will take an
// object: the zero time if none will. It needs the right to read the object.
// An object that is not there is upload.ErrNotFound.
func Expiration(ctx context.Context, b *upload.S3, object bucket.Object) (when time.Time, rule string, err error) {
	input := &s3.HeadObjectInput{Bucket: aws.String(b.URL().Bucket), Key: aws.String(b.URL().Prefix + "/" + object.Name)}
	if object.Version != "" {
		input.VersionId = &object.Version
	}
	out, err := b.Client().HeadObject(ctx, input)
	var missing *types.NotFound
	if errors.As(err, &missing) {
		return time.Time{}, "", fmt.Errorf("%s/%s: %w", b.URL(), object.Name, bucket.ErrNotFound)
	}
	if err != nil {
		return time.Time{}, "", describeError(ctx, b, "ask for the expiration of "+object.Name+" by", "s3:GetObject", err)
	}
	return parseExpiration(aws.ToString(out.Expiration))
}

// parseExpiration reads what a store says in x-amz-expiration, such as
// expiry-date="Fri, 04 Dec 2026 00:00:00 GMT", rule-id="lifeboat%2Fapp%2Fdaily"
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html). The
// empty string is the zero time.
func parseExpiration(header string) (when time.Time, rule string, err error) {
	if header == "" {
		return time.Time{}, "", nil
	}
	date, rest, found := strings.Cut(strings.TrimPrefix(header, `expiry-date="`), `", rule-id="`)
	if !found || !strings.HasPrefix(header, `expiry-date="`) {
		return time.Time{}, "", fmt.Errorf("x-amz-expiration: %q is not understood", header)
	}
	when, err = time.Parse(http.TimeFormat, date)
	if err != nil {
		return time.Time{}, "", fmt.Errorf("x-amz-expiration: %w", err)
	}
	rule = strings.TrimSuffix(rest, `"`)
	if decoded, err := url.PathUnescape(rule); err == nil { // MinIO does not encode it
		rule = decoded
	}
	return when.UTC(), rule, nil
}
