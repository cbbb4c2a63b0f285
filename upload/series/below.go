package series

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"path/filepath"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A Summary is what the listing of a place above a series shows of it.
type Summary struct {
	URL bucket.URL
	// Newest is the newest snapshot that counts; its ID is "" if none does.
	Newest Snapshot
	// Snapshots is how many there are, and Stored the size of their objects in bytes.
	Snapshots int
	Stored    int64
}

// Below yields the series at the URL of b and below it, each when the listing has passed
// it: one listing for all of them, and memory for one. What is in folders whose names
// begin with a dot is left out. After an error more may follow, unless it is the last; a
// bucket that cannot list what is below it is errors.ErrUnsupported.
func Below(ctx context.Context, b bucket.Bucket) iter.Seq2[Summary, error] {
	return func(yield func(Summary, error) bool) {
		tree, ok := bucket.As[bucket.Tree](b)
		if !ok {
			yield(Summary{}, fmt.Errorf("list below %s: %w", b.URL(), errors.ErrUnsupported))
			return
		}
		var open folders
		for object, err := range tree.Below(ctx) {
			if err != nil {
				if !yield(Summary{}, err) {
					return
				}
				continue
			}
			for _, done := range open.add(object) {
				if summary, ok := done.summary(b); ok && !yield(summary, nil) {
					return
				}
			}
		}
		for _, done := range open {
			if summary, ok := done.summary(b); ok && !yield(summary, nil) {
				return
			}
		}
	}
}

// A folder is what a listing has shown of one so far.
type folder struct {
	name    string // below the listing's prefix, "" for that itself
	objects []bucket.Object
}

// folders are those that a listing is in, each below the one before it.
type folders []folder

// add adds an object of the listing, and returns the folders that end before it.
func (open *folders) add(object bucket.Object) (done folders) {
	in, name := path.Split(object.Name)
	in = strings.TrimSuffix(in, "/")
	if _, ok := ParseName(name); !ok || strings.HasPrefix(in, ".") || strings.Contains(in, "/.") {
		return nil
	}
	last := func() *folder { return &(*open)[len(*open)-1] }
	for len(*open) > 0 && !last().holds(in) {
		done = append(done, *last())
		*open = (*open)[:len(*open)-1]
	}
	if len(*open) == 0 || last().name != in {
		*open = append(*open, folder{name: in})
	}
	object.Name = name
	last().objects = append(last().objects, object)
	return done
}

// holds reports whether a folder is this one or below it.
func (f *folder) holds(name string) bool {
	return f.name == "" || name == f.name || strings.HasPrefix(name, f.name+"/")
}

// summary returns the folder as a series. It reports false for one that has no bucket URL.
func (f *folder) summary(b bucket.Bucket) (Summary, bool) {
	u := b.URL()
	if u.Dir != "" {
		u.Dir = filepath.Join(u.Dir, filepath.FromSlash(f.name))
	} else {
		u.Prefix = strings.Trim(u.Prefix+"/"+f.name, "/")
	}
	if again, err := bucket.ParseURL(u.String()); err != nil || again != u {
		return Summary{}, false
	}
	s := Summary{URL: u}
	all := Of(f.objects, Present(b))
	s.Newest, _ = NewestOf(all)
	s.Snapshots = len(all)
	for _, one := range all {
		s.Stored += one.Object.Size
	}
	return s, true
}
