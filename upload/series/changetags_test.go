package series_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// A meddler is a bucket in which another command comes between any two calls.
// Being no directory, it has no lock.
type meddler struct {
	bucket.Bucket
	beforeTags, beforeSet, beforeDelete func()
	afterTags                           func()
}

func call(f *func()) {
	if now := *f; now != nil {
		*f = nil // once
		now()
	}
}

func (m *meddler) Tags(ctx context.Context, o bucket.Object) (bucket.Tags, error) {
	call(&m.beforeTags)
	after := m.afterTags
	m.afterTags = nil
	defer call(&after)
	return m.Bucket.Tags(ctx, o)
}

func (m *meddler) SetTags(ctx context.Context, o bucket.Object, tags bucket.Tags) error {
	call(&m.beforeSet)
	return m.Bucket.SetTags(ctx, o, tags)
}

func (m *meddler) Delete(ctx context.Context, o bucket.Object) error {
	call(&m.beforeDelete)
	return m.Bucket.Delete(ctx, o)
}

func tagged(t *testing.T, b bucket.Bucket, name string) bucket.Object {
	t.Helper()
	return buckettest.Put(t, b, name, []byte("x"), bucket.Tags{series.TagRetention: series.Held(series.Daily), series.TagDatabase: "app.db"})
}

func hasTags(t *testing.T, b bucket.Bucket, o bucket.Object, want bucket.Tags) {
	t.Helper()
	if got, err := b.Tags(t.Context(), o); err != nil || !maps.Equal(got, want) {
		t.Errorf("the tags are %v (%v), want %v", got, err, want)
	}
}

func setRetention(to string) func(bucket.Tags) error {
	return func(tags bucket.Tags) error { tags[series.TagRetention] = to; return nil }
}

// Where there is no lock: in a store, and beside one that never frees it.
func TestTagsOfTwoCommands(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	stores := map[string]bucket.Bucket{"minio": inMinIO(t, server), "directory": inDirectory(t, t.TempDir())}
	for name, store := range stores {
		t.Run(name, func(t *testing.T) { testTagsOfTwo(t, store) })
	}
}

func testTagsOfTwo(t *testing.T, store bucket.Bucket) {
	t.Run("written after the read", func(t *testing.T) {
		// A drill has read the tags when a pin comes: the drill's write undoes
		// it, and the pin comes back.
		o := tagged(t, store, "a")
		drill := &meddler{Bucket: store}
		pinned, undone := make(chan error, 1), make(chan struct{})
		drill.beforeSet = func() {
			written := make(chan struct{})
			pin := &meddler{Bucket: store}
			pin.beforeSet = func() {
				pin.beforeTags = func() { // the read after the write
					pin.beforeTags = func() { <-undone } // the one that looks whether it has lasted
					close(written)
				}
			}
			go func() {
				pinned <- series.SettleTags(t.Context(), pin, o, time.Millisecond, setRetention(series.Pinned))
			}()
			<-written
		}
		if _, err := series.ChangeTags(t.Context(), drill, o, func(tags bucket.Tags) error { tags[series.TagVerified] = "now"; return nil }); err != nil {
			t.Fatal(err)
		}
		hasTags(t, store, o, bucket.Tags{series.TagRetention: series.Held(series.Daily), series.TagDatabase: "app.db", series.TagVerified: "now"})
		close(undone)
		if err := <-pinned; err != nil {
			t.Fatal(err)
		}
		hasTags(t, store, o, bucket.Tags{series.TagRetention: series.Pinned, series.TagDatabase: "app.db", series.TagVerified: "now"})
	})
	t.Run("written before the read", func(t *testing.T) {
		o := tagged(t, store, "b")
		b := &meddler{Bucket: store, beforeTags: func() { change(t, store, o, setRetention(series.Pinned)) }}
		written, err := series.ChangeTags(t.Context(), b, o, func(tags bucket.Tags) error { tags[series.TagConfirmed] = "now"; return nil })
		if err != nil || !written {
			t.Fatal(written, err)
		}
		hasTags(t, store, o, bucket.Tags{series.TagRetention: series.Pinned, series.TagDatabase: "app.db", series.TagConfirmed: "now"})
	})
	t.Run("written after the write", func(t *testing.T) {
		o := tagged(t, store, "c")
		b := &meddler{Bucket: store}
		b.beforeSet = func() {
			b.beforeTags = func() { blindly(t, store, o, bucket.Tags{series.TagRetention: "daily"}) }
		}
		if _, err := series.ChangeTags(t.Context(), b, o, func(tags bucket.Tags) error { tags[series.TagConfirmed] = "now"; return nil }); err != nil {
			t.Fatal(err)
		}
		hasTags(t, store, o, bucket.Tags{series.TagRetention: "daily", series.TagConfirmed: "now"})
	})
	t.Run("refused", func(t *testing.T) {
		// The change itself decides about what is there by then.
		o := tagged(t, store, "d")
		no := errors.New("no")
		b := &meddler{Bucket: store}
		b.beforeSet = func() {
			b.beforeTags = func() { blindly(t, store, o, bucket.Tags{series.TagRetention: series.Pinned}) }
		}
		written, err := series.ChangeTags(t.Context(), b, o, func(tags bucket.Tags) error {
			if tags[series.TagRetention] == series.Pinned {
				return no
			}
			tags[series.TagRetention] = "daily"
			return nil
		})
		if !errors.Is(err, no) || !written {
			t.Error(written, err)
		}
		hasTags(t, store, o, bucket.Tags{series.TagRetention: series.Pinned})
	})
	t.Run("for ever", func(t *testing.T) {
		o := tagged(t, store, "e")
		b := &meddler{Bucket: store}
		var again func()
		again = func() {
			blindly(t, store, o, bucket.Tags{series.TagRetention: "daily"})
			b.beforeTags = again
		}
		b.beforeTags = again
		if _, err := series.ChangeTags(t.Context(), b, o, setRetention(series.Pinned)); err == nil || !strings.Contains(err.Error(), "other commands change them") {
			t.Error(err)
		}
	})
	t.Run("deleted", func(t *testing.T) {
		o := tagged(t, store, "f")
		b := &meddler{Bucket: store}
		b.beforeSet = func() {
			b.beforeTags = func() {
				if err := store.Delete(t.Context(), o); err != nil {
					t.Error(err)
				}
			}
		}
		if err := series.SettleTags(t.Context(), b, o, time.Millisecond, setRetention(series.Pinned)); !errors.Is(err, bucket.ErrNotFound) {
			t.Error(err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		o := tagged(t, store, "g")
		reason := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		b := &meddler{Bucket: store}
		b.beforeSet = func() {
			b.afterTags = func() { cancel(reason) } // the read after the write
		}
		if err := series.SettleTags(ctx, b, o, time.Hour, setRetention(series.Pinned)); !errors.Is(err, reason) || !strings.Contains(err.Error(), "not checked") {
			t.Error(err)
		}
	})
	t.Run("deletion", func(t *testing.T) {
		o := tagged(t, store, "h")
		moved := errors.New("moved")
		b := &meddler{Bucket: store, beforeTags: func() { change(t, store, o, setRetention(series.Pinned)) }}
		held := func(tags bucket.Tags) error {
			if tags[series.TagRetention] != series.Held(series.Daily) {
				return moved
			}
			return nil
		}
		if err := series.DeleteIf(t.Context(), b, o, held); !errors.Is(err, moved) {
			t.Error(err)
		}
		change(t, store, o, setRetention(series.Held(series.Daily)))
		if err := series.DeleteIf(t.Context(), store, o, held); err != nil {
			t.Error(err)
		}
		if err := series.DeleteIf(t.Context(), store, o, held); !errors.Is(err, bucket.ErrNotFound) {
			t.Error(err)
		}
	})
}

func change(t *testing.T, b bucket.Bucket, o bucket.Object, f func(bucket.Tags) error) {
	t.Helper()
	if _, err := series.ChangeTags(t.Context(), b, o, f); err != nil {
		t.Error(err)
	}
}

func blindly(t *testing.T, b bucket.Bucket, o bucket.Object, tags bucket.Tags) {
	t.Helper()
	if err := b.SetTags(t.Context(), o, tags); err != nil {
		t.Error(err)
	}
}

// A write that comes long after its read is none: the tags are read again. Here and
// below the time is a bubble's, in which a busy machine is no slow store.
func TestTagsOfASlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := inDirectory(t, t.TempDir())
		o := tagged(t, store, "a")
		b := &slow{meddler{Bucket: store}, 1}
		b.beforeSet = func() { change(t, store, o, setRetention(series.Pinned)) }
		if _, err := series.ChangeTags(t.Context(), b, o, func(tags bucket.Tags) error { tags[series.TagConfirmed] = "now"; return nil }); err != nil {
			t.Fatal(err)
		}
		hasTags(t, store, o, bucket.Tags{series.TagRetention: series.Pinned, series.TagDatabase: "app.db", series.TagConfirmed: "now"})
	})
}

// slow never answers the first writes.
type slow struct {
	meddler
	writes int
}

func (s *slow) SetTags(ctx context.Context, o bucket.Object, tags bucket.Tags) error {
	if s.writes--; s.writes < 0 {
		return s.meddler.SetTags(ctx, o, tags)
	}
	call(&s.beforeSet)
	<-ctx.Done()
	return context.Cause(ctx)
}

// In a directory nothing comes between read and write: of many changes at
// once none is lost, whatever they change.
func TestTagsOfManyInADirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := inDirectory(t, t.TempDir())
		o := tagged(t, store, "a")
		want := bucket.Tags{series.TagRetention: series.Held(series.Daily), series.TagDatabase: "app.db"}
		var all sync.WaitGroup
		for _, key := range strings.Split("abcdefghijklmnop", "") {
			want[key] = "1"
			all.Go(func() {
				written, err := series.ChangeTags(t.Context(), inDirectory(t, store.URL().Dir), o, func(tags bucket.Tags) error { tags[key] = "1"; return nil })
				if err != nil || !written {
					t.Error(written, err)
				}
			})
		}
		all.Wait()
		hasTags(t, store, o, want)
	})
}

// Whoever may read a directory can hold its lock. That costs time, and no more.
func TestTagsOfADirectoryThatIsLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := inDirectory(t, t.TempDir())
		o := tagged(t, store, "a")
		locker, _ := bucket.As[bucket.TagLocker](store)
		unlock, locked := locker.LockTags(t.Context())
		if !locked {
			t.Fatal("no lock")
		}
		defer unlock()
		began := time.Now()
		change(t, store, o, setRetention(series.Pinned))
		hasTags(t, store, o, bucket.Tags{series.TagRetention: series.Pinned, series.TagDatabase: "app.db"})
		if took := time.Since(began); took < 2*time.Second || took > 4*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// Nothing sets tags but ChangeTags, Put and doctor's trial: who sets them blindly
// loses pins.
func TestOnlyChangeTagsSetsTags(t *testing.T) {
	allowed := map[string]bool{"upload/series/changetags.go": true, "upload/doctor/tags.go": true, "upload/s3store/settle.go": true} // settle: of an object that is new
	files := 0
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, entry fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(filepath.Join("..", ".."), path)
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(rel, "upload/bucket/buckettest/") || allowed[rel] {
			return err
		}
		files++
		file, err := parser.ParseFile(gotoken.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "SetTags" {
					t.Errorf("%s calls SetTags", rel)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || files < 100 {
		t.Errorf("%d files: %v", files, err)
	}
}

// Of a store the present is the one that its answer to the listing tells.
func TestSnapshotsAheadOfTheStore(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	b := inMinIO(t, server)
	for _, ahead := range []time.Duration{-time.Hour, 4 * time.Minute, time.Hour} {
		buckettest.Put(t, b, buckettest.ObjectName(snapshot.NewID(time.Now().Add(ahead))), []byte("x"), nil)
	}
	fresh, err := upload.OpenURL(t.Context(), b.URL(), bucket.Options{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := series.Snapshots(t.Context(), fresh, time.Time{})
	if err != nil || len(all) != 3 || all[0].Implausible || all[1].Implausible || !all[2].Future {
		t.Errorf("%+v, %v", all, err)
	}
	if newest, err := series.Newest(t.Context(), fresh); err != nil || newest.ID != all[1].ID {
		t.Errorf("the newest is %s: %v", newest.ID, err)
	}
}

func inDirectory(t *testing.T, dir string) bucket.Bucket {
	t.Helper()
	return opened(t, bucket.URL{Dir: dir})
}

func inMinIO(t *testing.T, server *testserver.Server) bucket.Bucket {
	t.Helper()
	return opened(t, bucket.URL{Bucket: server.Bucket(t), Prefix: "some where/app"})
}

func opened(t *testing.T, u bucket.URL) bucket.Bucket {
	t.Helper()
	b, err := upload.OpenURL(t.Context(), u, bucket.Options{RetryFor: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSettleTime(t *testing.T) {
	for settle, want := range map[time.Duration]time.Duration{0: series.Settle, 1: 1, time.Hour: time.Hour} {
		if got, err := series.SettleTime(settle); got != want || err != nil {
			t.Errorf("%s: %s, %v, want %s", settle, got, err, want)
		}
	}
	if _, err := series.SettleTime(-1); err == nil {
		t.Error("below 0: no error")
	}
}
