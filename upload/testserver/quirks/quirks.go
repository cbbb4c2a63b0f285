package quirks

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// OKToEverything answers 200 OK with OK, as a captive portal or a parked
// domain does.
func OKToEverything() Quirk { return AnswerWith(http.StatusOK, "OK") }

// AnswerWith answers every request by itself.
func AnswerWith(status int, body string) Quirk {
	return func(_ *Store, r *http.Request) (*http.Response, error) { return Answer(r, status, body) }
}

// Refuse answers every request with an error in S3's form.
func Refuse(code string, status int) Quirk {
	return AnswerWith(status, fmt.Sprintf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>refused by a quirk</Message></Error>", code))
}

// RefuseTags refuses what has to do with object tags, also in the headers of an
// upload.
func RefuseTags(code string, status int) Quirk {
	return When(func(r *http.Request) bool {
		return r.Header.Get("X-Amz-Tagging") != "" || r.URL.Query().Has("tagging")
	}, Refuse(code, status))
}

// RedirectTo redirects every request to another host, such as http://host:port,
// so that method and body are sent there again (307).
func RedirectTo(host string) Quirk {
	return func(_ *Store, r *http.Request) (*http.Response, error) {
		response, err := Answer(r, http.StatusTemporaryRedirect, "")
		if err == nil {
			response.Header.Set("Location", host+r.URL.RequestURI())
		}
		return response, err
	}
}

// RewriteAcceptEncoding changes Accept-Encoding as Google's and Cloudflare's
// front ends do. A request whose signature covers it does not fit any more.
func RewriteAcceptEncoding() Quirk {
	return func(store *Store, r *http.Request) (*http.Response, error) {
		r.Header.Set("Accept-Encoding", "gzip,gfe")
		return store.Do(r)
	}
}

// DropAnswer lets the store do the work and cuts the connection.
func DropAnswer() Quirk {
	return func(store *Store, r *http.Request) (*http.Response, error) {
		response, err := store.Do(r)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, response.Body)
		return nil, errors.Join(errors.New("the answer is dropped"), err, response.Body.Close())
	}
}

// DropRequest cuts the connection before the store knows of the request.
func DropRequest() Quirk {
	return func(*Store, *http.Request) (*http.Response, error) { return nil, errors.New("the request is dropped") }
}

// ClockAhead says in the answers that the store's clock is ahead.
func ClockAhead(by time.Duration) Quirk {
	return alterHeader(func(h http.Header) { h.Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat)) })
}

// WithoutHeader leaves a header out of every answer.
func WithoutHeader(name string) Quirk {
	return alterHeader(func(h http.Header) { h.Del(name) })
}

func alterHeader(alter func(http.Header)) Quirk {
	return func(store *Store, r *http.Request) (*http.Response, error) {
		response, err := store.Do(r)
		if err == nil {
			alter(response.Header)
		}
		return response, err
	}
}

// ReplaceInAnswers replaces what the expression matches in the bodies of good
// answers, as regexp's ReplaceAllString does. Use it with On: it reads a body
// whole.
func ReplaceInAnswers(expression, replacement string) Quirk {
	compiled := regexp.MustCompile(expression)
	return alterGood(func(body string) string { return compiled.ReplaceAllString(body, replacement) })
}

// alterGood alters the bodies of good answers.
func alterGood(alter func(string) string) Quirk {
	return func(store *Store, r *http.Request) (*http.Response, error) {
		response, err := store.Do(r)
		if err != nil || response.StatusCode/100 != 2 {
			return response, err
		}
		return AlterBody(response, alter)
	}
}

// EmptyETagAtComplete answers CompleteMultipartUpload with an empty ETag, as
// Ceph does.
func EmptyETagAtComplete() Quirk {
	return On(ReplaceInAnswers(`<ETag>[^<]*</ETag>`, "<ETag></ETag>"), "CompleteMultipartUpload")
}

// LoseTagsAtComplete forgets the tags that CreateMultipartUpload gives, as Ceph
// does: the object that becomes of the upload has none.
func LoseTagsAtComplete() Quirk {
	return On(func(store *Store, r *http.Request) (*http.Response, error) {
		r.Header.Del("X-Amz-Tagging")
		if err := store.Sign(r); err != nil {
			return nil, err
		}
		return store.Do(r)
	}, "CreateMultipartUpload")
}

// WeakETags makes all ETags weak, in headers and in listings, as a proxy that
// compresses does, and takes them in that form.
func WeakETags() Quirk {
	return func(store *Store, r *http.Request) (*http.Response, error) {
		if err := strengthen(store, r); err != nil {
			return nil, err
		}
		response, err := store.Do(r)
		if err != nil {
			return nil, err
		}
		if etag := response.Header.Get("Etag"); strings.HasPrefix(etag, `"`) {
			response.Header.Set("Etag", "W/"+etag)
		}
		if response.StatusCode/100 != 2 || Operation(r) == "GetObject" || Operation(r) == "HeadObject" {
			return response, nil
		}
		return AlterBody(response, func(body string) string {
			return strongETag.ReplaceAllString(body, "<ETag>W/&#34;$1&#34;</ETag>")
		})
	}
}

var (
	strongETag = regexp.MustCompile(`<ETag>(?:&#34;|&quot;|")([^<&"]*)(?:&#34;|&quot;|")</ETag>`)
	weakETag   = regexp.MustCompile(`<ETag>W/(?:&#34;|&quot;|")([^<&"]*)(?:&#34;|&quot;|")</ETag>`)
)

// strengthen makes the weak ETags of a request strong again. One that is
// neither weak nor strong stays, and the store refuses it.
func strengthen(store *Store, r *http.Request) error {
	if etag, weak := strings.CutPrefix(r.Header.Get("If-Match"), "W/"); weak {
		r.Header.Set("If-Match", etag)
		return store.Sign(r)
	}
	if Operation(r) != "CompleteMultipartUpload" {
		return nil
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	return store.SetBody(r, weakETag.ReplaceAll(data, []byte(`<ETag>&#34;$1&#34;</ETag>`)))
}
