package series

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Suffix ends the name of a snapshot's object: <ID>.db.zst. If it is
// encrypted, to .db.zst.age.
const (
	Suffix          = ".db.zst"
	SuffixEncrypted = Suffix + suffixAge
	suffixAge       = ".age"
)

const (
	// MaxAhead is how far an ID may be ahead of the store's time of upload, and
	// either of the two ahead of the present.
	MaxAhead = 5 * time.Minute
	// recent is how far back Newest looks before it lists everything: more
	// than the week after which even an unchanged database is uploaded again.
	recent = 8 * 24 * time.Hour
)

// ObjectName returns the name of a snapshot's object under the prefix, of one
// that is not encrypted.
func ObjectName(id snapshot.ID) string { return string(id) + Suffix }

// A Snapshot is one snapshot of a series as the listing shows it.
type Snapshot struct {
	ID     snapshot.ID
	Object bucket.Object
	// Encrypted: the object is the archive as age encrypts it, see Decrypt.
	Encrypted bool
	// Implausible: the ID is more than five minutes ahead of the store's own
	// time of the upload, or the snapshot lies in the future. Such a snapshot
	// is never the newest one.
	Implausible bool
	// Future: the ID or the time of the upload is more than five minutes ahead
	// of the present. It is implausible, too.
	Future bool
}

// Why returns in words why the snapshot is implausible, "" if it is not.
func (s Snapshot) Why() string {
	switch {
	case s.Future:
		return "it lies in the future"
	case s.Implausible:
		return "its ID is ahead of the store's time of its upload"
	}
	return ""
}

// Present returns the present by the bucket's clock: that of the store by its
// last answer, or this machine's before any answer and for a directory.
func Present(b bucket.Bucket) time.Time {
	ahead, _ := b.ClockOffset()
	return time.Now().Add(ahead)
}

// Snapshots returns the snapshots that were taken in the second of after or
// later (the zero time: all), sorted by ID. Other objects under the prefix are
// ignored. Of two with the same ID, encrypted and not, it is the one that was
// uploaded first: no backup makes the other. Which of them are implausible is
// judged by the present after the listing: only an answer has the store's
// time. An empty series is no error; a directory that does not exist is
// ErrNotFound.
func Snapshots(ctx context.Context, b bucket.Bucket, after time.Time) ([]Snapshot, error) {
	var snapshots []Snapshot
	for object, err := range b.List(ctx, startOf(after)) {
		if err != nil {
			return nil, err
		}
		if s, ok := unjudged(object); ok {
			snapshots = append(snapshots, s)
		}
	}
	now := Present(b)
	for i := range snapshots {
		snapshots[i].judge(now)
	}
	slices.SortFunc(snapshots, func(a, b Snapshot) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), a.Object.Modified.Compare(b.Object.Modified))
	})
	return slices.CompactFunc(snapshots, func(a, b Snapshot) bool { return a.ID == b.ID }), nil
}

// Newest returns the newest snapshot that is not implausible, or ErrNotFound
// if there is none. It asks for the last days first, so that a long series
// does not have to be listed whole.
func Newest(ctx context.Context, b bucket.Bucket) (Snapshot, error) {
	newest, _, err := NewestAndAhead(ctx, b)
	return newest, err
}

// NewestAndAhead returns the newest snapshot that is not implausible, and the
// last one that is and sorts after it, if any: also beside ErrNotFound.
func NewestAndAhead(ctx context.Context, b bucket.Bucket) (newest, ahead Snapshot, err error) {
	for _, after := range []time.Time{Present(b).Add(-recent), {}} {
		snapshots, err := Snapshots(ctx, b, after)
		if err != nil {
			return Snapshot{}, Snapshot{}, err
		}
		if last := len(snapshots) - 1; last >= 0 && snapshots[last].Implausible {
			ahead = snapshots[last]
		}
		for _, s := range slices.Backward(snapshots) {
			if !s.Implausible {
				return s, ahead, nil
			}
		}
	}
	return Snapshot{}, ahead, fmt.Errorf("%s: there is no snapshot: %w", b.URL(), bucket.ErrNotFound)
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

// startOf returns a name that sorts before those of all snapshots of t's
// second and after those of all earlier ones.
func startOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("20060102T150405Z")
}

// SnapshotOf returns the snapshot that an object is, judged by the present. It
// reports false for an object that is none.
func SnapshotOf(o bucket.Object, now time.Time) (Snapshot, bool) {
	s, ok := unjudged(o)
	if ok {
		s.judge(now)
	}
	return s, ok
}

// unjudged returns the snapshot that an object is by its name.
func unjudged(o bucket.Object) (Snapshot, bool) {
	name, encrypted := strings.CutSuffix(o.Name, suffixAge)
	name, found := strings.CutSuffix(name, Suffix)
	id, err := snapshot.ParseID(name)
	return Snapshot{ID: id, Object: o, Encrypted: encrypted}, found && err == nil
}

// judge notes whether the snapshot's times can be right.
func (s *Snapshot) judge(now time.Time) {
	taken, uploaded, limit := s.ID.Time(), s.Object.Modified, now.Add(MaxAhead)
	s.Future = taken.After(limit) || uploaded.After(limit)
	s.Implausible = s.Future || taken.After(uploaded.Add(MaxAhead))
}
