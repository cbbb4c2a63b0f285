package s3store

import (
	"cmp"
	"errors"
	"net/http"
	"regexp"
	"strings"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// isElsewhere: the request went, or was signed, for another region than the
// bucket's.
func isElsewhere(code string, status int) bool {
	switch code {
	case "PermanentRedirect", "TemporaryRedirect", "Redirect", "IllegalLocationConstraintException":
		return true
	case "AuthorizationHeaderMalformed":
		return true
	}
	return status == http.StatusMovedPermanently || status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect
}

func elsewhere(code string, err error) string {
	code = cmp.Or(code, "redirect")
	if region := regionOf(err); region != "" {
		return "the region is wrong, the bucket is in " + region + " (" + code + ")"
	}
	return "the region is wrong, set AWS_REGION (" + code + ")"
}

// expectedRegion is what S3 and MinIO say of a signature for another region.
var expectedRegion = regexp.MustCompile(`expecting '([a-z0-9-]+)'`)

// regionOf returns the region that the store named when it refused a request
// that was meant for another one, "" if that is not what happened.
func regionOf(err error) string {
	code, message := codeOf(err)
	if !isElsewhere(code, statusOf(err)) {
		return ""
	}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil && response.Response.Response != nil {
		if region := response.Response.Header.Get("X-Amz-Bucket-Region"); region != "" {
			return region
		}
	}
	if found := expectedRegion.FindStringSubmatch(message); found != nil {
		return found[1]
	}
	return ""
}

// missing returns the action of a failure if the store denied it.
func (f failure) missing(err error) string {
	code, message := codeOf(err)
	if refusals[code] != "" || overQuota(code, message, statusOf(err)) || !isDenied(code, statusOf(err)) {
		return ""
	}
	action, _, _ := strings.Cut(f.action, ",")
	return action
}
