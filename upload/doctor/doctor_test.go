package doctor_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/doctor"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
)

const prefix = "some where/app"

// behind returns an empty bucket in a store behind quirks.
func behind(t *testing.T, server *testserver.Server, o bucket.Options, list ...quirks.Quirk) bucket.Bucket {
	t.Helper()
	quirks.Start(t, server, list...).Setenv(t)
	if o.RetryFor == 0 {
		o.RetryFor = 20 * time.Second
	}
	return open(t, bucket.URL{Bucket: server.Bucket(t), Prefix: prefix}, o)
}

func open(t *testing.T, u bucket.URL, o bucket.Options) bucket.Bucket {
	t.Helper()
	b, err := upload.OpenURL(t.Context(), u, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// neverUsed reports whether there is no version of anything below the first
// part of the prefix.
func neverUsed(t *testing.T, server *testserver.Server, b bucket.Bucket) bool {
	t.Helper()
	server.Setenv(t)
	never, err := open(t, bucket.URL{Bucket: b.URL().Bucket, Prefix: "some where"}, bucket.Options{}).NeverUsed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return never
}

func answer(status int, code, message string) quirks.Quirk {
	return quirks.AnswerWith(status, "<Error><Code>"+code+"</Code><Message>"+message+"</Message></Error>")
}

// Stores that know no tags or no conditions, or forget them, and how listings
// are written.
func TestLesserStores(t *testing.T) {
	server := testserver.Start(t)
	forget := quirks.On(func(store *quirks.Store, r *http.Request) (*http.Response, error) {
		r.Header.Del("X-Amz-Tagging")
		if err := store.Sign(r); err != nil {
			return nil, err
		}
		return store.Do(r)
	}, "PutObject")
	const yes, no, refused = doctor.Yes, doctor.No, doctor.Refused
	for name, c := range map[string]struct {
		quirk  quirks.Quirk
		want   map[string]doctor.Answer
		backup bool
		rules  doctor.Answer
	}{
		"without tags": {
			quirks.When(func(r *http.Request) bool {
				return r.Header.Get("X-Amz-Tagging") != "" || r.URL.Query().Has("tagging")
			}, answer(http.StatusNotImplemented, "NotImplemented", "Header 'x-amz-tagging' with value not implemented")),
			map[string]doctor.Answer{"put": yes, "tags on put": no, "tags read": no, "tags later": no, "put if absent": yes, "multipart": yes, "delete": yes},
			true, no,
		},
		"without conditions": {
			quirks.When(func(r *http.Request) bool { return r.Header.Get("If-None-Match") != "" },
				answer(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented")),
			map[string]doctor.Answer{"put": yes, "put if absent": no, "multipart": yes, "multipart if absent": no, "tags on put": yes},
			true, doctor.NotTried,
		},
		"all about the bucket denied": {
			quirks.When(func(r *http.Request) bool {
				q := r.URL.Query()
				return q.Has("lifecycle") || q.Has("versions") || q.Has("object-lock") || q.Has("encryption")
			}, answer(http.StatusForbidden, "AccessDenied", "")),
			map[string]doctor.Answer{"lifecycle read": refused, "list versions": refused, "object lock": refused, "encryption": refused, "tags later": yes},
			true, doctor.NotTried,
		},
		// A store that refuses the header does not verify by it.
		"without checksums": {
			quirks.When(func(r *http.Request) bool { return r.Header.Get("X-Amz-Checksum-Crc32") != "" },
				answer(http.StatusBadRequest, "InvalidArgument", "x-amz-checksum-crc32 is not supported")),
			map[string]doctor.Answer{"checksums": no}, true, doctor.NotTried,
		},
		"tags lost in parts": {quirks.LoseTagsAtComplete(), map[string]doctor.Answer{"tags in parts": no}, true, doctor.NotTried},
		"tags forgotten":     {forget, map[string]doctor.Answer{"tags on put": no}, false, no},
		"slashes as %2F": {
			quirks.On(quirks.ReplaceInAnswers("/(whole|parts)</Key>", "%2F$1</Key>"), "ListObjectsV2"),
			map[string]doctor.Answer{"listing order": yes}, true, doctor.NotTried,
		},
		"nothing of a kind": {quirks.WithoutHeader("X-Nothing"), map[string]doctor.Answer{"tags in parts": yes, "checksums": yes}, true, doctor.NotTried},
	} {
		b := behind(t, server, bucket.Options{}, c.quirk)
		report, err := doctor.Examine(t.Context(), b)
		if err != nil || len(report.Left) > 0 || !neverUsed(t, server, b) {
			t.Errorf("%s: %v, left %q", name, err, report.Left)
		}
		for check, want := range c.want {
			if got := report.Of(check); got != want {
				t.Errorf("%s: %s: %s, want %s", name, check, got, want)
			}
		}
		if report.CanBackup() != c.backup || !report.CanRestore() || report.Rules() != c.rules {
			t.Errorf("%s: backup %v, restore %v, rules %s", name, report.CanBackup(), report.CanRestore(), report.Rules())
		}
	}
}

// A store that goes away during the examination has not answered with no.
func TestBrokenOff(t *testing.T) {
	server := testserver.Start(t)
	for check, gone := range map[string]func(*http.Request) bool{
		"get":        func(r *http.Request) bool { return r.Header.Get("If-Match") == `"another"` },
		"versioning": func(r *http.Request) bool { return r.URL.Query().Has("versioning") },
	} {
		b := behind(t, server, bucket.Options{RetryFor: time.Millisecond}, quirks.When(gone, quirks.DropRequest()))
		report, err := doctor.Examine(t.Context(), b)
		if !errors.Is(err, bucket.ErrUnreachable) || report.Of(check) != doctor.NotTried || report.Of("delete") != doctor.NotTried || len(report.Left) > 0 {
			t.Errorf("%s: %s, delete %s, left %q, %v", check, report.Of(check), report.Of("delete"), report.Left, err)
		}
		if !neverUsed(t, server, b) {
			t.Errorf("%s: something is left", check)
		}
	}
}

// What an examination had to leave behind is named, and no use of the prefix.
func TestNothingMayBeDeleted(t *testing.T) {
	server := testserver.Start(t)
	b := behind(t, server, bucket.Options{}, quirks.When(func(r *http.Request) bool { return r.Method == http.MethodDelete },
		answer(http.StatusForbidden, "AccessDenied", "")))
	report, err := doctor.Examine(t.Context(), b)
	if err != nil || report.Of("delete") != doctor.Refused || report.Of("abort") != doctor.Refused || len(report.Left) == 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	folder, _, _ := strings.Cut(report.Left[slices.IndexFunc(report.Left, isName)], "/")
	found := 0
	for o, err := range open(t, bucket.URL{Bucket: b.URL().Bucket, Prefix: prefix + "/" + folder}, bucket.Options{}).List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		found++
		if !slices.Contains(report.Left, folder+"/"+o.Name) {
			t.Errorf("%s is left behind and not named in %q", o.Name, report.Left)
		}
	}
	if found != 2 {
		t.Errorf("%d objects are left, want 2", found)
	}
	if never, err := b.NeverUsed(t.Context()); err != nil || !never {
		t.Errorf("never used: %v, %v", never, err)
	}
	for o, err := range b.List(t.Context(), "") {
		t.Errorf("listed: %v, %v", o, err)
	}
}

// isName reports whether something that is left is an object and no upload.
func isName(left string) bool { return strings.HasPrefix(left, bucket.TrialPrefix) }

// A wrapper is looked through. A bucket that has no trial cannot be examined.
func TestWrapped(t *testing.T) {
	dir := t.TempDir()
	b := open(t, bucket.URL{Dir: dir}, bucket.Options{})
	report, err := doctor.Examine(t.Context(), wrapper{b})
	if err != nil || !report.CanBackup() || !report.CanRestore() || report.URL != b.URL() {
		t.Errorf("%+v, %v", report, err)
	}
	if never, err := b.NeverUsed(t.Context()); err != nil || !never {
		t.Errorf("something is left: %v, %v", never, err)
	}
	if report, err := doctor.Examine(t.Context(), opaque{b}); !errors.Is(err, errors.ErrUnsupported) || report.CanBackup() {
		t.Errorf("%+v, %v", report, err)
	}
}

type wrapper struct{ bucket.Bucket }

func (w wrapper) Unwrap() bucket.Bucket { return w.Bucket }

// opaque has what each bucket has, and nothing more.
type opaque struct{ bucket.Bucket }
