package needs

import (
	"testing"
	"time"
)

func TestToNextHour(t *testing.T) {
	for now, want := range map[string]time.Duration{
		"2026-11-30T23:59:58Z": 2 * time.Second, "2026-11-30T12:00:00Z": time.Hour, "2026-11-30T12:10:00+05:30": 20 * time.Minute,
	} {
		at, err := time.Parse(time.RFC3339, now)
		if got := toNextHour(at); err != nil || got != want {
			t.Errorf("%s: %v, %v", now, got, err)
		}
	}
}
