package moments

import (
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	// A clock that shows another day in UTC than in Berlin and in Tokyo.
	now := time.Date(2026, 11, 20, 23, 30, 0, 0, time.UTC)
	here := time.Local
	t.Cleanup(func() { time.Local = here })
	time.Local = time.FixedZone("", -5*3600)
	for text, want := range map[string]string{
		"2026-11-20 17:00":               "2026-11-20T17:00:00Z",
		"2026-11-20 17:00:30":            "2026-11-20T17:00:30Z",
		"2026-11-20T17:00":               "2026-11-20T17:00:00Z",
		"2026-11-20 9:05":                "2026-11-20T09:05:00Z",
		"2026-11-20T17:00:00Z":           "2026-11-20T17:00:00Z",
		"2026-11-20t17:00:00.25z":        "2026-11-20T17:00:00.25Z",
		"2026-11-20T18:00:00+01:00":      "2026-11-20T17:00:00Z",
		"2026-11-20 18:00+0100":          "2026-11-20T17:00:00Z",
		"2026-11-20 18:00 +01":           "2026-11-20T17:00:00Z",
		"2026-11-20 13:30 -0330":         "2026-11-20T17:00:00Z",
		"2026-11-20 18:00 CET":           "2026-11-20T17:00:00Z",
		"2026-11-20 18:00 cet":           "2026-11-20T17:00:00Z",
		"2026-07-20 18:00 CET":           "2026-07-20T16:00:00Z", // in summer the zone has another offset
		"2026-11-20 18:00 Europe/Berlin": "2026-11-20T17:00:00Z",
		"2026-11-20 17:00 UTC":           "2026-11-20T17:00:00Z",
		"2026-11-20 12:00 local":         "2026-11-20T17:00:00Z",
		"2026-11-20 17:00 Etc/GMT+1":     "2026-11-20T18:00:00Z",
		"17:00":                          "2026-11-20T17:00:00Z",
		"17:00:30":                       "2026-11-20T17:00:30Z",
		"0:10 Europe/Berlin":             "2026-11-20T23:10:00Z", // there it is the 21st
		"08:00 Asia/Tokyo":               "2026-11-20T23:00:00Z",
		"18:00+0100":                     "2026-11-21T17:00:00Z",
		" 17:00 ":                        "2026-11-20T17:00:00Z",
		"2026-11-20":                     "2026-11-20T23:59:59Z",
		"2026-11-20 CET":                 "2026-11-20T22:59:59Z",
		"2026-11-20 +05:30":              "2026-11-20T18:29:59Z",
		"2026-10-25 Europe/Berlin":       "2026-10-25T22:59:59Z", // a day of 25 hours
		"2026-12-31":                     "2026-12-31T23:59:59Z",
		"2028-02-29":                     "2028-02-29T23:59:59Z",
		"today":                          "2026-11-20T23:59:59Z",
		"Yesterday":                      "2026-11-19T23:59:59Z",
		"2h":                             "2026-11-20T21:30:00Z",
		"1h30m ago":                      "2026-11-20T22:00:00Z",
		"1w2d ago":                       "2026-11-11T23:30:00Z",
		"90s":                            "2026-11-20T23:28:30Z",
	} {
		got, err := Parse(text, now)
		if wanted, _ := time.Parse(time.RFC3339, want); err != nil || !got.Equal(wanted) {
			t.Errorf("%q: %v, %v, want %s", text, got.UTC(), err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, reason := range map[string]string{
		"": "is not a time", " ": "is not a time", "CET": "is not a time", "+01:00": "is not a time", "tomorrow": "is not a time", "ago": "is not a time", " ago": "is not a time", "2": "is not a time", "2h 3m": "is not a time", "2y ago": "is not a time", "3m2d": "is not a time", "-2h": "is not a time",
		"2026-11-31": "is not a time", "2026-11-31 17:00": "is not a time", "2026-02-29": "is not a time", "24:00": "is not a time", "17:60": "is not a time", "1700": "is not a time",
		"1763658000": "is not a time", "20/11/2026 17:00": "is not a time", "20261120T170000Z": "is not a time", "2026-11-20 ": "", "2026-11-20T": "unknown time zone", "2026-11-20 T": "unknown time zone",
		"17:00 2026-11-20": "is not a time", "17:002026-11-20": "is not a time", "2026-11-20 17:00 2026-11-20": "is not a time", "2026-11-20 2026-11-20": "is not a time",
		"2026-11-20 17": "is not a time", "2026-11-20T17": "unknown time zone", "2026-11-20 17:00 CEST": `unknown time zone "CEST"`, "17:00 ../../etc/passwd": "is not a time",
		"17:00 +99:00": "no offset", "17:00 +01:75": "no offset", "17:00 +1": "is not a time", "17:00 Europe/": "unknown time zone", "17:00 a/../b": "is not a time",
		"2026-11-20 17:00:00:00": "is not a time", "2026-11-20  17:00": "is not a time",
	} {
		got, err := Parse(text, time.Now())
		if reason == "" {
			if err != nil {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), reason) || !got.IsZero() {
			t.Errorf("%q: %v, %v, want an error with %q", text, got, err, reason)
		}
	}
}

// A day that begins something is meant from its first second.
func TestParseSince(t *testing.T) {
	now := time.Date(2026, 11, 20, 23, 30, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-11-20":               "2026-11-20T00:00:00Z",
		"2026-10-25 Europe/Berlin": "2026-10-24T22:00:00Z",
		"2026-11-20 17:00":         "2026-11-20T17:00:00Z",
		"17:00":                    "2026-11-20T17:00:00Z",
		"yesterday":                "2026-11-19T00:00:00Z",
		"3d":                       "2026-11-17T23:30:00Z",
	} {
		if got, err := ParseSince(text, now); err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v, want %s", text, got.UTC(), err, want)
		}
	}
}
