package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Folder is the folder of records, below the bucket URL of their series.
const Folder = ".drills"

const (
	suffix = ".json"
	layout = "20060102T150405Z"

	// maxSize is the largest record in bytes.
	maxSize = 1 << 20
	// tries is how many seconds Write tries, where a drill of the same snapshot ended in
	// the same second.
	tries = 5
	// readers is how many records are read at once.
	readers = 8
)

// Place returns the bucket URL of the records of a series.
func Place(of bucket.URL) bucket.URL {
	if of.Dir != "" {
		of.Dir = filepath.Join(of.Dir, Folder)
	} else {
		of.Prefix += "/" + Folder
	}
	return of
}

// A Name is what the name of a record's object says: <time>-<snapshot ID>.json.
type Name struct {
	Time     time.Time // when the drill ended, in whole seconds
	Snapshot snapshot.ID
}

// String returns the name of the object below the folder.
func (n Name) String() string {
	return n.Time.UTC().Format(layout) + "-" + string(n.Snapshot) + suffix
}

// ParseName reports false for what String does not return.
func ParseName(s string) (n Name, ok bool) {
	stem, found := strings.CutSuffix(s, suffix)
	at, id, _ := strings.Cut(stem, "-")
	var noTime, noID error
	n.Time, noTime = time.Parse(layout, at)
	n.Snapshot, noID = snapshot.ParseID(id)
	return n, found && noTime == nil && noID == nil && n.String() == s
}

// Write creates a record in b, which is at the Place of its series, and returns it as it
// is there. The content of an encrypted snapshot's record is encrypted to the recipients,
// and left out without one. A record that is there already is never replaced: the new one
// gets a later second. Errors are those of bucket.Bucket's Put, and series.ErrRecipients.
func Write(ctx context.Context, b bucket.Bucket, r Record, recipients []age.Recipient) (Record, error) {
	r.Format, r.Time = Format, r.Time.UTC().Truncate(time.Second)
	if err := r.seal(recipients); err != nil {
		return r, err
	}
	for try := 1; ; try++ {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return r, err
		}
		if len(text) > maxSize {
			return r, fmt.Errorf("the drill record of %s has %d bytes, more than %d", r.Snapshot, len(text), maxSize)
		}
		name := Name{r.Time, r.Snapshot}.String()
		_, err = b.Put(ctx, name, bucket.PutOptions{MaxSize: int64(len(text))}, func(w io.Writer) error {
			_, err := w.Write(text)
			return err
		})
		if !errors.Is(err, bucket.ErrExists) || try == tries {
			return r, err
		}
		r.Time = r.Time.Add(time.Second)
	}
}

// An Entry is one record as a listing shows it.
type Entry struct {
	Name
	Object bucket.Object
}

// Implausible reports whether the drill is said to have ended after the store had its
// record, or in the future.
func (e Entry) Implausible(now time.Time) bool {
	return e.Time.After(e.Object.Modified.Add(series.MaxAhead)) || e.Time.After(now.Add(series.MaxAhead))
}

// List returns the records in b, which is at the Place of its series, of drills that
// ended at after or later, the oldest first. Other objects are left out. No such folder
// is the same as no record.
func List(ctx context.Context, b bucket.Bucket, after time.Time) ([]Entry, error) {
	from := ""
	if !after.IsZero() {
		from = after.UTC().Format(layout) // sorts before all names of that second
	}
	var entries []Entry
	for object, err := range b.List(ctx, from) {
		if errors.Is(err, bucket.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list drill records: %w", err)
		}
		if name, ok := ParseName(object.Name); ok {
			entries = append(entries, Entry{name, object})
		}
	}
	return entries, nil
}

// A Recorded is a record with its entry. Of one that cannot be read Err says why, and
// Record is empty.
type Recorded struct {
	Entry
	Record Record
	Err    error
}

// Proves reports whether the record is one of a drill that passed.
func (r Recorded) Proves(now time.Time) bool {
	return r.Err == nil && r.Record.Passed && !r.Implausible(now)
}

// Read returns the records of entries, in their order. One that is damaged or gone has
// its error; other errors are those of the bucket.
func Read(ctx context.Context, b bucket.Bucket, entries []Entry) ([]Recorded, error) {
	all := make([]Recorded, len(entries))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, e := range entries {
		group.Go(func() error {
			all[i].Entry = e
			all[i].Record, all[i].Err = read(ctx, b, e)
			err := all[i].Err
			if errors.Is(err, ErrDamaged) || errors.Is(err, ErrNewerFormat) || errors.Is(err, bucket.ErrNotFound) || errors.Is(err, bucket.ErrChanged) {
				return nil
			}
			return err
		})
	}
	return all, group.Wait()
}

func read(ctx context.Context, b bucket.Bucket, e Entry) (r Record, err error) {
	if e.Object.Size > maxSize {
		return r, fmt.Errorf("%w: %s has %d bytes, more than %d", ErrDamaged, e.Object.Name, e.Object.Size, maxSize)
	}
	blob, err := b.Open(ctx, e.Object)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, blob.Close()) }()
	text, err := io.ReadAll(io.NewSectionReader(blob, 0, e.Object.Size))
	if err != nil {
		return r, err
	}
	if r, err = parse(text, e.Name); err != nil {
		return Record{}, fmt.Errorf("%s: %w", e.Object.Name, err)
	}
	return r, nil
}
