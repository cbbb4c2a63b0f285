package restore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// Damage to any object of a chain, or its loss, leaves the target alone, and the error
// names the object.
func TestDamagedChain(t *testing.T) {
	c := newChainOfFour(t, openBucket(t, "file://"+t.TempDir()))
	target := makeOld(t, "PRAGMA journal_mode=WAL;")
	old := readDir(t, filepath.Dir(target))
	refused := func(what string, i int, reason error) {
		t.Helper()
		s := c.listed(t, 3)
		_, err := Restore(t.Context(), c.Bucket, s, target, Options{Replace: true})
		var about *snapshot.ArchiveError
		if !errors.Is(err, reason) || !errors.As(err, &about) || about.ID != c.ids[i] {
			t.Errorf("object %d %s: %v", i, what, err)
		}
		if _, err := verify(t, c.Bucket, s, VerifyOptions{}); !errors.Is(err, reason) {
			t.Errorf("object %d %s, verified: %v", i, what, err)
		}
		if now := readDir(t, filepath.Dir(target)); len(now) != len(old) || !bytes.Equal(now["app.db"], old["app.db"]) {
			t.Fatalf("object %d %s: the target changed, or something is left over", i, what)
		}
	}
	for i := range c.ids {
		object := c.object(t, i)
		good, err := os.ReadFile(object)
		if err != nil {
			t.Fatal(err)
		}
		for what, at := range map[string]int{"with other data": 40, "with another manifest": len(good) - 300, "without an end": len(good) - 3} {
			changed := bytes.Clone(good)
			changed[at] ^= 1
			write(t, object, changed)
			refused(what, i, snapshot.ErrDamaged)
		}
		write(t, object, good[:len(good)/2])
		refused("cut in half", i, snapshot.ErrDamaged)
		if i < 3 {
			if err := os.Remove(object); err != nil {
				t.Fatal(err)
			}
			refused("gone", i, ErrGone)
		}
		write(t, object, good)
	}
	if _, err := Restore(t.Context(), c.Bucket, c.listed(t, 3), target, Options{Replace: true}); err != nil || run(t, target, ".dump") != c.dumps[3] {
		t.Errorf("all of them whole again: %v", err)
	}
}

// An object that retention takes after the listing, before it is opened or while it is
// read, is said to be gone.
func TestChainGoesMeanwhile(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	for name, url := range map[string]string{"directory": "file://" + t.TempDir(), "S3": "s3://" + server.Bucket(t) + "/app"} {
		t.Run(name, func(t *testing.T) {
			c := newChainOfFour(t, openBucket(t, url))
			target := filepath.Join(t.TempDir(), "new.db")
			s := c.listed(t, 3)
			remove := func(i int) {
				if err := c.Bucket.Delete(t.Context(), s.Chain()[i].Object); err != nil {
					t.Fatal(err)
				}
			}
			gone := func(err error, id snapshot.ID) {
				t.Helper()
				var about *snapshot.ArchiveError
				if !errors.Is(err, ErrGone) || !errors.As(err, &about) || about.ID != id || !strings.Contains(err.Error(), "retention or a deletion has taken it") {
					t.Errorf("got %v", err)
				}
				if _, err := os.Stat(target); err == nil {
					t.Error("the target is there")
				}
			}
			if name == "S3" { // an open file of a directory can be read to its end
				taken := false
				_, err := Restore(t.Context(), c.Bucket, s, target, Options{Workers: 1, Progress: func(done, total int64) {
					if !taken {
						taken = true
						remove(1) // a smaller one was read whole when it was opened
					}
				}})
				gone(err, c.ids[1])
			}
			if name == "directory" {
				remove(1)
				_, err := Restore(t.Context(), c.Bucket, s, target, Options{})
				gone(err, c.ids[1])
			}
			remove(3)
			_, err := Restore(t.Context(), c.Bucket, s, target, Options{})
			gone(err, c.ids[3])
		})
	}
}

// forgedSeries has objects with one archive's content under names of the test's choice.
func forgedSeries(t *testing.T, c *chainOfFour, from int, names ...series.Name) {
	t.Helper()
	content, err := os.ReadFile(c.object(t, from))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		write(t, filepath.Join(c.Bucket.URL().Dir, name.String()), content)
	}
}

// Objects whose names do not agree with the archives in them, or with each other, are
// refused for what is wrong with them.
func TestForgedNames(t *testing.T) {
	later := func(c *chainOfFour, seconds int) snapshot.ID {
		return snapshot.NewID(c.ids[3].Time().Add(time.Duration(seconds) * time.Second))
	}
	for what, test := range map[string]struct {
		forge func(t *testing.T, c *chainOfFour) snapshot.ID // returns the one to restore
		want  string                                         // of the error; "": the manifests prove that all of it is right
	}{
		"a full one's content under a differential's name": {func(t *testing.T, c *chainOfFour) snapshot.ID {
			name := series.Name{ID: later(c, 1), Class: series.Daily, Base: c.ids[0]}
			forgedSeries(t, c, 0, name)
			return name.ID
		}, "it holds snapshot"},
		"another base than the manifest's": {func(t *testing.T, c *chainOfFour) snapshot.ID {
			old := c.object(t, 3)
			forgedSeries(t, c, 3, series.Name{ID: c.ids[3], Class: series.Recent, Base: c.ids[1]})
			if err := os.Remove(old); err != nil {
				t.Fatal(err)
			}
			return c.ids[3]
		}, "its name says that it is a differential on"},
		"a differential under a full one's name": {func(t *testing.T, c *chainOfFour) snapshot.ID {
			old := c.object(t, 3)
			forgedSeries(t, c, 3, series.Name{ID: c.ids[3], Class: series.Recent})
			if err := os.Remove(old); err != nil {
				t.Fatal(err)
			}
			return c.ids[3]
		}, "its name says that it is a full snapshot, its manifest a differential on"},
		"a class as long as its base's": {func(t *testing.T, c *chainOfFour) snapshot.ID {
			old := c.object(t, 3)
			forgedSeries(t, c, 3, series.Name{ID: c.ids[3], Class: series.Hourly, Base: c.ids[2]})
			if err := os.Remove(old); err != nil {
				t.Fatal(err)
			}
			return c.ids[3]
		}, ""},
		"itself as its base": {func(t *testing.T, c *chainOfFour) snapshot.ID {
			name := series.Name{ID: later(c, 2), Class: series.Hourly}
			name.Base = name.ID
			forgedSeries(t, c, 3, name)
			return name.ID
		}, "it holds snapshot"},
		"two that stand on each other": {func(t *testing.T, c *chainOfFour) snapshot.ID {
			one, two := series.Name{ID: later(c, 3), Class: series.Hourly}, series.Name{ID: later(c, 4), Class: series.Recent}
			one.Base, two.Base = two.ID, one.ID
			forgedSeries(t, c, 3, one, two)
			return two.ID
		}, "it holds snapshot"},
		"a base in the future": {func(t *testing.T, c *chainOfFour) snapshot.ID {
			base := series.Name{ID: "20990101T000000Z-000000", Class: series.Daily}
			name := series.Name{ID: "20990101T000001Z-000000", Class: series.Recent, Base: base.ID}
			forgedSeries(t, c, 0, base)
			forgedSeries(t, c, 3, name)
			return name.ID
		}, "it holds snapshot"},
	} {
		t.Run(what, func(t *testing.T) {
			c := newChainOfFour(t, openBucket(t, "file://"+t.TempDir()))
			id := test.forge(t, c)
			s, err := Select(t.Context(), c.Bucket, Selector{Which: string(id)})
			if err != nil {
				t.Fatal(err)
			}
			target := filepath.Join(t.TempDir(), "new.db")
			_, err = Restore(t.Context(), c.Bucket, s, target, Options{})
			if test.want == "" {
				if err != nil || run(t, target, ".dump") != c.dumps[3] {
					t.Errorf("got %v", err)
				}
				return
			}
			if !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(target); err == nil {
				t.Error("the target is there")
			}
			if s.Broken {
				newest, err := Select(t.Context(), c.Bucket, Selector{})
				if err != nil || newest.ID == id {
					t.Errorf("the newest is %s, %v", newest.ID, err)
				}
			}
		})
	}
}
