package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A world is a bucket in memory for years of snapshots, with its rules and its clock.
// Only what releases, pins and unpins ask for is there, and one goroutine at a time
// may use it, but for reading tags.
type world struct {
	now time.Time
	// keep has how long the rules keep what has a tag.
	keep map[string]Keep
	// eager: the store applies rules at the moment of a tag, and not at midnight only.
	eager bool
	// late is how much longer than its time the store may keep what nothing stands on.
	late time.Duration
	// writes is after how many changes of tags the process that makes them is killed.
	writes  int
	between func() // called before the next tag is set

	r       *rand.Rand
	objects []*shipped // sorted by name
	ids     map[snapshot.ID]*shipped
	above   map[snapshot.ID][]*shipped // what stands on each
	ruled   time.Time                  // the last midnight at which rules were applied
	// lost are snapshots that were needed when something that they stand on went.
	lost []string
	// early counts those that lost it after their own time was over.
	early int
	// went are those that rules have taken.
	went []*shipped
}

// A shipped is a snapshot in the world's bucket.
type shipped struct {
	series.Name
	object    bucket.Object
	retention string
	content   int // which state of the database it has
	late      time.Duration
	over      bool // its own time has been over
	pinned    bool // once
	gone      bool
	// void: it was no base and nothing to rely on when it arrived, and its job was
	// killed, or made another one.
	void bool
}

func newWorld(r *rand.Rand) *world {
	return &world{r: r, writes: -1, ids: map[snapshot.ID]*shipped{}, above: map[snapshot.ID][]*shipped{}}
}

// arrive puts a snapshot into the bucket.
func (w *world) arrive(s *shipped, size int64) {
	s.object = bucket.Object{Name: s.String(), Size: size, Modified: w.now}
	s.retention = series.Held(s.Class)
	if w.late > 0 {
		s.late = time.Duration(w.r.Int64N(int64(w.late)))
	}
	at, _ := slices.BinarySearchFunc(w.objects, s.object.Name, byName)
	w.objects = slices.Insert(w.objects, at, s)
	w.ids[s.ID] = s
	w.above[s.Base] = append(w.above[s.Base], s)
}

func byName(s *shipped, name string) int { return cmp.Compare(s.object.Name, name) }

func (w *world) find(name string) *shipped {
	if at, found := slices.BinarySearchFunc(w.objects, name, byName); found {
		return w.objects[at]
	}
	return nil
}

// applyRules deletes what the rules take by now.
func (w *world) applyRules() {
	midnight := Daily.Start(w.now)
	if midnight.Equal(w.ruled) {
		return
	}
	w.ruled = midnight
	for _, s := range w.objects {
		w.rule(s)
	}
	w.objects = slices.DeleteFunc(w.objects, func(s *shipped) bool { return s.gone })
}

// rule deletes a snapshot if its time is over.
func (w *world) rule(s *shipped) {
	keep, found := w.keep[s.retention]
	if !found || s.gone {
		return
	}
	expires := keep.expires(s.object.Modified)
	if s.over = s.over || !w.now.Before(expires); !s.over {
		return
	}
	if needed := w.above[s.ID]; len(needed) > 0 {
		w.lose(s, needed)
	} else if w.now.Before(expires.Add(s.late)) {
		return
	}
	s.gone = true
	w.went = append(w.went, s)
	delete(w.ids, s.ID)
	w.above[s.Base] = slices.DeleteFunc(w.above[s.Base], func(other *shipped) bool { return other == s })
}

// lose notes what is needed and stands on a snapshot that goes.
func (w *world) lose(base *shipped, above []*shipped) {
	for _, s := range above {
		keep, found := w.keep[s.retention]
		s.over = s.over || found && !w.now.Before(keep.expires(s.object.Modified))
		switch {
		case s.void || s.object.Modified.Sub(s.ID.Time()) > day: // broken
		case found && s.over:
			w.early++
		default:
			w.lost = append(w.lost, fmt.Sprintf("%s: %s of %s went, and %s is %q", w.now.Format(time.RFC3339), base.object.Name, base.object.Modified.Format(time.RFC3339), s.object.Name, s.retention))
		}
	}
}

func (w *world) URL() bucket.URL                    { return bucket.URL{Bucket: "world", Prefix: "app"} }
func (w *world) ClockOffset() (time.Duration, bool) { return lifecycletest.Offset(w.now), true }

func (w *world) List(_ context.Context, after string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		at, _ := slices.BinarySearchFunc(w.objects, after, byName)
		for _, s := range w.objects[at:] {
			if !s.gone && !yield(s.object, nil) {
				return
			}
		}
	}
}

func (w *world) Tags(_ context.Context, o bucket.Object) (bucket.Tags, error) {
	s := w.find(o.Name)
	if s == nil || s.gone {
		return nil, bucket.ErrNotFound
	}
	return bucket.Tags{series.TagRetention: s.retention}, nil
}

// errKilled ends the process that changes tags.
var errKilled = errors.New("killed")

func (w *world) SetTags(_ context.Context, o bucket.Object, tags bucket.Tags) error {
	s := w.find(o.Name)
	if s == nil || s.gone {
		return bucket.ErrNotFound
	}
	if w.writes == 0 {
		return errKilled
	}
	if between := w.between; between != nil {
		w.between = nil
		between()
	}
	w.writes--
	s.retention = tags[series.TagRetention]
	s.pinned = s.pinned || s.retention == series.Pinned
	if w.eager {
		w.rule(s)
	}
	return nil
}

func (w *world) Put(context.Context, string, bucket.PutOptions, func(io.Writer) error) (bucket.PutResult, error) {
	panic("retention writes no objects")
}

func (w *world) Open(context.Context, bucket.Object) (bucket.Blob, error) {
	panic("retention reads no objects")
}

func (w *world) Delete(context.Context, bucket.Object) error { panic("a release deletes nothing") }

func (w *world) NeverUsed(context.Context) (bool, error) { return false, nil }
