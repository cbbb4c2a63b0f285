package upload

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload/cache"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// noon is when the job of a test begins: on a Wednesday.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// path returns where the snapshot's object lies.
func (j *job) path(s series.Snapshot) string { return filepath.Join(j.URL().Dir, s.Object.Name) }

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// Whatever has become of the base, a right snapshot follows: on another base, or a full
// one.
func TestWhatBecameOfTheBase(t *testing.T) {
	for what, harm := range map[string]func(t *testing.T, j *job, base series.Snapshot){
		"deleted":   func(t *testing.T, j *job, base series.Snapshot) { remove(t, j.path(base)) },
		"released":  func(t *testing.T, j *job, base series.Snapshot) { retag(t, j, base.Object, string(base.Class)) },
		"re-tagged": func(t *testing.T, j *job, base series.Snapshot) { retag(t, j, base.Object, "mine") },
		"without tags": func(t *testing.T, j *job, base series.Snapshot) {
			if err := j.SetTags(t.Context(), base.Object, nil); err != nil {
				t.Fatal(err)
			}
		},
		"overwritten": func(t *testing.T, j *job, base series.Snapshot) {
			if err := os.WriteFile(j.path(base), make([]byte, base.Object.Size), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for _, when := range []string{"before", "during"} {
			t.Run(what+" "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { survives(t, when == "during", harm) })
			})
		}
	}
}

// survives harms the hourly base before a run, or while it uploads.
func survives(t *testing.T, during bool, harm func(t *testing.T, j *job, base series.Snapshot)) {
	j := newJob(t, noon)
	o := j.options(t)
	month := j.run(t, o).Snapshot
	at(25, 13, 0)
	j.change(t, 3)
	hour := j.run(t, o).Snapshot
	if hour.Base != month.ID {
		t.Fatalf("%s stands on %q", hour.Name, hour.Base)
	}
	j.change(t, 3)
	at(25, 13, 30)
	if during {
		j.beforePut = func(string) { j.beforePut = nil; harm(t, j, hour) }
	} else {
		harm(t, j, hour)
	}
	r := j.run(t, o)
	j.restores(t, r)
	if during != r.Snapshot.Full() || r.Snapshot.Base == hour.ID {
		t.Errorf("%s: %s", r.Snapshot.Name, r.WhyFull)
	}
	at(25, 13, 40)
	j.change(t, 3)
	again := j.run(t, o)
	j.restores(t, again)
	if again.Snapshot.Full() {
		t.Errorf("the run after is full again: %s", again.WhyFull)
	}
}

// After a chain that has broken a full snapshot follows, and then all is well.
func TestFullAfterABrokenOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob(t, noon)
		o := j.options(t)
		j.run(t, o)
		at(25, 13, 0)
		j.change(t, 3)
		hour := j.run(t, o).Snapshot
		at(25, 13, 10)
		j.change(t, 3)
		if s := j.run(t, o).Snapshot; s.Base != hour.ID {
			t.Fatalf("%s stands on another", s.Name)
		}
		remove(t, j.path(hour))
		for i, full := range []bool{true, false} {
			at(25, 13, 20+10*i)
			j.change(t, 3)
			r := j.run(t, o)
			j.restores(t, r)
			if s := r.Snapshot; s.Full() != full || full && s.Class != series.Hourly {
				t.Errorf("run %d: %s: %s", i, s.Name, r.WhyFull)
			}
		}
		known, err := cache.Find(j.cache, j, filepath.Base(j.db), j.db)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := known.Lookup(hour.Object); !errors.Is(err, cache.ErrUnknown) || !known.KnowsAny() {
			t.Errorf("what is gone: %v", err)
		}
	})
}

// What the database has become meanwhile decides what is stored.
func TestDatabaseThatBecameAnother(t *testing.T) {
	for what, test := range map[string]struct {
		class series.Class
		full  bool
		sql   string
	}{
		"journal mode":         {series.Recent, false, "PRAGMA journal_mode = WAL; UPDATE t SET a = 'x' WHERE id = 7"},
		"another schema":       {series.Recent, false, "CREATE TABLE u (b); INSERT INTO u VALUES (1)"},
		"a third of the pages": {series.Recent, false, "UPDATE t SET a = randomblob(4000) WHERE id % 3 = 0"},
		"shrunk by a third":    {series.Recent, true, "DELETE FROM t WHERE id > 1000; VACUUM"}, // 4 MiB and less are stored whole
		"most of the pages":    {series.Daily, true, "UPDATE t SET a = randomblob(4000) WHERE id % 3 > 0"},
		"another page size":    {series.Daily, true, "PRAGMA page_size = 8192; VACUUM"},
		"one page":             {series.Recent, true, "DROP TABLE t; VACUUM; CREATE TABLE t (a)"},
		"ten times the size": {series.Daily, true, `WITH n(i) AS (SELECT 2000 UNION ALL SELECT i+1 FROM n WHERE i < 15000)
			INSERT INTO t SELECT i, randomblob(4000) FROM n`},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := newJob(t, noon)
				o := j.options(t)
				first := j.run(t, o).Snapshot
				sqlitetest.Exec(t, j.db, test.sql)
				at(25, 12, 30)
				r := j.run(t, o)
				j.restores(t, r)
				if r.Snapshot.Full() != test.full || !test.full && r.Snapshot.Base != first.ID || r.Snapshot.Class != test.class || r.ForWant != (test.class == series.Daily) {
					t.Errorf("%s, %d pages: %s", r.Snapshot.Name, r.ArchivePages, r.WhyFull)
				}
			})
		})
	}
}

// A cache that is lost costs two full snapshots a day that others can stand on.
func TestLostCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob(t, noon)
		o := j.options(t)
		j.run(t, o)
		for i, want := range []struct {
			class series.Class
			full  bool
			lost  bool
		}{
			{series.Recent, false, false},
			{series.Daily, true, true}, // beside the monthly one it is the day's second
			{series.Recent, false, false},
			{series.Recent, true, true},
			{series.Recent, true, false}, // nothing has a longer class
		} {
			if want.lost {
				remove(t, j.cache)
			}
			at(25, 12, 5*i+5)
			j.change(t, 3)
			r := j.run(t, o)
			j.restores(t, r)
			if s := r.Snapshot; s.Class != want.class || s.Full() != want.full {
				t.Errorf("run %d: %s: %s", i, s.Name, r.WhyFull)
			}
		}
		at(25, 13, 0)
		j.change(t, 3)
		if s := j.run(t, o).Snapshot; s.Class != series.Hourly || !s.Full() {
			t.Errorf("in the next hour: %s", s.Name)
		}
		at(25, 13, 5)
		if r := j.run(t, o); !r.Unchanged {
			t.Errorf("unchanged: %+v", r)
		}
		remove(t, j.cache) // the tag is believed
		if r := j.run(t, o); !r.Unchanged {
			t.Errorf("unchanged without a cache: %+v", r)
		}
	})
}

// A newest snapshot that the cache has never seen is no proof that nothing changed.
func TestNewestThatTheCacheDoesNotKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob(t, noon)
		o := j.options(t)
		first := j.run(t, o)
		at(25, 12, 30)
		other := o
		other.CacheDir = filepath.Join(t.TempDir(), "elsewhere") // another machine, or a thief
		other.Always = true
		second := j.run(t, other)
		at(25, 12, 40)
		r := j.run(t, o)
		if r.Unchanged || r.Snapshot.Base != first.Snapshot.ID || r.Digest != second.Digest {
			t.Errorf("%+v", r)
		}
		j.restores(t, r)
	})
}

// A newest snapshot whose base was overwritten or cut short is no proof that nothing
// changed: it cannot be restored, so a full one follows.
func TestUnchangedOnAnOverwrittenBase(t *testing.T) {
	for what, size := range map[string]func(int64) int64{
		"overwritten": func(size int64) int64 { return size },
		"cut short":   func(size int64) int64 { return size / 2 },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := newJob(t, noon)
				o := j.options(t)
				base := j.run(t, o).Snapshot
				at(25, 12, 30)
				j.change(t, 3)
				if s := j.run(t, o).Snapshot; s.Base != base.ID {
					t.Fatalf("%s stands on %q", s.Name, s.Base)
				}
				if err := os.WriteFile(j.path(base), make([]byte, size(base.Object.Size)), 0o600); err != nil {
					t.Fatal(err)
				}
				at(25, 12, 40)
				var log bytes.Buffer
				o.Log = slog.New(slog.NewTextHandler(&log, nil))
				r := j.run(t, o)
				if r.Unchanged || !r.Snapshot.Full() {
					t.Fatalf("unchanged %t, %s", r.Unchanged, r.Snapshot.Name)
				}
				if warned := strings.Count(log.String(), "counts as changed"); warned != 1 {
					t.Errorf("warned %d times: %s", warned, &log)
				}
				j.restores(t, r)
				at(25, 12, 50)
				if r := j.run(t, o); !r.Unchanged {
					t.Errorf("after it: %s, %s", r.Snapshot.Name, r.WhyFull)
				}
			})
		})
	}
}

// Differentials are encrypted to the same keys as their base.
func TestEncryptedDifferentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob(t, noon)
		o := j.options(t)
		plain := j.run(t, o).Snapshot
		one, other := x25519(t).Recipient(), x25519(t).Recipient()
		o.Recipients = append(o.Recipients, one)
		step := func(minute int, full bool) series.Snapshot {
			t.Helper()
			at(25, 13, minute)
			j.change(t, 3)
			r := j.run(t, o)
			if s := r.Snapshot; s.Full() != full || !s.Encrypted || !strings.HasSuffix(s.Object.Name, ".age") {
				t.Errorf("%s: %s", s.Name, r.WhyFull)
			}
			return r.Snapshot
		}
		hour := step(0, true)
		if s := step(5, false); s.Base != hour.ID || s.Base == plain.ID {
			t.Errorf("%s stands on another", s.Name)
		}
		at(25, 13, 10)
		if r := j.run(t, o); !r.Unchanged {
			t.Errorf("unchanged: %+v", r)
		}
		o.Recipients = append(o.Recipients, other)
		if r := j.run(t, o); r.Unchanged || !r.Snapshot.Full() {
			t.Errorf("to one more: %+v", r)
		}
		tags := tagsOf(t, j, hour)
		if tags[series.TagDigest] != "" {
			t.Errorf("tags of an encrypted one: %v", tags)
		}
	})
}

// A period that begins while the database is read makes another base right.
func TestPeriodBeginsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob(t, noon)
		o := j.options(t)
		month := j.run(t, o).Snapshot
		at(25, 13, 0)
		j.change(t, 3)
		hour := j.run(t, o).Snapshot
		at(25, 13, 30)
		j.change(t, 3)
		o.setDefaults(j.db)
		read := o.Read
		var bases []string
		o.Read = func(ctx context.Context, path string, base snapshot.Base, ro snapshot.ReadOptions) (*snapshot.Reading, error) {
			bases = append(bases, string(base.ID))
			if len(bases) == 1 {
				at(25, 14, 0)
			}
			return read(ctx, path, base, ro)
		}
		r := j.run(t, o)
		if s := r.Snapshot; s.Class != series.Hourly || s.Base != month.ID || len(bases) != 2 || bases[0] != string(hour.ID) {
			t.Errorf("%s, read against %v", s.Name, bases)
		}
		j.restores(t, r)
	})
}
