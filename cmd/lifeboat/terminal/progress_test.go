package terminal

import (
	"strings"
	"testing"
	"time"
)

func TestStatus(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		done, total int64
		since, took time.Duration
		room        int
		want        string
	}{
		{0, 10 * mib, 0, 0, 60, "0 B of 10 MiB 0 B/s"},
		{5 * mib, 10 * mib, 5 * time.Second, 0, 60, "5.0 MiB of 10 MiB 1.0 MiB/s 5s left"},
		{5 * mib, 10 * mib, 5 * time.Second, 0, 47, "1.0 MiB/s 5s left"},
		{5 * mib, 10 * mib, 5 * time.Second, 0, 25, "5s left"},
		{5 * mib, 10 * mib, 5 * time.Second, 0, 13, ""},
		{10 * mib, 10 * mib, time.Hour, 4 * time.Second, 60, "10 MiB of 10 MiB 2.5 MiB/s in 4s"},
		{10 * mib, 10 * mib, time.Second, time.Millisecond, 60, "10 MiB of 10 MiB in 0s"},
		{mib, 1 << 40, time.Second, 0, 60, "1.0 MiB of 1.0 TiB 1.0 MiB/s 12d left"},
		{1, 3601, time.Second, 0, 60, "1 B of 3.5 KiB 1 B/s 1h00m left"},
		{0, 0, 90 * time.Second, 0, 60, "1m30s so far"},
	} {
		got := status(c.done, c.total, c.since, c.took, c.room)
		if strings.Join(strings.Fields(got), " ") != c.want || got != "" && len(got)+3 > c.room {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
