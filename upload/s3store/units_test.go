package s3store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
)

func TestPartSize(t *testing.T) {
	const limit = 10_000 * defaultPart
	for _, c := range []struct{ maxSize, wanted, want int64 }{
		{0, 0, 8 * mib},
		{1, 0, 8 * mib},
		{limit, 0, 8 * mib},
		{limit + 1, 0, 9 * mib},
		{9 * mib * 10_000, 0, 9 * mib},
		{9*mib*10_000 + 1, 0, 10 * mib},
		{1 << 40, 0, 105 * mib},
		{maxPart * maxParts, 0, maxPart},
		{1, 5 * mib, 5 * mib},
		{limit, 16 * mib, 16 * mib},
		{limit + 1, 5 * mib, 9 * mib},
	} {
		got, err := partSize(c.maxSize, c.wanted)
		if err != nil || got != c.want {
			t.Errorf("partSize(%d, %d) = %d, %v, want %d", c.maxSize, c.wanted, got, err, c.want)
		}
		if c.maxSize > got*maxParts {
			t.Errorf("partSize(%d, %d) = %d: more than 10,000 parts", c.maxSize, c.wanted, got)
		}
	}
	for _, bad := range [][2]int64{{maxPart*maxParts + 1, 0}, {1, minPart - 1}, {1, -1}, {1, maxPart + 1}} {
		if got, err := partSize(bad[0], bad[1]); err == nil {
			t.Errorf("partSize(%d, %d) = %d, want an error", bad[0], bad[1], got)
		}
	}
}

func TestPartsHeldBoundsMemory(t *testing.T) {
	for size := int64(minPart); size <= spoolOver; size += mib {
		for _, concurrency := range []int{1, 4, 1000} {
			held := partsAtOnce(size, concurrency)
			if held < 2 || held > concurrency+1 || int64(held)*size > maxMemory {
				t.Errorf("%d parts of %d bytes with concurrency %d", held, size, concurrency)
			}
		}
	}
	if held := partsAtOnce(spoolOver+mib, 4); held != 5 {
		t.Errorf("%d spooled parts, want 5", held)
	}
}

func TestOutage(t *testing.T) {
	begin := time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	o := &outage{limit: time.Minute, patience: 30 * time.Second}
	o.begin(at(0))
	o.observe(true, at(0), at(0))
	o.observe(true, at(59), at(59))
	if o.tooLong(at(59)) || !o.tooLong(at(60)) {
		t.Error("an outage must end after the limit, not before")
	}
	o.observe(false, at(60), at(60))
	if o.tooLong(at(1000)) {
		t.Error("a good answer must end the outage")
	}
	o.observe(true, at(1000), at(1000))
	o.end()
	o.begin(at(1059)) // soon after: the same outage
	o.observe(true, at(1060), at(1060))
	if !o.tooLong(at(1060)) {
		t.Error("the next operation must not wait as long again")
	}
	o.end()
	o.begin(at(5000)) // much later
	o.observe(true, at(5000), at(5000))
	if o.tooLong(at(5001)) {
		t.Error("an old outage must not count against a new operation")
	}
}

// The end of an outage is a record of its own: how long it lasted, and what failed.
func TestOutageEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRetryer(&outage{limit: time.Minute, patience: 30 * time.Second}, slog.New(slog.NewTextHandler(&log, nil))).(*retryer)
		attempt := func(failure error) {
			ended, err := r.GetAttemptToken(t.Context())
			if err = errors.Join(err, ended(failure)); err != nil {
				t.Error(err)
			}
		}
		failure := &smithy.GenericAPIError{Code: "ServiceUnavailable"}
		attempt(failure)
		if _, err := r.RetryDelay(1, failure); err != nil {
			t.Error(err)
		}
		time.Sleep(40 * time.Second)
		attempt(nil)
		attempt(nil)
		const want = `level=INFO msg="the store answers again" outage=40s cause="the store failed (ServiceUnavailable)"`
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("no %s in\n%s", want, &log)
		}
	})
}

// A long upload that is broken off was at work, and is tried again; one that
// waited for a silent store all the time was not.
func TestOutageAndLongAttempts(t *testing.T) {
	begin := time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	for _, test := range []struct {
		began, ended, good int
		tooLongAt          int
	}{
		{began: 0, ended: 300, tooLongAt: 360},            // broken off after five minutes of work
		{began: 0, ended: 30, tooLongAt: 60},              // silence
		{began: 0, ended: 25, good: 20, tooLongAt: 80},    // another part was answered meanwhile
		{began: 0, ended: 300, good: 299, tooLongAt: 360}, // both
	} {
		o := &outage{limit: time.Minute, patience: 30 * time.Second}
		if test.good > 0 {
			o.observe(false, at(test.good-1), at(test.good))
		}
		o.observe(true, at(test.began), at(test.ended))
		if o.tooLong(at(test.tooLongAt-1)) || !o.tooLong(at(test.tooLongAt)) {
			t.Errorf("%+v: outage since %v", test, o.since.Sub(begin))
		}
	}
}

func TestServerSideEncryptionCheck(t *testing.T) {
	key := make([]byte, 32)
	for _, good := range []bucket.ServerSideEncryption{{}, {Algorithm: "AES256"}, {Algorithm: "aws:kms"}, {Algorithm: "aws:kms", KMSKeyID: "k"}, {CustomerKey: key}} {
		if err := checkEncryption(good); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for _, bad := range []bucket.ServerSideEncryption{
		{Algorithm: "rot13"}, {KMSKeyID: "k"}, {Algorithm: "AES256", KMSKeyID: "k"},
		{CustomerKey: key[:31]}, {CustomerKey: key, Algorithm: "AES256"},
	} {
		if err := checkEncryption(bad); err == nil {
			t.Errorf("%+v is no error", bad)
		}
	}
}

func TestTagging(t *testing.T) {
	if got := tagging(nil); got != nil {
		t.Errorf("no tags: header %q", *got)
	}
	if got := *tagging(bucket.Tags{"b": "x y+z", "a": "1&2=3"}); got != "a=1%262%3D3&b=x%20y%2Bz" {
		t.Errorf("header %q", got)
	}
}

func TestSpooledPart(t *testing.T) {
	dir := t.TempDir()
	p, err := newPart(spoolOver+mib, 0, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for _, data := range [][]byte{buckettest.Content(3000), buckettest.Content(10)} {
		p.reset()
		for piece := range slices.Chunk(data, 1000) {
			if _, err := p.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		got := make([]byte, len(data)+1)
		if n, _ := p.reader().Read(got); n != len(data) || !slices.Equal(got[:n], data) {
			t.Errorf("read %d bytes of %d, or others", n, len(data))
		}
	}
	buckettest.SameNames(t, buckettest.DirNames(t, dir), nil)
}

// A failure that is tried again is described in few words, and with the host alone.
func TestTrouble(t *testing.T) {
	at := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://store.example:9000/bucket?prefix=app", Err: err}
	}
	for want, err := range map[string]error{
		"cannot reach store.example:9000 (connection refused)":                  at(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}),
		"cannot reach store.example:9000 (no such host)":                        at(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "store.example", Server: "127.0.0.1:53"}}),
		"the connection to store.example:9000 broke (connection reset by peer)": at(&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}),
		"the connection to store.example:9000 broke (EOF)":                      at(io.EOF),
		"the store failed (SlowDown)":                                           &smithy.GenericAPIError{Code: "SlowDown", Message: "Please reduce your request rate."},
	} {
		if got := trouble(fmt.Errorf("operation error S3: %w", err)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Requests are logged without what is secret in them.
func TestRequestsAreLogged(t *testing.T) {
	var text strings.Builder
	client := logRequests(doer(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, ContentLength: 12}, nil
	}), slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})))
	request := httptest.NewRequest("GET", "https://store.example/bucket?prefix=app%2F&X-Amz-Signature=hush", nil)
	request.Header.Set("Authorization", "hush")
	if _, err := client.Do(request); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"method=GET", "host=store.example", "key=/bucket", "prefix=app/", "status=200", "received=12", "ms=0"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%s is missing in %s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "hush") {
		t.Errorf("a secret is in %s", text.String())
	}
}
