package s3store

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A failure is an operation that failed, on what, and the IAM action that it needs.
type failure struct{ operation, where, action string }

// refusals are error codes for which there are better words than the store's.
var refusals = map[string]string{
	"NoSuchBucket":                                   "no such bucket",
	"InvalidBucketName":                              "the store does not take this bucket name",
	"InvalidAccessKeyId":                             "the store does not know this access key ID",
	"SignatureDoesNotMatch":                          "the secret access key is wrong (SignatureDoesNotMatch)",
	"ExpiredToken":                                   "the session token has expired",
	"InvalidToken":                                   "the session token is not valid",
	"InvalidTokenId":                                 "the session token is not valid",
	"TokenRefreshRequired":                           "the session token has expired",
	"RequestTimeTooSkewed":                           "this machine's clock differs too much from the store's (RequestTimeTooSkewed)",
	"RequestExpired":                                 "this machine's clock differs too much from the store's (RequestExpired)",
	"SecondLevelDomainForbidden":                     "the store takes the bucket's name only in the host (SecondLevelDomainForbidden), where Lifeboat does not put it with AWS_ENDPOINT_URL_S3",
	"InvalidStorageClass":                            "the store does not know this storage class",
	"EntityTooLarge":                                 "the store does not take objects or parts of this size",
	"InvalidEncryptionAlgorithmError":                "the store does not know this encryption algorithm",
	"KMSNotConfigured":                               "the store has no key management set up for server-side encryption",
	"XMinioKMSNotConfigured":                         "the store has no key management set up for server-side encryption",
	"ServerSideEncryptionConfigurationNotFoundError": "the bucket has no server-side encryption set up",
}

// isFull reports whether the store has no room on its own disks.
func isFull(code string, status int) bool {
	return code == "XMinioStorageFull" || status == http.StatusInsufficientStorage
}

// overQuota reports whether the store refused for want of room or money. Most say
// so with the status of a missing permission.
func overQuota(code, message string, status int) bool {
	switch code {
	case "QuotaExceeded", "ServiceQuotaExceeded", "ServiceQuotaExceededException", "StorageQuotaExceeded", "StorageLimitExceeded", "XMinioAdminBucketQuotaExceeded":
		return true
	}
	message = strings.ToLower(message)
	return (isDenied(code, status) || status == http.StatusBadRequest) &&
		(strings.Contains(message, "cap exceeded") || strings.Contains(message, "quota") || strings.Contains(message, "storage limit"))
}

func isDenied(code string, status int) bool {
	return code == "AccessDenied" || code == "AllAccessDisabled" || code == "AccountProblem" ||
		status == http.StatusForbidden || status == http.StatusUnauthorized
}

// codeOf returns S3's error code and message, "" if the store gave none.
func codeOf(err error) (code, message string) {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return "", ""
	}
	if api.ErrorCode() == "UnknownError" {
		return "", api.ErrorMessage()
	}
	return api.ErrorCode(), api.ErrorMessage()
}

// statusOf returns the HTTP status of the answer, 0 if there was none.
func statusOf(err error) int {
	var response *smithyhttp.ResponseError
	if !errors.As(err, &response) || response.Response == nil || response.Response.Response == nil {
		return 0
	}
	// The SDK keeps an empty response beside an error of the connection.
	return response.HTTPStatusCode()
}

// innermost follows single wrapped errors to the one that began it.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// isUntrusted: a certificate that will not be better at the next try.
func isUntrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid)
}

// isUnsendable: a credential that HTTP does not allow in a header. The error
// names the header and not its value.
func isUnsendable(err error) bool {
	return strings.Contains(err.Error(), "invalid header field value")
}

// isUnknown: the store does not know such a request.
func isUnknown(err error) bool {
	code, _ := codeOf(err)
	status := statusOf(err)
	return code == "NotImplemented" || status == http.StatusNotImplemented || status == http.StatusMethodNotAllowed
}

// isUnset: the bucket has no setting of the kind that was asked for.
func isUnset(err error) bool {
	code, _ := codeOf(err)
	return strings.HasPrefix(code, "NoSuch") && code != "NoSuchBucket" || strings.Contains(code, "NotFound")
}
