package series

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

const (
	// MaxAhead is how far an ID may be ahead of the store's time of upload, and
	// either of the two ahead of the present.
	MaxAhead = 5 * time.Minute
)

// beforeAll sorts before the names of all snapshots, and after all that begin with a dot:
// the folder of drill records, through which no listing should page.
const beforeAll = "0"

// onePage is how many objects a store lists in one request.
const onePage = 1000

// windows is how far back Tail looks for the newest snapshot of a series that has more
// than a page: a job that runs often finds it at once, and what it lists does not grow
// with the series.
var windows = []time.Duration{24 * time.Hour, 9 * 24 * time.Hour, 40 * 24 * time.Hour, 400 * 24 * time.Hour}

// A Snapshot is one snapshot of a series as the listing shows it.
type Snapshot struct {
	Name
	Object bucket.Object
	// Implausible: the ID is more than five minutes ahead of the store's own
	// time of the upload, or the snapshot lies in the future. Such a snapshot
	// is never the newest one.
	Implausible bool
	// Future: the ID or the time of the upload is more than five minutes ahead
	// of the present. It is implausible, too.
	Future bool
	// Broken: it is a differential that cannot be counted on. Its base is not
	// there, or is none that it may stand on, or is broken itself; or it was
	// uploaded after the LastCall of its base. It is never the newest one.
	Broken bool

	broken string    // why
	base   *Snapshot // as link has found it
}

// Counts reports whether the snapshot is neither implausible nor broken: only such a
// one can be the newest, or what another one stands on.
func (s Snapshot) Counts() bool { return !s.Implausible && !s.Broken }

// Why returns in words why the snapshot does not count, "" if it does.
func (s Snapshot) Why() string {
	switch {
	case s.Future:
		return "it lies in the future"
	case s.Implausible:
		return "its ID is ahead of the store's time of its upload"
	}
	return s.broken
}

// Present returns the present by the bucket's clock: that of the store by its
// last answer, or this machine's before any answer and for a directory.
func Present(b bucket.Bucket) time.Time {
	ahead, _ := b.ClockOffset()
	return time.Now().Add(ahead)
}

// Snapshots returns the snapshots that were taken in the second of after or
// later (the zero time: all), sorted by ID. Other objects under the prefix are
// ignored. Of several with the same ID it is the one that was uploaded first: no
// backup makes another. Which of them are implausible is judged by the present
// after the listing: only an answer has the store's time. An empty series is no
// error; a directory that does not exist is ErrNotFound.
func Snapshots(ctx context.Context, b bucket.Bucket, after time.Time) ([]Snapshot, error) {
	var objects []bucket.Object
	for object, err := range b.List(ctx, startOf(weekOf(after))) {
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	snapshots := Of(objects, Present(b))
	first, _ := slices.BinarySearchFunc(snapshots, startOf(after), func(s Snapshot, start string) int {
		return cmp.Compare(string(s.ID), start)
	})
	return snapshots[first:], nil
}

// Of returns the snapshots among objects, as Snapshots does, judged by the present.
// The objects are a whole series, or all of it that was taken since the beginning of
// some week.
func Of(objects []bucket.Object, now time.Time) []Snapshot {
	var snapshots []Snapshot
	for _, object := range objects {
		if s, ok := SnapshotOf(object, now); ok {
			snapshots = append(snapshots, s)
		}
	}
	slices.SortFunc(snapshots, func(a, b Snapshot) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), a.Object.Modified.Compare(b.Object.Modified))
	})
	snapshots = slices.CompactFunc(snapshots, func(a, b Snapshot) bool { return a.ID == b.ID })
	link(snapshots)
	return snapshots
}

// Tail returns the newest part of the series, sorted by ID: from the beginning of
// the week of its newest snapshot that counts, or earlier, if it has one. So all that
// the next snapshot can stand on is in it. whole: it is the whole series.
func Tail(ctx context.Context, b bucket.Bucket) (tail []Snapshot, whole bool, err error) {
	var objects []bucket.Object
	for object, err := range b.List(ctx, beforeAll) {
		if err != nil {
			return nil, false, err
		}
		if objects = append(objects, object); len(objects) > onePage {
			break
		}
	}
	if len(objects) <= onePage {
		return Of(objects, Present(b)), true, nil
	}
	for _, back := range windows {
		tail, err := Snapshots(ctx, b, Weekly.Start(Present(b).Add(-back)))
		if _, found := NewestOf(tail); found || err != nil {
			return tail, false, err
		}
	}
	tail, err = Snapshots(ctx, b, time.Time{})
	return tail, true, err
}

// Newest returns the newest snapshot that counts, or ErrNotFound if there is none.
func Newest(ctx context.Context, b bucket.Bucket) (Snapshot, error) {
	tail, _, err := Tail(ctx, b)
	if err != nil {
		return Snapshot{}, err
	}
	if newest, ok := NewestOf(tail); ok {
		return newest, nil
	}
	return Snapshot{}, fmt.Errorf("%s: there is no snapshot: %w", b.URL(), bucket.ErrNotFound)
}

// A SnapshotVersion is one version of a snapshot in a versioned bucket: the
// snapshot itself, what was overwritten or deleted, or the mark of a deletion.
type SnapshotVersion struct {
	Snapshot
	// Latest: a reader who names no version gets this one.
	Latest bool
	// Deleted: no content, but the mark that a deletion has put on the key.
	Deleted bool
}

// Versions yields all versions of the series' snapshots, by ID and for each the
// newest version first. A bucket that has no versions is errors.ErrUnsupported.
func Versions(ctx context.Context, b bucket.Bucket) iter.Seq2[SnapshotVersion, error] {
	return func(yield func(SnapshotVersion, error) bool) {
		versioned, ok := bucket.As[bucket.Versioned](b)
		if !ok {
			yield(SnapshotVersion{}, fmt.Errorf("list versions in %s: %w", b.URL(), errors.ErrUnsupported))
			return
		}
		for v, err := range versioned.Versions(ctx) {
			if err != nil {
				yield(SnapshotVersion{}, err)
				return
			}
			s, ok := SnapshotOf(v.Object, Present(b))
			if !ok {
				continue
			}
			if !yield(SnapshotVersion{s, v.Latest, v.Deleted}, nil) {
				return
			}
		}
	}
}

// weekOf returns the beginning of t's week: what was taken later stands on nothing
// earlier.
func weekOf(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return Weekly.Start(t)
}

// startOf returns a name that sorts before those of all snapshots of t's
// second and after those of all earlier ones.
func startOf(t time.Time) string {
	if t.IsZero() {
		return beforeAll
	}
	return t.UTC().Format("20060102T150405Z")
}

// SnapshotOf returns the snapshot that an object is, judged by the present but
// without its base. It reports false for an object that is none.
func SnapshotOf(o bucket.Object, now time.Time) (Snapshot, bool) {
	name, ok := ParseName(o.Name)
	s := Snapshot{Name: name, Object: o}
	if ok {
		s.judge(now)
	}
	return s, ok
}

// judge notes whether the snapshot's times can be right.
func (s *Snapshot) judge(now time.Time) {
	taken, uploaded, limit := s.ID.Time(), s.Object.Modified, now.Add(MaxAhead)
	s.Future = taken.After(limit) || uploaded.After(limit)
	s.Implausible = s.Future || taken.After(uploaded.Add(MaxAhead))
}
