package rules

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

const minimumSize = "x-amz-transition-default-minimum-object-size"

// A forgetful store keeps a lifecycle configuration with AWS's header, which
// no store at hand has, and may forget what was written.
type forgetful struct {
	document, size string
	had            string // the document before the last write
	forget         func(document, size string) (string, string)
	asked          func() // called before an answer to a question for the rules
	fails          int
}

func (f *forgetful) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.fails != 0 {
		http.Error(w, "<Error><Code>Some</Code><Message>text</Message></Error>", f.fails)
		return
	}
	if r.Method == http.MethodPut {
		body, err := io.ReadAll(r.Body)
		if err != nil { // a write that was given up is none
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		f.had, f.document, f.size = f.document, string(body), r.Header.Get(minimumSize)
		if f.forget != nil {
			f.document, f.size = f.forget(f.document, f.size)
		}
		return
	}
	if f.asked != nil {
		f.asked()
	}
	w.Header().Set(minimumSize, f.size)
	io.WriteString(w, f.document)
}

func (f *forgetful) bucket(t *testing.T) bucket.Bucket {
	t.Helper()
	rules, _ := merge(foreign(), "app", rulesFor("app", lifecycle.DefaultPolicy(), DefaultNoncurrent))
	document, err := Render(wrap(rules), "xml")
	if err != nil {
		t.Fatal(err)
	}
	f.document, f.size = document, "varies_by_storage_class"
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return lifecycletest.Open(t, &testserver.Server{Endpoint: server.URL, AccessKey: "key", SecretKey: "secret"}, "bucket")
}

func TestWriteCarriesTheMinimumSize(t *testing.T) {
	var f forgetful
	b := f.bucket(t)
	before := f.document
	if n, err := OfSeries(b).Freeze(t.Context(), lifecycle.Options{Settle: settle}); n != 6 || err != nil {
		t.Fatalf("froze %d: %v", n, err)
	}
	if f.size != "varies_by_storage_class" {
		t.Errorf("the minimum size for transitions is %q now", f.size)
	}
	if n, err := OfSeries(b).Thaw(t.Context(), lifecycle.Options{Settle: settle}); n != 6 || err != nil {
		t.Fatalf("thawed %d: %v", n, err)
	}
	if got := rulesOf(t, f.document); !sameRules(got, rulesOf(t, before)) {
		t.Errorf("thawed: %s", canonical(got...))
	}
}

func TestFreezeRefuses(t *testing.T) {
	// What would be lost: the refusal carries the rules as they should become.
	var f forgetful
	b := f.bucket(t)
	f.document = strings.Replace(f.document, "</Rule>", "<DelMarkerExpiration><Days>3</Days></DelMarkerExpiration></Rule>", 1)
	enabled := f.document
	for _, set := range []struct {
		to      func(Set, context.Context, lifecycle.Options) (int, error)
		enabled bool
		before  string
	}{
		{Set.Freeze, false, enabled},
		{Set.Thaw, true, strings.ReplaceAll(enabled, "Enabled", "Disabled")},
	} {
		f.document = set.before
		var lost *LostError
		if n, err := set.to(OfSeries(b), t.Context(), lifecycle.Options{Settle: settle}); n != 0 || !errors.As(err, &lost) || len(lost.Rules) != 6 || f.document != set.before {
			t.Fatalf("to enabled %v: %d, %v", set.enabled, n, err)
		}
		for _, r := range lost.Rules {
			if r.Enabled() != set.enabled {
				t.Errorf("%s: enabled %v, want %v", r.ID(), r.Enabled(), set.enabled)
			}
		}
	}

	// No rules of the series, but others: that is not "all are already".
	text, err := Render(wrap(foreign()), "xml")
	if err != nil {
		t.Fatal(err)
	}
	f.document = text
	if n, err := OfSeries(b).Freeze(t.Context(), lifecycle.Options{Settle: settle}); n != 0 || !errors.Is(err, ErrNoRules) {
		t.Errorf("froze %d: %v", n, err)
	}
	if n, err := OfSeries(b).Thaw(t.Context(), lifecycle.Options{Settle: settle}); n != 0 || !errors.Is(err, ErrNoRules) || f.document != text {
		t.Errorf("thawed %d: %v", n, err)
	}
}

func TestWriteIsChecked(t *testing.T) {
	for what, forget := range map[string]func(document, size string) (string, string){
		"another's rule is dropped": func(document, size string) (string, string) {
			start := strings.Index(document, "<Rule>")
			end := strings.Index(document, "</Rule>") + len("</Rule>")
			return document[:start] + document[end:], size
		},
		"another's rule is changed": func(document, size string) (string, string) {
			return strings.Replace(document, "<Days>7</Days>", "<Days>1</Days>", 1), size
		},
		"ours is changed": func(document, size string) (string, string) {
			return strings.Replace(document, "<Days>14</Days>", "<Days>1</Days>", 1), size
		},
		"the size is forgotten": func(document, size string) (string, string) {
			return document, "all_storage_classes_128K"
		},
	} {
		f := forgetful{forget: forget}
		if _, err := OfSeries(f.bucket(t)).Freeze(t.Context(), lifecycle.Options{Settle: busy}); !errors.Is(err, ErrChangedMeanwhile) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestReadSaysWhatIsWrong(t *testing.T) {
	for status, want := range map[int]string{403: "s3:GetLifecycleConfiguration", 501: "no lifecycle rules"} {
		f := forgetful{fails: status}
		_, err := OfSeries(f.bucket(t)).Read(t.Context())
		if !errors.Is(err, bucket.ErrRefused) || errors.Is(err, bucket.ErrNoLifecycle) != (status == 501) || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// A directory has no rules, and each function that needs them returns that.
func TestDirectoryHasNoRules(t *testing.T) {
	b, err := upload.Open(t.Context(), "file://"+t.TempDir(), upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	object := lifecycletest.Put(t, b, time.Now(), series.Held(series.Daily), "x")
	for name, call := range map[string]func() error{
		"read": func() error { _, err := OfSeries(b).Read(t.Context()); return err },
		"propose": func() error {
			_, err := OfSeries(b).Propose(t.Context(), lifecycle.Options{Terms: lifecycle.Terms{Policy: lifecycle.DefaultPolicy()}}, lifecycle.None)
			return err
		},
		"apply": func() error {
			_, err := (&Proposal{set: OfSeries(b), Changes: []string{"x"}}).Apply(t.Context())
			return err
		},
		"freeze":     func() error { _, err := OfSeries(b).Freeze(t.Context(), lifecycle.Options{Settle: settle}); return err },
		"thaw":       func() error { _, err := OfSeries(b).Thaw(t.Context(), lifecycle.Options{Settle: settle}); return err },
		"expiration": func() error { _, _, err := Expiration(t.Context(), b, object); return err },
	} {
		if err := call(); !errors.Is(err, bucket.ErrNoLifecycle) || !strings.Contains(err.Error(), b.URL().String()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if beside, known := bucket.TagsBeside(b); !beside || !known {
		t.Error("a directory has its tags beside the snapshots")
	}
}

// A bucket that is wrapped has its rules all the same.
func TestWrappedBucketHasRules(t *testing.T) {
	var f forgetful
	b := lifecycletest.Timed{Bucket: f.bucket(t), Now: time.Now()}
	if n, err := OfSeries(b).Freeze(t.Context(), lifecycle.Options{Settle: settle}); n != 6 || err != nil {
		t.Errorf("froze %d: %v", n, err)
	}
	if has, err := OfSeries(b).Read(t.Context()); err != nil || !has.Frozen() {
		t.Errorf("frozen %v: %v", has.Frozen(), err)
	}
	if beside, _ := bucket.TagsBeside(b); beside {
		t.Error("a store has its tags beside the snapshots")
	}
}

// A time to settle below 0 is an error before anything is written.
func TestSettleBelowZero(t *testing.T) {
	f := &forgetful{}
	rules := f.bucket(t)
	before := f.document
	if _, err := OfSeries(rules).Freeze(t.Context(), lifecycle.Options{Settle: -1}); err == nil || f.document != before {
		t.Errorf("freeze settles in less than no time: %v", err)
	}
}
