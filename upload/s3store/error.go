package s3store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A storeError is what more is known of a *reason.Error about a store: its text is
// in plain words, without the noise of its cause.
type storeError struct {
	error
	brief   string // the text without what was tried on what, "" if it is not known apart
	action  string // the IAM action that was denied, "" if that is not the reason
	setting string // what bucket.Setting returns
}

func (e *storeError) Unwrap() error { return e.error }

// MissingAction is for bucket.MissingAction.
func (e *storeError) MissingAction() string { return e.action }

// Setting is for bucket.Setting.
func (e *storeError) Setting() string { return e.setting }

// Region is for bucket.Region.
func (e *storeError) Region() string { return regionOf(e.error) }

// Code is for bucket.Code.
func (e *storeError) Code() string {
	code, _ := codeOf(e.error)
	return code
}

// describe puts an error of the SDK into plain words.
func describe(ctx context.Context, f failure, err error) error {
	prefix := f.operation + " " + f.where + ": "
	if ctx.Err() != nil {
		return fmt.Errorf("%s%w", prefix, context.Cause(ctx))
	}
	var described *reason.Error
	if errors.As(err, &described) {
		return err
	}
	text, kind := classify(f, err)
	_, setting := misconfigured(f, err)
	return &storeError{reason.Errorf(kind, err, "%s%s", prefix, text), text, f.missing(err), setting}
}

func classify(f failure, err error) (text string, kind error) {
	code, message := codeOf(err)
	status := statusOf(err)
	_, changed := altered[code]
	wrong, _ := misconfigured(f, err)
	switch {
	case wrong != "":
		return wrong, bucket.ErrRefused
	case code == "" && isGarbled(err):
		return "what came is not an answer of S3's kind: it was altered on the way, or the endpoint is something else (" + innermost(err).Error() + ")", bucket.ErrUnreachable
	case changed:
		return "what the store gets is altered on the way (" + code + ")", bucket.ErrUnreachable
	case code == "" && status == 0:
		return classifyLocal(err)
	case isElsewhere(code, status):
		return elsewhere(code, err), bucket.ErrRefused
	case overQuota(code, message, status):
		return "the quota is used up, or the storage cap reached (" + answerText(code, message, status) + ")", bucket.ErrQuota
	case isFull(code, status):
		return "the store is full (" + answerText(code, message, status) + ")", bucket.ErrQuota
	case refusals[code] != "":
		return refusals[code], bucket.ErrRefused
	case code == "NoSuchKey", code == "NoSuchVersion", code == "NotFound", code == "NoSuchUpload":
		return "no such object", bucket.ErrNotFound
	case code == "MethodNotAllowed" && (f.operation == "read" || strings.HasPrefix(f.operation, "get") && strings.Contains(f.where, " version ")):
		return "it was deleted (a delete marker)", bucket.ErrNotFound
	case withoutTags(f, code, message, status):
		return "the store has no object tags (" + answerText(code, message, status) + ")", bucket.ErrNoTags
	case isDenied(code, status):
		return "access denied; the credentials need " + f.action + " (" + answerText(code, message, status) + ")", bucket.ErrRefused
	case status == http.StatusNotFound:
		return "no such object (" + answerText(code, message, status) + ")", bucket.ErrNotFound
	case retryable(err) || (status >= 500 && status != http.StatusNotImplemented):
		return "the store keeps failing: " + answerText(code, message, status), bucket.ErrUnreachable
	}
	return "the store refused: " + answerText(code, message, status), bucket.ErrRefused
}

// isPrecondition: the store kept the condition of a request.
func isPrecondition(err error) bool {
	code, _ := codeOf(err)
	return code == "PreconditionFailed" || statusOf(err) == http.StatusPreconditionFailed
}

// withoutTags reports whether the store rejected tags as such: it names them, as
// R2 and B2 do, or it rejected a call that is about nothing else.
func withoutTags(f failure, code, message string, status int) bool {
	if mentionsTags(message) && code != "InvalidTag" && (rejects(code, status) || status == http.StatusBadRequest) {
		return true
	}
	switch {
	case strings.HasPrefix(f.operation, "get tags"):
		return rejects(code, status)
	case strings.HasPrefix(f.operation, "set tags"): // what is set may be wrong
		return rejects(code, status) && status != http.StatusBadRequest
	}
	return false
}

// rejects: with these answers stores reject what they do not know, and what is
// wrong with a request.
func rejects(code string, status int) bool {
	switch code {
	case "NotImplemented", "InvalidArgument", "InvalidRequest", "MethodNotAllowed":
		return true
	}
	return status == http.StatusNotImplemented || status == http.StatusMethodNotAllowed
}

// mayLackTags reports whether a store that gave this answer to a request with
// tags may have none: its answer names tags, or it rejects the request without a
// reason. Then the same request without tags shows it.
func mayLackTags(err error) bool {
	code, _ := codeOf(err)
	return errors.Is(err, bucket.ErrNoTags) || rejects(code, statusOf(err))
}

// lacksConditions reports whether a store answered that it does not know
// If-None-Match.
func lacksConditions(err error) bool {
	code, message := codeOf(err)
	lower := strings.ToLower(message)
	if strings.Contains(lower, "if-none-match") || strings.Contains(lower, "conditional") {
		return rejects(code, statusOf(err))
	}
	return (code == "NotImplemented" || statusOf(err) == http.StatusNotImplemented) && !mentionsTags(message)
}

func mentionsTags(message string) bool {
	return strings.Contains(strings.ToLower(message), "tagging")
}

// classifyLocal is for errors without an answer of the store.
func classifyLocal(err error) (text string, kind error) {
	var unknownHost *net.DNSError
	switch {
	case strings.Contains(err.Error(), "get identity"):
		return "no AWS credentials: " + innermost(err).Error(), bucket.ErrRefused
	case isUnsendable(err):
		return "a key or token has a line break or another character that cannot be sent: " + networkText(err), bucket.ErrRefused
	case errors.As(err, &unknownHost):
		return "the store is unreachable: " + unknownHost.Error(), bucket.ErrUnreachable
	case retryable(err):
		return "the store is unreachable: " + networkText(err), bucket.ErrUnreachable
	}
	return networkText(err), nil
}

// networkText returns the text of a network error without the SDK's and without
// the request's URL, which repeats the key.
func networkText(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err.Error()
	}
	var operation *net.OpError
	if errors.As(err, &operation) {
		return operation.Error()
	}
	return innermost(err).Error()
}

// sameCode reports whether a store gave the same code, which it did give, in both
// errors.
func sameCode(a, b error) bool {
	first, _ := codeOf(a)
	second, _ := codeOf(b)
	return first != "" && first == second
}

func answerText(code, message string, status int) string {
	message = strings.TrimRight(strings.TrimSpace(message), ".")
	switch {
	case code == "":
		return strings.TrimSpace(fmt.Sprintf("HTTP status %d %s", status, http.StatusText(status)))
	case message == "" || message == code:
		return code
	}
	return code + ": " + message
}
