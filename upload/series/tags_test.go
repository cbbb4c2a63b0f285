package series

import (
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

func TestEncodeTag(t *testing.T) {
	for in, want := range map[string]string{
		"":             "",
		"app.db":       "app.db",
		"a+b-c._:/@9Z": "a+b-c._:/@9Z",
		"my app.db":    "my=20app.db",
		"a=b%c":        "a=3Db=25c",
		"é":            "=C3=A9",
		"\xff\x00":     "=FF=00",
	} {
		got, err := EncodeTag(in)
		if err != nil || got != want {
			t.Errorf("EncodeTag(%q) = %q, %v, want %q", in, got, err, want)
		}
		if back, err := DecodeTag(got); err != nil || back != in {
			t.Errorf("DecodeTag(%q) = %q, %v, want %q", got, back, err, in)
		}
	}
	if longest := strings.Repeat("a", 256); !IsTag(longest) {
		t.Errorf("256 characters are no tag")
	}
	for _, long := range []string{strings.Repeat("a", 257), strings.Repeat("é", 43)} {
		if got, err := EncodeTag(long); err == nil {
			t.Errorf("%d bytes were encoded as %d characters", len(long), len(got))
		}
		if IsTag(long) {
			t.Errorf("%q is a tag", long)
		}
	}
	for _, bad := range []string{"=", "=2", "=2g", "=c3=a9", "=41", "a b", "é", "=+1", "a=2"} {
		if got, err := DecodeTag(bad); err == nil {
			t.Errorf("DecodeTag(%q) = %q, want an error", bad, got)
		}
		if IsTag(bad) {
			t.Errorf("%q is a tag", bad)
		}
	}
}

func TestStamp(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for is, want := range map[string]string{
		"":                     "2026-11-29T12:00:00Z",
		"rubbish":              "2026-11-29T12:00:00Z",
		"2026-11-29T11:00:00Z": "2026-11-29T12:00:00Z",
		"2026-11-29T12:00:02Z": "2026-11-29T12:00:02Z",
		"2027-11-29T12:00:00Z": "2026-11-29T12:00:00Z",
	} {
		tags := bucket.Tags{TagConfirmed: is}
		if Stamp(tags, TagConfirmed, now); tags[TagConfirmed] != want {
			t.Errorf("%q became %q, want %q", is, tags[TagConfirmed], want)
		}
	}
}
