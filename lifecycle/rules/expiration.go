package rules

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Expiration returns when the bucket itself expects to expire an object, and by
// which rule: the zero time if no rule matches it. It needs the right to read the
// object. An object that is not there is bucket.ErrNotFound; a bucket that cannot
// have rules is bucket.ErrNoLifecycle.
func Expiration(ctx context.Context, b bucket.Bucket, object bucket.Object) (when time.Time, rule string, err error) {
	ruled, err := ruledBy(b)
	if err != nil {
		return time.Time{}, "", err
	}
	text, err := ruled.Expiration(ctx, object)
	if err != nil {
		return time.Time{}, "", err
	}
	return parseExpiration(text)
}

// parseExpiration parses the header x-amz-expiration, such as
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
