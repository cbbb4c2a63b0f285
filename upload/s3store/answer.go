package s3store

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// The SDK takes whatever comes with a good status for an answer: it ignores the
// name of the root element, and a body that is empty or no XML at all is an
// empty result. So a web page would look like an empty bucket.

const (
	// maxAnswer bounds an answer that is not content, in bytes. 1,000 keys of
	// full length, percent-encoded, are 4 MiB.
	maxAnswer = 32 << 20
	// maxErrorAnswer bounds what is read of an error, in bytes.
	maxErrorAnswer = 1 << 20
)

// roots are the root elements that good answers have, by operation. An
// operation that is missing here has no result in its body. A second one is
// rclone's.
var roots = map[string][]string{
	"ListObjectsV2":                   {"ListBucketResult"},
	"ListObjectVersions":              {"ListVersionsResult", "ListBucketVersionsResult"},
	"ListMultipartUploads":            {"ListMultipartUploadsResult"},
	"CreateMultipartUpload":           {"InitiateMultipartUploadResult", "InitiateMultipartUpload"},
	"CompleteMultipartUpload":         {"CompleteMultipartUploadResult"},
	"GetObjectTagging":                {"Tagging"},
	"GetBucketLifecycleConfiguration": {"LifecycleConfiguration"},
	"GetBucketEncryption":             {"ServerSideEncryptionConfiguration"}, // Ceph gives a listing
	"GetBucketVersioning":             {"VersioningConfiguration"},
	"GetObjectLockConfiguration":      {"ObjectLockConfiguration"},
}

// withETag are the operations whose good answers have an ETag in the header.
var withETag = []string{"PutObject", "UploadPart", "GetObject", "HeadObject"}

// A foreignAnswer is an answer that no S3 store gives.
type foreignAnswer struct {
	what  string // came instead
	first bool   // no answer of an S3 store has come before
	// What the answer shows about the endpoint, if anything.
	wantsTLS bool
	location string // scheme and host of a redirect
}

func (e *foreignAnswer) Error() string { return e.what }

// An answerGuard looks at every answer of a store before the SDK does.
type answerGuard struct{ seen atomic.Bool }

// watchOperations makes a client look at the answers to all its operations.
func (a *answerGuard) watchOperations(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("LifeboatAnswer",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			if response, ok := out.RawResponse.(*smithyhttp.Response); ok && err == nil {
				err = a.look(middleware.GetOperationName(ctx), response.Response)
			}
			return out, metadata, err
		}), middleware.After)
}

// look returns an error for an answer that is not S3's. The body of any other
// is bounded then, unless it is an object's content.
func (a *answerGuard) look(operation string, r *http.Response) error {
	var foreign *foreignAnswer
	var err error
	if r.StatusCode/100 == 2 {
		foreign, err = lookAtGood(operation, r)
	} else {
		foreign = lookAtBad(r)
	}
	switch {
	case err != nil:
		return err
	case foreign != nil:
		foreign.first = !a.seen.Load()
		return foreign
	case r.StatusCode/100 == 2:
		a.seen.Store(true)
	}
	return nil
}

func lookAtGood(operation string, r *http.Response) (*foreignAnswer, error) {
	if slices.Contains(withETag, operation) && r.Header.Get("Etag") == "" {
		return &foreignAnswer{what: "there is no ETag in the answer to " + operation}, nil
	}
	if operation == "GetObject" {
		return nil, nil
	}
	body, err := peekBody(r, maxAnswer)
	if err != nil {
		// The SDK's own error for an answer that breaks off.
		return nil, &smithy.DeserializationError{Err: fmt.Errorf("read the answer: %w", err)}
	}
	if len(body) > maxAnswer {
		return &foreignAnswer{what: fmt.Sprintf("the answer to %s has more than %d MiB", operation, maxAnswer>>20)}, nil
	}
	root, wanted := rootOf(body), roots[operation]
	switch {
	case root == "Error" || slices.Contains(wanted, root): // the SDK finds the error
	case operation == "GetObjectTagging" && len(body) == 0 && r.Header.Get("X-Amz-Request-Id") != "":
		// Ceph's answer for an object that never had tags.
	case wanted != nil:
		return &foreignAnswer{what: fmt.Sprintf("%s came instead of <%s>", firstOf(root, body), wanted[0])}, nil
	case root == "html" || root == "" && firstOf(root, body) != emptyBody:
		return &foreignAnswer{what: fmt.Sprintf("%s came in answer to %s", firstOf(root, body), operation)}, nil
	}
	return nil, nil
}

// lookAtBad looks for what the SDK drops: the text of a web server's own page.
func lookAtBad(r *http.Response) *foreignAnswer {
	// Who answers without having read the request may cut the connection.
	body, _ := peekBody(r, maxErrorAnswer)
	if rootOf(body) == "Error" || r.Header.Get("X-Amz-Bucket-Region") != "" {
		return nil // the status is enough
	}
	text := strings.ToLower(string(body))
	if r.StatusCode == http.StatusBadRequest && (strings.Contains(text, "https server") || strings.Contains(text, "https port")) {
		return &foreignAnswer{what: "HTTP was sent to an HTTPS server", wantsTLS: true}
	}
	if to, err := r.Location(); err == nil && r.StatusCode/100 == 3 {
		origin := url.URL{Scheme: to.Scheme, Host: to.Host}
		return &foreignAnswer{what: "a redirect to " + origin.String(), location: origin.String()}
	}
	return nil
}

// peekBody reads a body up to a byte more than limit, and leaves what was read in
// its place. A proxy that asks for compression in our name gets it.
func peekBody(r *http.Response, limit int64) ([]byte, error) {
	var from io.Reader = r.Body
	var err error
	if r.Header.Get("Content-Encoding") == "gzip" {
		if from, err = gzip.NewReader(r.Body); err != nil {
			from = strings.NewReader("")
		}
		r.Header.Del("Content-Encoding")
	}
	body, readErr := io.ReadAll(io.LimitReader(from, limit+1))
	err = cmp.Or(err, readErr, r.Body.Close())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, err
}

// rootOf returns the name of the root element, "" if the body is no XML.
func rootOf(body []byte) string {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil }
	for {
		switch token, err := decoder.RawToken(); t := token.(type) {
		case xml.StartElement:
			return t.Name.Local
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return ""
			}
		default:
			if err != nil {
				return ""
			}
		}
	}
}

const emptyBody = "an empty body"

// firstOf names what a body is: its root element, or how it begins.
func firstOf(root string, body []byte) string {
	if root != "" {
		return "<" + root + ">"
	}
	text := strings.TrimSpace(string(body))
	if strings.HasPrefix(text, "<?xml") {
		_, text, _ = strings.Cut(text, "?>")
	}
	if text == "" {
		return emptyBody
	}
	return fmt.Sprintf("%.40q", text)
}

// foreign returns what is foreign in the answer that err is about, nil if it is
// an answer of S3's kind or none.
func foreign(err error) *foreignAnswer {
	var found *foreignAnswer
	errors.As(err, &found)
	return found
}

// foreignAgain: what was a store before will be one again.
func foreignAgain(err error) aws.Ternary {
	if foreign(err) != nil {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}
