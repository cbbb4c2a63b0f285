package cache

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

func entryOf(taken time.Time, class series.Class) Entry {
	id := snapshot.NewID(taken)
	return Entry{Object: bucket.Object{Name: series.Name{ID: id, Class: class}.String()}, Reference: snapshot.Reference{ID: id}}
}

// Over six weeks of runs each 20 minutes: what the next snapshot would stand on, and
// all below it, is always known, and has its page digests. Never more than four have.
func TestSift(t *testing.T) {
	var kept []Entry
	var pages []string
	var all []series.Snapshot // of the last week or so
	var previous time.Time
	for taken := time.Date(2026, 11, 17, 10, 5, 0, 0, time.UTC); taken.Month() != time.January; taken = taken.Add(20 * time.Minute) {
		class := series.ClassAt(previous, taken)
		possible := series.Bases(all, class, taken)
		if len(possible) > 0 && !slices.Contains(pages, possible[0].Object.Name) {
			t.Fatalf("a %s snapshot at %s stands on %s, and only %v have their page digests", class, taken, possible[0].Object.Name, pages)
		}
		for _, s := range possible {
			if !slices.ContainsFunc(kept, func(e Entry) bool { return e.Object.Name == s.Object.Name }) {
				t.Fatalf("at %s: %s is no longer known", taken, s.Object.Name)
			}
		}
		e := entryOf(taken, class)
		kept, pages = sift(append(kept, e), taken)
		if len(pages) > 4 || len(kept) > maxEntries+50 {
			t.Fatalf("at %s: %d entries, page digests of %v", taken, len(kept), pages)
		}
		name, _ := series.ParseName(e.Object.Name)
		all = append(all, series.Snapshot{Name: name, Object: e.Object})
		all = all[max(0, len(all)-600):]
		previous = taken
	}
	if len(kept) < maxEntries {
		t.Errorf("%d entries", len(kept))
	}
}

func TestSiftAtAMoment(t *testing.T) {
	at := func(text string) time.Time {
		at, err := time.Parse("2006-01-02 15:04:05", text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	entries := []Entry{
		entryOf(at("2026-11-01 00:10:00"), series.Monthly),
		entryOf(at("2026-11-16 00:10:00"), series.Weekly),
		entryOf(at("2026-11-17 00:10:00"), series.Daily),
		entryOf(at("2026-11-18 00:10:00"), series.Daily),
		entryOf(at("2026-11-18 11:10:00"), series.Hourly),
		entryOf(at("2026-11-18 12:10:00"), series.Hourly),
		entryOf(at("2026-11-18 12:20:00"), series.Recent),
		entryOf(at("2026-11-18 12:30:00"), series.Daily), // full because no base was known
	}
	for now, want := range map[string][]int{
		"2026-11-18 12:40:00": {7, 5, 1},
		"2026-11-18 12:30:00": {7, 5, 1},
		"2026-11-18 12:20:00": {5, 3, 1},
		"2026-11-18 12:59:58": {7, 5, 1},
		"2026-11-18 12:59:59": {7, 1},
		"2026-11-19 00:00:00": {1},
		"2026-11-22 23:59:58": {1},
		"2026-11-23 00:00:00": nil,
	} {
		var names []string
		for _, i := range want {
			names = append(names, entries[i].Object.Name)
		}
		if kept, got := sift(slices.Clone(entries), at(now)); len(kept) != len(entries) || !slices.Equal(got, names) {
			t.Errorf("%s: %v of %d, want %v", now, got, len(kept), names)
		}
	}
}

// What can no longer be a base loses its page digests, and is still known.
func TestPagesGo(t *testing.T) {
	c := openAt(t, t.TempDir())
	daily, dailyPages := put(t, c, noon, series.Daily)
	hourly, hourlyPages := put(t, c, noon.Add(time.Hour), series.Hourly)
	recent, _ := put(t, c, noon.Add(time.Hour+time.Minute), series.Recent)
	checkBase(t, c, hourly, hourlyPages)
	checkNoBase(t, c, recent)
	put(t, c, noon.Add(2*time.Hour), series.Hourly)
	checkNoBase(t, c, hourly)
	checkBase(t, c, daily, dailyPages)
	put(t, c, noon.Add(24*time.Hour), series.Daily)
	checkNoBase(t, c, daily)
	for _, e := range []Entry{daily, hourly, recent} {
		checkEntry(t, c, e)
	}
	late, pages := snapshotAt(t, noon, series.Daily, 10)
	if err := c.Put(t.Context(), late, bytes.NewReader(pages), noon.Add(24*time.Hour)); err != nil {
		t.Error(err)
	}
	checkNoBase(t, c, late)
}

// The number of entries is bounded, and the oldest give way.
func TestBounded(t *testing.T) {
	c := openAt(t, t.TempDir())
	var entries []Entry
	for i := range maxEntries + 10 {
		e, _ := snapshotAt(t, noon.Add(time.Duration(i)*time.Hour), series.Hourly, 1)
		if err := c.writeEntry(e); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	last, _ := put(t, c, noon.AddDate(1, 0, 0), series.Daily)
	names, err := c.names()
	if err != nil || len(names) != maxEntries {
		t.Errorf("%d entries, %v", len(names), err)
	}
	checkEntry(t, c, last)
	checkEntry(t, c, entries[len(entries)-1])
	checkEntry(t, c, entries[11])
	if _, err := c.Lookup(entries[10].Object); err == nil {
		t.Error("one too many is known")
	}
}

// Memory does not grow with the page digests.
func TestMemory(t *testing.T) {
	c := openAt(t, t.TempDir())
	const pages = 4 << 20 // 64 MiB of digests, 16 GiB of database
	zeros := func() io.Reader { return readerFunc(func(b []byte) (int, error) { clear(b); return len(b), nil }) }
	digest, err := snapshot.DigestOf(t.Context(), zeros(), 4096, pages)
	if err != nil {
		t.Fatal(err)
	}
	e, _ := snapshotAt(t, noon, series.Daily, 1)
	e.Digest, e.PageCount = digest, pages
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := c.Put(t.Context(), e, zeros(), noon); err != nil {
		t.Fatal(err)
	}
	b, err := c.Base(t.Context(), e)
	if err == nil {
		err = b.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d KiB of memory for %d KiB of page digests", used>>10, pages*snapshot.PageDigestSize>>10)
	}
}
