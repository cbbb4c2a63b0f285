package lifecycle

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

const minimumSize = "x-amz-transition-default-minimum-object-size"

// A forgetful store keeps a lifecycle configuration with AWS's header, which
// no store at hand has, and may forget what was written.
type forgetful struct {
	document, size string
	had            string // the document before the last write
	forget         func(document, size string) (string, string)
	fails          int
}

func (f *forgetful) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.fails != 0 {
		http.Error(w, "<Error><Code>Some</Code><Message>text</Message></Error>", f.fails)
		return
	}
	if r.Method == http.MethodPut {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
		f.had, f.document, f.size = f.document, string(body), r.Header.Get(minimumSize)
		if f.forget != nil {
			f.document, f.size = f.forget(f.document, f.size)
		}
		return
	}
	w.Header().Set(minimumSize, f.size)
	io.WriteString(w, f.document)
}

func (f *forgetful) bucket(t *testing.T) bucket.Bucket {
	t.Helper()
	rules, _ := merge(foreign(), "app", rulesFor("app", DefaultPolicy(), DefaultNoncurrent))
	document, err := Render(wrap(rules), "xml")
	if err != nil {
		t.Fatal(err)
	}
	f.document, f.size = document, "varies_by_storage_class"
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return open(t, &testserver.Server{Endpoint: server.URL, AccessKey: "key", SecretKey: "secret"}, "bucket")
}

func TestWriteCarriesTheMinimumSize(t *testing.T) {
	var f forgetful
	b := f.bucket(t)
	before := f.document
	if n, err := Freeze(t.Context(), b, settle); n != 6 || err != nil {
		t.Fatalf("froze %d: %v", n, err)
	}
	if f.size != "varies_by_storage_class" {
		t.Errorf("the minimum size for transitions is %q now", f.size)
	}
	if n, err := Thaw(t.Context(), b, settle); n != 6 || err != nil {
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
		to      func(context.Context, bucket.Bucket, time.Duration) (int, error)
		enabled bool
		before  string
	}{
		{Freeze, false, enabled},
		{Thaw, true, strings.ReplaceAll(enabled, "Enabled", "Disabled")},
	} {
		f.document = set.before
		var lost *LostError
		if n, err := set.to(t.Context(), b, settle); n != 0 || !errors.As(err, &lost) || len(lost.Rules) != 6 || f.document != set.before {
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
	if n, err := Freeze(t.Context(), b, settle); n != 0 || !errors.Is(err, ErrNoRules) {
		t.Errorf("froze %d: %v", n, err)
	}
	if n, err := Thaw(t.Context(), b, settle); n != 0 || !errors.Is(err, ErrNoRules) || f.document != text {
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
		if _, err := Freeze(t.Context(), f.bucket(t), settle); !errors.Is(err, ErrChangedMeanwhile) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestReadSaysWhatIsWrong(t *testing.T) {
	for status, want := range map[int]string{403: "s3:GetLifecycleConfiguration", 501: "no lifecycle rules"} {
		f := forgetful{fails: status}
		if _, err := Read(t.Context(), f.bucket(t)); !errors.Is(err, bucket.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", status, err)
		}
	}
}
