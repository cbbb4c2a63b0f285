package needs

import (
	"testing"
	"time"
)

// OneHour is for a test whose snapshots are to be of one hour, and thereby of one day,
// week, month and year: a later period's first has a longer class, and is stored also
// where nothing has changed. If the hour is about to end, it waits for the next. Call it
// at the start.
func OneHour(t testing.TB) {
	t.Helper()
	// A test with a server may take that long on a busy machine.
	margin := 90 * time.Second
	if Few() {
		margin = 10 * time.Second
	}
	if left := toNextHour(time.Now()); left < margin {
		t.Logf("waiting %v for the next hour", left)
		time.Sleep(left)
	}
}

// toNextHour returns how long it is to the next full hour of UTC.
func toNextHour(now time.Time) time.Duration {
	return now.Truncate(time.Hour).Add(time.Hour).Sub(now)
}
