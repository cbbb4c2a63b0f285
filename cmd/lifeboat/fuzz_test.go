package main

import (
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"
)

// What a flag takes is what it says, in bounds, and can be written again.
func FuzzFlagValues(f *testing.F) {
	for _, s := range []string{"", "90s", "1h30m", "1w2d12h", "4d", "1d-0s", "1d+1h", "106751d24h", "-1s", "2540400h10m10.000000000s", "d", "1.5d",
		"20MiB", "5GB", "1,000", "1e9", "0.4", "9223372036854775807", "8EiB", "7.999999999999999999999EiB", "NaN", "16 EiB", "0x10",
		"2026-11-20 17:00", "2026-11-20T17:00:00.5+01:00", "0000-01-01 00:00", "9999-12-31T23:59:59-23:59", "2026-11-20 7:00", "2026-02-29 00:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var d, again duration
		if d.UnmarshalText([]byte(s)) == nil {
			if d < 0 || s == "" {
				t.Errorf("%q is taken for %s", s, time.Duration(d))
			}
			days := time.Duration(d) / (24 * time.Hour)
			text := fmt.Sprintf("%dd%s", days, time.Duration(d)-days*24*time.Hour)
			if err := again.UnmarshalText([]byte(text)); err != nil || again != d {
				t.Errorf("%q is taken for %s, %q for %s, %v", s, time.Duration(d), text, time.Duration(again), err)
			}
		} else if d != 0 {
			t.Errorf("%q: %s beside an error", s, time.Duration(d))
		}
		if _, err := time.ParseDuration(s); err == nil && s[0] != '-' && d.UnmarshalText([]byte(s)) != nil {
			t.Errorf("%q, a duration of Go's, is not taken", s)
		}

		var n byteSize
		if n.UnmarshalText([]byte(s)) == nil {
			if n < 1 {
				t.Errorf("%q is taken for %d bytes", s, n)
			}
			if whole, err := strconv.ParseInt(s, 10, 64); err == nil && whole < 1<<53 && int64(n) != whole {
				t.Errorf("%q is taken for %d bytes", s, n)
			}
			var same byteSize
			if err := same.UnmarshalText([]byte(strconv.FormatInt(int64(n), 10))); int64(n) < 1<<53 && (err != nil || same != n) {
				t.Errorf("%q is taken for %d, and that for %d bytes, %v", s, n, same, err)
			}
		} else if whole, err := strconv.ParseUint(s, 10, 64); err == nil && whole > 0 && whole < math.MaxInt64>>1 && s[0] != '+' {
			t.Errorf("%q is not taken for bytes", s)
		}

		var m moment
		if m.UnmarshalText([]byte(s)) == nil {
			if m.Year() < 0 || m.Year() > 9999 {
				t.Errorf("%q is taken for %s", s, m)
			}
			var same moment
			if err := same.UnmarshalText([]byte(m.Format(time.RFC3339Nano))); err != nil || !same.Equal(m.Time) {
				t.Errorf("%q is taken for %s, and that for %s, %v", s, m, same, err)
			}
			// Others are a time of the day, an age, or a word such as yesterday.
			if date, err := time.Parse("2006-01-02", s[:min(len(s), len("2026-11-20"))]); err == nil && date.Format("2006-01-02") != m.Format("2006-01-02") {
				t.Errorf("%q is taken for %s", s, m)
			}
		} else if !m.IsZero() {
			t.Errorf("%q: %s beside an error", s, m)
		}
	})
}
