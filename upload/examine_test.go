package upload

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// A store that knows neither tags nor conditions, and one that refuses all
// that is asked of the bucket as a whole.
func TestExamineLesserStores(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	examine := func(refuse func(r *http.Request) bool, status int, code, text string) (*S3, Report) {
		b := openBucket(t, server, Options{intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
			if refuse(r) {
				return answers(r, status, code, text), nil
			}
			return next.Do(r)
		}).intercept})
		report, err := Examine(t.Context(), b)
		if err != nil || len(report.Left) > 0 {
			t.Fatalf("%v, left %q", err, report.Left)
		}
		return b, report
	}
	check := func(r Report, want map[string]Answer) {
		t.Helper()
		for name, answer := range want {
			if got := r.Of(name); got != answer {
				t.Errorf("%s: %s, want %s", name, got, answer)
			}
		}
		if !r.CanBackup() || !r.CanRestore() {
			t.Errorf("backup %v, restore %v, want both", r.CanBackup(), r.CanRestore())
		}
	}
	b, report := examine(func(r *http.Request) bool {
		return r.Header.Get("X-Amz-Tagging") != "" || r.URL.Query().Has("tagging")
	}, http.StatusNotImplemented, "NotImplemented", "Header 'x-amz-tagging' with value not implemented")
	check(report, map[string]Answer{"put": Yes, "tags on put": No, "tags read": No, "tags later": No, "put if absent": Yes, "multipart": Yes, "delete": Yes})
	if got := report.Rules(); got != No {
		t.Errorf("rules without tags: %s", got)
	}
	sameNames(t, keys(t, server.Client(t), b), nil)

	b, report = examine(func(r *http.Request) bool { return r.Header.Get("If-None-Match") != "" },
		http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented")
	check(report, map[string]Answer{"put": Yes, "put if absent": No, "multipart": Yes, "multipart if absent": No, "tags on put": Yes})
	sameNames(t, keys(t, server.Client(t), b), nil)

	_, report = examine(func(r *http.Request) bool {
		return r.URL.Query().Has("lifecycle") || r.URL.Query().Has("versions") || r.URL.Query().Has("object-lock") || r.URL.Query().Has("encryption")
	}, http.StatusForbidden, "AccessDenied", "")
	if got := report.Rules(); got != NotTried {
		t.Errorf("rules that may not be seen: %s", got)
	}
	check(report, map[string]Answer{"lifecycle read": Refused, "list versions": Refused, "object lock": Refused, "encryption": Refused, "tags later": Yes})
}

// A store that refuses the header does not verify by it.
func TestExamineWithoutChecksums(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	b := openBucket(t, server, Options{intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
		if r.Header.Get("X-Amz-Checksum-Crc32") != "" {
			return answers(r, http.StatusBadRequest, "InvalidArgument", "x-amz-checksum-crc32 is not supported"), nil
		}
		return next.Do(r)
	}).intercept})
	report, err := Examine(t.Context(), b)
	if err != nil || report.Of("checksums") != No || !report.CanBackup() || report.Rules() != NotTried {
		t.Errorf("%+v, %v", report, err)
	}
}

// A store that goes away during the examination has not answered with no.
func TestExamineBrokenOff(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	for check, gone := range map[string]func(*http.Request) bool{
		"get":        func(r *http.Request) bool { return r.Header.Get("If-Match") == `"another"` },
		"versioning": func(r *http.Request) bool { return r.URL.Query().Has("versioning") },
	} {
		b := openBucket(t, server, Options{RetryFor: time.Millisecond, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
			if gone(r) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
			}
			return next.Do(r)
		}).intercept})
		report, err := Examine(t.Context(), b)
		if !errors.Is(err, bucket.ErrUnreachable) || report.Of(check) != NotTried || report.Of("delete") != NotTried || len(report.Left) > 0 {
			t.Errorf("%s: %s, delete %s, left %q, %v", check, report.Of(check), report.Of("delete"), report.Left, err)
		}
	}
}

// What an examination had to leave behind is no use of the prefix.
func TestNeverUsedButExamined(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	b := openBucket(t, server, Options{intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
		if r.Method == http.MethodDelete {
			return answers(r, http.StatusForbidden, "AccessDenied", ""), nil
		}
		return next.Do(r)
	}).intercept})
	report, err := Examine(t.Context(), b)
	if err != nil || report.Of("delete") != Refused || report.Of("abort") != Refused {
		t.Fatalf("%+v, %v", report, err)
	}
	for _, name := range keys(t, server.Client(t), b) {
		if !strings.Contains(strings.Join(report.Left, "\n"), name) {
			t.Errorf("%s is left behind and not named in %q", name, report.Left)
		}
	}
	if never, err := b.NeverUsed(context.Background()); err != nil || !never {
		t.Errorf("never used: %v, %v", never, err)
	}
	if snapshots := list(t, b, ""); len(snapshots) > 0 {
		t.Errorf("listed: %v", snapshots)
	}
}
