package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/restore/fetch"
	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// object returns the path of a snapshot's object in a directory.
func (c *chain) object(i int) string {
	c.t.Helper()
	return filepath.Join(c.Bucket.URL().Dir, c.listed(i).Object.Name)
}

// A bit that flips anywhere in a chain is damage of the snapshot that it is in, or
// changes nothing: it never makes another answer. Cuts are damage, too.
func TestDamage(t *testing.T) {
	c := newChain(t, openBucket(t, "file://"+t.TempDir()), 9, "")
	want := c.restored(3, Options{})
	random := rand.New(rand.NewPCG(7, 7))
	for i := range c.ids {
		path := c.object(i)
		intact, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		refused := 0
		size := len(intact)
		positions := []int{0, 5, size - 1, size - 9, size - 40, size - 500, size / 2}
		for range 10 {
			positions = append(positions, random.IntN(size))
		}
		for _, at := range positions {
			harmed := bytes.Clone(intact)
			harmed[at] ^= 1 << random.IntN(8)
			if readHarmed(t, c, i, path, harmed, want, fmt.Sprintf("snapshot %d: bit flipped at %d of %d", i, at, size)) {
				refused++
			}
		}
		if refused < len(positions)-5 { // page digests of a full one are not read
			t.Errorf("snapshot %d: %d of %d refused", i, refused, len(positions))
		}
		for _, length := range []int{0, 1, size / 2, size - 1} {
			if !readHarmed(t, c, i, path, intact[:length], want, fmt.Sprintf("snapshot %d: cut to %d of %d", i, length, size)) {
				t.Errorf("snapshot %d: cut to %d: not refused", i, length)
			}
		}
		if err := os.WriteFile(path, intact, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// readHarmed reads the whole snapshot with a harmed object, and reports whether that
// was refused.
func readHarmed(t *testing.T, c *chain, i int, path string, harmed, want []byte, what string) bool {
	t.Helper()
	if err := os.WriteFile(path, harmed, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), c.Bucket, c.listed(3), Options{TempDir: t.TempDir()})
	got := make([]byte, len(want))
	if err == nil {
		_, err = d.ReadAt(got, 0)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if err == nil {
		if !bytes.Equal(got, want) {
			t.Errorf("%s: a wrong answer", what)
		}
		return false
	}
	var about *snapshot.ArchiveError
	if !errors.Is(err, snapshot.ErrDamaged) || !errors.As(err, &about) {
		t.Errorf("%s: %v", what, err)
	}
	return true
}

// SQLite's error about a page that is damaged has that cause, and the query no row.
func TestDamageInQuery(t *testing.T) {
	c := newChain(t, openBucket(t, "file://"+t.TempDir()), 12, "")
	path := c.object(0)
	intact, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	intact[len(intact)/2] ^= 1
	if err := os.WriteFile(path, intact, 0o600); err != nil {
		t.Fatal(err)
	}
	d := c.open(0, Options{})
	conn, err := untrusted.Open(t.Context(), "the snapshot", d, d.Size())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = conn.Column(t.Context(), "SELECT total(length(x)) FROM t")
	if explained := conn.Explain(err); !errors.Is(explained, snapshot.ErrDamaged) || conn.Cause() == nil {
		t.Error(err, explained)
	}
}

// What is deleted, or overwritten, while it is read is never mixed with what was.
func TestObjectGoes(t *testing.T) {
	for what, test := range map[string]struct {
		harm func(path string) error
		want error
	}{
		"deleted":     {os.Remove, fetch.ErrGone},
		"overwritten": {func(path string) error { return overwrite(path) }, bucket.ErrChanged},
	} {
		t.Run(what, func(t *testing.T) {
			c := newChain(t, openBucket(t, "file://"+t.TempDir()), 12, "")
			want := c.restored(1, Options{})
			listed := c.listed(1)
			o := Options{}
			noneLeft(t, &o)
			if err := test.harm(c.object(0)); err != nil {
				t.Fatal(err)
			}
			d, err := Open(t.Context(), c.Bucket, listed, o)
			if err == nil {
				got := make([]byte, len(want))
				_, err = d.ReadAt(got, 0)
				if closed := d.Close(); closed != nil {
					t.Error(closed)
				}
			}
			var about *snapshot.ArchiveError
			if !errors.Is(err, test.want) || !errors.As(err, &about) || about.ID != c.ids[0] {
				t.Error(err)
			}
		})
	}
}

func overwrite(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.WriteFile(path, content[1:], 0o600)
}

// A temp directory without room ends the reads that need more, and only those.
func TestNoRoom(t *testing.T) {
	needs.Time(t)
	c := newChain(t, openBucket(t, "file://"+t.TempDir()), 24, "")
	small := t.TempDir()
	sh(t, "mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", small)
	t.Cleanup(func() { sh(t, "umount", small) })
	d := c.open(0, Options{TempDir: small})
	page := make([]byte, 4096)
	if _, err := d.ReadAt(page, 0); err != nil {
		t.Fatal(err)
	}
	if err := d.Prefetch(t.Context()); !errors.Is(err, snapshot.ErrNoRoom) {
		t.Error(err)
	}
	again := make([]byte, 4096)
	if _, err := d.ReadAt(again, 0); err != nil || !bytes.Equal(page, again) {
		t.Error(err)
	}
	for name, dir := range map[string]string{"missing": filepath.Join(small, "none"), "a file": os.Args[0]} {
		if _, err := Open(t.Context(), c.Bucket, c.listed(0), Options{TempDir: dir}); !errors.Is(err, snapshot.ErrTempDir) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A context that ends in the middle ends all reads, and Close all fetches.
func TestCancelled(t *testing.T) {
	c := newChain(t, openBucket(t, "file://"+t.TempDir()), 24, "")
	o := Options{}
	noneLeft(t, &o)
	ctx, cancel := context.WithCancel(t.Context())
	fetched := 0
	o.Progress = func(int64) {
		if fetched++; fetched == 3 {
			cancel()
		}
	}
	d, err := Open(ctx, c.Bucket, c.listed(0), o)
	if err != nil {
		t.Fatal(err)
	}
	whole := make([]byte, d.Size())
	if _, err := d.ReadAt(whole, 0); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := d.ReadAt(whole[:1], 0); !errors.Is(err, context.Canceled) {
		t.Errorf("after Close: %v", err)
	}
}
