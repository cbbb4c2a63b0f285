package lifecycle

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A clockwork is a bucket whose clock stands where the test puts it: time is
// what real stores do not let a test choose. It also carries out rules, as a
// store does, and lets a test come between any two calls.
type clockwork struct {
	now time.Time
	// newest is when the newest snapshot was taken.
	newest time.Time
	// before is called before every operation, and may fail it.
	before func(operation, name string) error

	mutex   sync.Mutex
	objects map[string]stored
	calls   map[string]int
}

type stored struct {
	object bucket.Object
	tags   bucket.Tags
	text   string
}

func newClockwork(now time.Time) *clockwork {
	return &clockwork{now: now, objects: map[string]stored{}, calls: map[string]int{}}
}

func (c *clockwork) begin(operation, name string) error {
	c.mutex.Lock()
	c.calls[operation]++
	c.mutex.Unlock()
	if c.before != nil {
		return c.before(operation, name)
	}
	return nil
}

// backup puts a full snapshot of now into the bucket, and returns its ID.
func (c *clockwork) backup(t testing.TB, text string) snapshot.ID {
	t.Helper()
	id := snapshot.NewID(c.now)
	return c.put(t, series.Name{ID: id, Class: series.ClassAt(c.newest, c.now)}, text)
}

// change is backup for a differential, where there is a base for one.
func (c *clockwork) change(t testing.TB, text string) snapshot.ID {
	t.Helper()
	name := series.Name{ID: snapshot.NewID(c.now), Class: series.ClassAt(c.newest, c.now)}
	all, err := series.Snapshots(t.Context(), c, series.Weekly.Start(c.now))
	if err != nil {
		t.Fatal(err)
	}
	if bases := series.Bases(all, name.Class, c.now); len(bases) > 0 {
		name.Base = bases[0].ID
	}
	return c.put(t, name, text)
}

func (c *clockwork) put(t testing.TB, name series.Name, text string) snapshot.ID {
	t.Helper()
	if taken := name.ID.Time(); taken.After(c.newest) {
		c.newest = taken
	}
	_, err := c.Put(t.Context(), name.String(), bucket.PutOptions{Tags: bucket.Tags{
		series.TagRetention: series.Held(name.Class), series.TagDatabase: "app.db"}}, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return name.ID
}

// expire does what the rules of a bucket do under a policy.
func (c *clockwork) expire(p Policy) {
	maps.DeleteFunc(c.objects, func(_ string, s stored) bool {
		class, err := series.ParseClass(s.tags[series.TagRetention])
		if err != nil || p.Keep(class) == Forever {
			return false
		}
		return !c.now.Before(p.Keep(class).expires(s.object.Modified))
	})
}

// retentions lists what is there, oldest first, with its retention tags.
func (c *clockwork) retentions() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.objects)) {
		all = append(all, name[:len("20261106T170000Z")]+" "+c.objects[name].tags[series.TagRetention])
	}
	return all
}

// name returns the name of a snapshot's object, "" if it is not there.
func (c *clockwork) name(id snapshot.ID) string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for name := range c.objects {
		if strings.HasPrefix(name, string(id)) {
			return name
		}
	}
	return ""
}

func (c *clockwork) retention(name string) string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.objects[name].tags[series.TagRetention]
}

func (c *clockwork) URL() bucket.URL { return bucket.URL{Bucket: "clockwork", Prefix: "app"} }

func (c *clockwork) Put(ctx context.Context, name string, o bucket.PutOptions, write func(io.Writer) error) (bucket.PutResult, error) {
	if err := c.begin("put", name); err != nil {
		return bucket.PutResult{}, err
	}
	var b writer
	if err := write(&b); err != nil {
		return bucket.PutResult{}, err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	object := bucket.Object{Name: name, Size: int64(len(b)), ETag: fmt.Sprint(len(c.objects)), Modified: c.now}
	c.objects[name] = stored{object, maps.Clone(o.Tags), string(b)}
	return bucket.PutResult{Object: object}, nil
}

type writer []byte

func (w *writer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

func (c *clockwork) List(ctx context.Context, after string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		c.mutex.Lock()
		names := slices.Sorted(maps.Keys(c.objects))
		c.mutex.Unlock()
		for i, name := range slices.DeleteFunc(names, func(n string) bool { return n <= after }) {
			if i%1000 == 0 {
				if err := c.begin("list", ""); err != nil {
					yield(bucket.Object{}, err)
					return
				}
			}
			c.mutex.Lock()
			s, found := c.objects[name]
			c.mutex.Unlock()
			if found && !yield(s.object, nil) {
				return
			}
		}
	}
}

func (c *clockwork) Open(context.Context, bucket.Object) (bucket.Blob, error) {
	panic("retention reads no objects")
}

func (c *clockwork) Tags(ctx context.Context, o bucket.Object) (bucket.Tags, error) {
	if err := c.begin("tags", o.Name); err != nil {
		return nil, err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	s, found := c.objects[o.Name]
	if !found {
		return nil, bucket.ErrNotFound
	}
	return maps.Clone(s.tags), nil
}

func (c *clockwork) SetTags(ctx context.Context, o bucket.Object, tags bucket.Tags) error {
	if err := c.begin("set", o.Name); err != nil {
		return err
	}
	return c.tag(o.Name, tags)
}

func (c *clockwork) tag(name string, tags bucket.Tags) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	s, found := c.objects[name]
	if !found {
		return bucket.ErrNotFound
	}
	s.tags = maps.Clone(tags)
	c.objects[name] = s
	return nil
}

func (c *clockwork) Delete(ctx context.Context, o bucket.Object) error {
	if err := c.begin("delete", o.Name); err != nil {
		return err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	delete(c.objects, o.Name)
	return nil
}

func (c *clockwork) NeverUsed(context.Context) (bool, error) { return false, nil }

func (c *clockwork) ClockOffset() (time.Duration, bool) { return lifecycletest.Offset(c.now), true }
