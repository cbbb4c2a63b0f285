package quirks

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
)

// subresources are the operations that a query names, by method. What a query
// names beside them, such as partNumber, does not matter where one stands here.
var subresources = []struct{ query, method, operation string }{
	{"tagging", "GET", "GetObjectTagging"},
	{"tagging", "PUT", "PutObjectTagging"},
	{"tagging", "DELETE", "DeleteObjectTagging"},
	{"uploads", "GET", "ListMultipartUploads"},
	{"uploads", "POST", "CreateMultipartUpload"},
	{"uploadId", "PUT", "UploadPart"},
	{"uploadId", "POST", "CompleteMultipartUpload"},
	{"uploadId", "DELETE", "AbortMultipartUpload"},
	{"uploadId", "GET", "ListParts"},
	{"lifecycle", "GET", "GetBucketLifecycleConfiguration"},
	{"lifecycle", "PUT", "PutBucketLifecycleConfiguration"},
	{"lifecycle", "DELETE", "DeleteBucketLifecycle"},
	{"versioning", "GET", "GetBucketVersioning"},
	{"object-lock", "GET", "GetObjectLockConfiguration"},
	{"versions", "GET", "ListObjectVersions"},
	{"list-type", "GET", "ListObjectsV2"},
}

// Operation returns the name that S3's API has for a request in path style,
// such as PutObject, or method and query for one that is not listed.
func Operation(r *http.Request) string {
	query := r.URL.Query()
	for _, s := range subresources {
		if r.Method == s.method && query.Has(s.query) {
			return s.operation
		}
	}
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	object := map[string]string{"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}[r.Method]
	if key == "" || object == "" {
		return r.Method + " ?" + r.URL.RawQuery
	}
	return object
}

// On gives the quirk to requests of these operations only.
func On(quirk Quirk, operations ...string) Quirk {
	return When(func(r *http.Request) bool { return slices.Contains(operations, Operation(r)) }, quirk)
}

// When gives the quirk only to requests that match.
func When(match func(*http.Request) bool, quirk Quirk) Quirk {
	return func(store *Store, r *http.Request) (*http.Response, error) {
		if !match(r) {
			return store.Do(r)
		}
		return quirk(store, r)
	}
}

// First gives the quirk to the first n requests that come to it. Within On it
// counts that operation's: On(First(2, DropAnswer()), "PutObject").
func First(n int, quirk Quirk) Quirk { return counted(func(i int) bool { return i <= n }, quirk) }

// Nth gives the quirk to the nth request alone; the first one is 1.
func Nth(n int, quirk Quirk) Quirk { return counted(func(i int) bool { return i == n }, quirk) }

// After gives the quirk to all requests but the first n.
func After(n int, quirk Quirk) Quirk { return counted(func(i int) bool { return i > n }, quirk) }

func counted(is func(int) bool, quirk Quirk) Quirk {
	var come atomic.Int64
	return When(func(*http.Request) bool { return is(int(come.Add(1))) }, quirk)
}
