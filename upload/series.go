package upload

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// Suffix ends the name of a snapshot's object: <ID>.db.zst. If it is
// encrypted, to .db.zst.age.
const (
	Suffix          = ".db.zst"
	SuffixEncrypted = Suffix + ".age"
)

const (
	// maxAhead is how far an ID may be ahead of the store's time of upload.
	maxAhead = 5 * time.Minute
	// recent is how far back Newest looks before it lists everything: more
	// than the week after which even an unchanged database is uploaded again.
	recent = 8 * 24 * time.Hour
)

// A Snapshot is one snapshot of a series as the listing shows it.
type Snapshot struct {
	ID     snapshot.ID
	Object Object
	// Encrypted: the object is the archive as age encrypts it, see Decrypt.
	Encrypted bool
	// Implausible: the ID is more than five minutes ahead of the store's own
	// time of the upload. Such a snapshot is never the newest one.
	Implausible bool
}

// Snapshots returns the snapshots that were taken in the second of after or
// later (the zero time: all), sorted by ID. Other objects under the prefix are
// ignored. Of two with the same ID, encrypted and not, it is the one that was
// uploaded first: no backup makes the other. An empty series is no error; a
// directory that does not exist is ErrNotFound.
func Snapshots(ctx context.Context, b Bucket, after time.Time) ([]Snapshot, error) {
	var snapshots []Snapshot
	for object, err := range b.List(ctx, startOf(after)) {
		if err != nil {
			return nil, err
		}
		if s, ok := asSnapshot(object); ok {
			snapshots = append(snapshots, s)
		}
	}
	slices.SortFunc(snapshots, func(a, b Snapshot) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), a.Object.Modified.Compare(b.Object.Modified))
	})
	return slices.CompactFunc(snapshots, func(a, b Snapshot) bool { return a.ID == b.ID }), nil
}

// Newest returns the newest snapshot that is not implausible, or ErrNotFound
// if there is none. It asks for the last days first, so that a long series
// does not have to be listed whole.
func Newest(ctx context.Context, b Bucket, now time.Time) (Snapshot, error) {
	for _, after := range []time.Time{now.Add(-recent), {}} {
		snapshots, err := Snapshots(ctx, b, after)
		if err != nil {
			return Snapshot{}, err
		}
		for _, s := range slices.Backward(snapshots) {
			if !s.Implausible {
				return s, nil
			}
		}
	}
	return Snapshot{}, fmt.Errorf("%s: there is no snapshot: %w", b.URL(), ErrNotFound)
}

// startOf returns a name that sorts before those of all snapshots of t's
// second and after those of all earlier ones.
func startOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("20060102T150405Z")
}

// stem returns the name of a snapshot's object without what ends it: the ID.
// Other names stay as they are.
func stem(name string) string {
	if stem, found := strings.CutSuffix(name, SuffixEncrypted); found {
		return stem
	}
	return strings.TrimSuffix(name, Suffix)
}

func asSnapshot(o Object) (Snapshot, bool) {
	id, err := snapshot.ParseID(stem(o.Name))
	if err != nil || stem(o.Name) == o.Name {
		return Snapshot{}, false
	}
	return Snapshot{
		ID: id, Object: o, Encrypted: strings.HasSuffix(o.Name, SuffixEncrypted),
		Implausible: id.Time().After(o.Modified.Add(maxAhead)),
	}, true
}
