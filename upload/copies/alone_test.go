package copies

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
)

// backups backs a database up, whole each time, and returns the ID of its snapshot.
func backups(t *testing.T, b bucket.Bucket, path string) snapshot.ID {
	t.Helper()
	r, err := upload.Backup(t.Context(), b, path, upload.BackupOptions{Adopt: true, Always: true, Full: true})
	if err != nil {
		t.Fatal(err)
	}
	return r.Snapshot.ID
}

// remove deletes one snapshot.
func remove(t *testing.T, b bucket.Bucket, id snapshot.ID) {
	t.Helper()
	all := buckettest.List(t, b, "")
	i := slices.IndexFunc(all, func(o bucket.Object) bool { return o.Name[:len(id)] == string(id) })
	if err := b.Delete(t.Context(), all[i]); err != nil {
		t.Fatal(err)
	}
}

// Two databases of one name and schema do not mix, unless that is asked for.
func TestNothingInCommon(t *testing.T) {
	from, other, to := inDirectory(t), inDirectory(t), inDirectory(t)
	for _, b := range []bucket.Bucket{from, other} {
		backups(t, b, sqlitetest.Application(t, "CREATE TABLE a (b)", 10))
	}
	mustCopy(t, from, to, Options{})
	if _, err := Run(t.Context(), other, to, Options{}); !errors.Is(err, upload.ErrOtherDatabase) || len(buckettest.List(t, to, "")) != 1 {
		t.Errorf("a database of the same name and schema: %v", err)
	}
	mustCopy(t, other, to, Options{Adopt: true})
	if n := len(buckettest.List(t, to, "")); n != 2 {
		t.Errorf("adopted, %d snapshots are there", n)
	}
}

// A database that was renamed is copied on, also where retention has taken one of its
// old name from the source alone.
func TestRenamed(t *testing.T) {
	from, to := inDirectory(t), inDirectory(t)
	path := sqlitetest.Application(t, "CREATE TABLE a (b)", 10)
	backups(t, from, path)
	taken := backups(t, from, path)
	mustCopy(t, from, to, Options{})
	renamed := filepath.Join(t.TempDir(), "renamed.db")
	if err := os.Rename(path, renamed); err != nil {
		t.Fatal(err)
	}
	backups(t, from, renamed)
	remove(t, from, taken)
	if r := mustCopy(t, from, to, Options{}); len(r.Copied) != 1 {
		t.Errorf("copied %+v", r.Copied)
	}
}

// Where another copy has been killed a moment ago, before its object came, what it has
// left is not taken for another object.
func TestAfterOneThatWasKilled(t *testing.T) {
	from, to := inDirectory(t), inDirectory(t)
	all := fill(t, from, 10)
	mustCopy(t, from, to, Options{Choice: Choice{Since: all[3].Time()}})
	left := filepath.Join(to.URL().Dir, string(all[2])+".tags")
	if err := os.WriteFile(left, []byte(`{"lifeboat-retention":"held-recent"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), from, to, Options{}); !errors.Is(err, bucket.ErrExists) || !errors.Is(err, ErrPartly) || strings.Contains(err.Error(), "another object") {
		t.Errorf("with tags of a moment ago: %v", err)
	}
	buckettest.MakeOld(t, left, time.Hour)
	mustCopy(t, from, to, Options{})
	sameObjects(t, from, to, all...)
}

// A base is locked for as long as what stands on it, also through others, may still be
// copied: each of a chain until the last call of its base.
func TestLockCoversWhatStandsOnIt(t *testing.T) {
	from, to := inDirectory(t), inDirectory(t)
	fill(t, from, 10)
	seen := locks{to, map[series.Class]time.Duration{}}
	mustCopy(t, from, seen, Options{})
	all, err := series.Snapshots(t.Context(), to, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		var late time.Duration // how much later than a base the last of its chain may come
		for _, part := range slices.Backward(s.Chain()[:len(s.Chain())-1]) {
			late += part.LastCall().Sub(part.Object.Modified)
			if seen.longer[part.Class] < late {
				t.Errorf("%s is locked for %v longer, and %s may come %v later", part.ID, seen.longer[part.Class], s.ID, late)
			}
		}
	}
	if seen.longer[series.Recent] != 0 || seen.longer[series.Daily] != 5*24*time.Hour || series.Monthly.StandsInCopies() != 14*24*time.Hour {
		t.Errorf("locked for longer: %v, a monthly one for %v", seen.longer, series.Monthly.StandsInCopies())
	}
}

// locks notes for how much longer objects are locked.
type locks struct {
	bucket.Bucket
	longer map[series.Class]time.Duration
}

func (b locks) Put(ctx context.Context, name string, o bucket.PutOptions, write func(io.Writer) error) (bucket.PutResult, error) {
	parsed, _ := series.ParseName(name)
	b.longer[parsed.Class] = o.LockLonger
	return b.Bucket.Put(ctx, name, o, write)
}

// Nothing comes to stand on what retention at the target may take.
func TestReleasedBase(t *testing.T) {
	from, to := inDirectory(t), inDirectory(t)
	all := fill(t, from, 10)
	mustCopy(t, from, to, Options{Choice: Choice{Classes: []series.Class{series.Daily}}})
	base := buckettest.List(t, to, "")[0]
	retention := func(value string) {
		t.Helper()
		if err := to.SetTags(t.Context(), base, bucket.Tags{series.TagRetention: value}); err != nil {
			t.Fatal(err)
		}
	}
	retention(string(series.Daily))
	r := mustCopy(t, from, to, Options{})
	if len(r.Copied) != 1 || r.Copied[0].ID != all[3] || len(r.Plan.Left) != 2 || !strings.Contains(r.Plan.Left[0].Why, "is released") {
		t.Errorf("on a released base: %+v, left %+v", r.Copied, r.Plan.Left)
	}
	retention(series.Pinned)
	if r := mustCopy(t, from, to, Options{}); len(r.Copied) != 2 {
		t.Errorf("on a pinned base: %+v, left %+v", r.Copied, r.Plan.Left)
	}
}

// What proves an encrypted snapshot ends with its copy.
func TestProofsEnd(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	from, to := inDirectory(t), inDirectory(t)
	all := fill(t, from, 10, identity.Recipient())
	before := runtime.NumGoroutine()
	mustCopy(t, from, to, Options{Identities: []age.Identity{identity}})
	sameObjects(t, from, to, all...)
	await.That(t, func() bool { return runtime.NumGoroutine() < before+len(all) }) // they need not end at once
}

// A copy that takes days does not bring what by then stands on a base that retention at the
// target could take: one that was there before, or one that the same copy has brought.
func TestBaseTooOldMeanwhile(t *testing.T) {
	for name, before := range map[string]bool{"there before": true, "of the same copy": false} {
		from, to := inDirectory(t), inDirectory(t)
		all := fill(t, from, 10)
		if before {
			mustCopy(t, from, to, Options{Choice: Choice{Classes: []series.Class{series.Daily}}})
		}
		days := slowly{to, all[0], new(bool)}
		if before {
			days.id = all[3] // the first one that is copied
		}
		r, err := Run(t.Context(), from, days, Options{})
		if !errors.Is(err, ErrPartly) || !strings.Contains(err.Error(), "too long by now") || len(r.Refused) != 2 || r.Refused[0].ID != all[1] {
			t.Errorf("%s: %v, refused %+v", name, err, r.Refused)
		}
		sameObjects(t, from, to, all[0], all[3])
	}
}

// slowly is a bucket in which four days pass with the upload of one object.
type slowly struct {
	bucket.Bucket
	id     snapshot.ID
	passed *bool
}

func (b slowly) Put(ctx context.Context, name string, o bucket.PutOptions, write func(io.Writer) error) (bucket.PutResult, error) {
	result, err := b.Bucket.Put(ctx, name, o, write)
	*b.passed = *b.passed || strings.HasPrefix(name, string(b.id))
	return result, err
}

func (b slowly) ClockOffset() (time.Duration, bool) {
	if *b.passed {
		return 4 * 24 * time.Hour, true
	}
	return 0, true
}
