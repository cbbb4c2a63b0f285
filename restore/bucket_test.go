package restore

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

func openBucket(t testing.TB, url string) bucket.Bucket {
	t.Helper()
	b, err := upload.Open(t.Context(), url, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func backUp(t testing.TB, b bucket.Bucket, path string, method snapshot.Method) series.Snapshot {
	t.Helper()
	r, err := upload.Backup(t.Context(), b, path, upload.BackupOptions{Name: "app.db", Copy: snapshot.CopyOptions{Method: method, TempDir: t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	return r.Snapshot
}

// From a bucket and back, both stores: into a new file, over an old database,
// into an open one, to a stream.
func TestRestore(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	stores := map[string]string{"file": "file://" + t.TempDir(), "S3": "s3://" + server.Bucket(t) + "/app"}
	for name, url := range stores {
		t.Run(name, func(t *testing.T) {
			b := openBucket(t, url)
			db := filepath.Join(t.TempDir(), "app.db")
			run(t, db, "PRAGMA journal_mode=WAL;"+fillSQL(genOld))
			first := backUp(t, b, db, snapshot.MethodBackup)
			run(t, db, fillSQL(genNew))
			second := backUp(t, b, db, snapshot.MethodVacuum)

			latest, err := Select(t.Context(), b, Selector{})
			if err != nil || latest.ID != second.ID {
				t.Fatal(latest.ID, err)
			}
			older, err := Select(t.Context(), b, Selector{Before: second.ID})
			if err != nil || older.ID != first.ID {
				t.Fatal(older.ID, err)
			}

			target := filepath.Join(t.TempDir(), "new.db")
			missing, err := Missing(target)
			if err != nil || !missing {
				t.Fatal(missing, err)
			}
			var done, total int64
			result, err := Restore(t.Context(), b, older, target, Options{Workers: 2, Progress: func(d, all int64) { done, total = d, all }})
			if err != nil {
				t.Fatal(err)
			}
			if result.ID != first.ID || result.Target != target || result.Size != fileSize(target) || len(result.Kept) > 0 || done != total || total != result.Size {
				t.Fatalf("%+v, progress %d of %d", result, done, total)
			}
			mustLook(t, target, genOld)
			if _, err := Restore(t.Context(), b, latest, target, Options{}); !errors.Is(err, ErrTargetExists) {
				t.Fatal(err)
			}
			if missing, err = Missing(target); err != nil || missing {
				t.Fatal(missing, err)
			}
			result, err = Restore(t.Context(), b, latest, target, Options{Replace: true})
			if err != nil || len(result.Kept) != 1 {
				t.Fatal(result, err)
			}
			// VACUUM INTO writes a rollback database; the source was in WAL mode.
			if mode := run(t, target, "PRAGMA journal_mode"); mode != "wal\n" {
				t.Errorf("the journal mode is %s", mode)
			}
			mustLook(t, target, genNew)
			mustLook(t, result.Kept[0], genOld)
			if result, err = Restore(t.Context(), b, older, target, Options{Live: true}); err != nil || !result.Live {
				t.Fatal(result, err)
			}
			mustLook(t, target, genOld)

			var stream bytes.Buffer
			if err := Stream(t.Context(), b, older, &stream, Options{}); err != nil {
				t.Fatal(err)
			}
			streamed := filepath.Join(t.TempDir(), "streamed.db")
			write(t, streamed, stream.Bytes())
			mustLook(t, streamed, genOld)

			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := Restore(ctx, b, latest, target, Options{Replace: true}); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			for _, name := range names(t, target) {
				if strings.HasPrefix(name, ".") {
					t.Errorf("%s is left over", name)
				}
			}
		})
	}
}

// A snapshot with any byte changed, or cut at any length, leaves the target
// alone.
func TestDamagedSnapshot(t *testing.T) {
	needs.Time(t)
	dir := t.TempDir()
	b := openBucket(t, "file://"+dir)
	source := filepath.Join(t.TempDir(), "app.db")
	run(t, source, "PRAGMA page_size=512; CREATE TABLE t(x); INSERT INTO t VALUES (1), (2);")
	s := backUp(t, b, source, snapshot.MethodBackup)
	object := filepath.Join(dir, s.Object.Name)
	good, err := os.ReadFile(object)
	if err != nil {
		t.Fatal(err)
	}
	target := makeOld(t, "PRAGMA journal_mode=WAL;")
	old := readDir(t, filepath.Dir(target))
	refused := func(what string, n int, changed []byte) {
		write(t, object, changed)
		damaged, err := Select(t.Context(), b, Selector{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Restore(t.Context(), b, damaged, target, Options{Replace: true})
		if !errors.Is(err, snapshot.ErrDamaged) && !errors.Is(err, snapshot.ErrNewerFormat) {
			t.Fatalf("%s %d: %v", what, n, err)
		}
		now := readDir(t, filepath.Dir(target))
		if len(now) != len(old) || !bytes.Equal(now["app.db"], old["app.db"]) {
			t.Fatalf("%s %d: the target changed, or something is left over", what, n)
		}
	}
	for i := range good {
		changed := bytes.Clone(good)
		changed[i] ^= 1 << (i % 8)
		refused("flip", i, changed)
	}
	for n := range good {
		refused("cut to", n, good[:n])
	}
	t.Logf("%d flips and %d cuts refused", len(good), len(good))
	write(t, object, good)
	fresh, err := Select(t.Context(), b, Selector{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), b, fresh, target, Options{Replace: true}); err != nil {
		t.Fatal(err)
	}
	if n := run(t, target, "SELECT sum(x) FROM t"); n != "3\n" {
		t.Fatal(n)
	}
}

func TestPrepare(t *testing.T) {
	b := openBucket(t, "file://"+t.TempDir())
	source := newSource(t, "")
	s := backUp(t, b, source, snapshot.MethodBackup)
	plan := func(path string, o Options) Preview {
		t.Helper()
		before, changed := names(t, path), modified(t, path)
		p, err := Prepare(t.Context(), b, s, path, o, s.ID.Time().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if after := names(t, path); len(before) != len(after) {
			t.Errorf("%v became %v", before, after)
		}
		if now := modified(t, path); !now.Equal(changed) {
			t.Errorf("beside %s something was changed: %v became %v", path, changed, now)
		}
		if p.Age != time.Hour || p.Manifest.Size != fileSize(source) || p.Free <= 0 || p.Need < p.Manifest.Size {
			t.Errorf("%+v", p)
		}
		return p
	}
	want := map[string]string{
		"clean WAL":                      "a database",
		"unfolded WAL":                   "a database with a WAL that is not folded in",
		"hot journal":                    "a database with a hot journal",
		"garbage with a WAL":             "a file that SQLite cannot open as a database",
		"zero bytes with sidecars":       "a file that SQLite cannot open as a database",
		"cut short beside a WAL":         "a file that SQLite cannot open as a database",
		"cut short beside a hot journal": "a file that SQLite cannot open as a database",
		"absent":                         "absent",
		"absent with sidecars":           "absent, with sidecars left over",
	}
	for _, state := range states {
		if _, tested := want[state.name]; !tested {
			continue
		}
		x := state.make(t)
		p := plan(x.target, Options{Replace: true})
		if p.Refusal != nil || p.Old != want[state.name] || p.Target != x.db || p.OldSize != fileSize(x.db) {
			t.Errorf("%s: %+v", state.name, p)
		}
		if kept := len(x.old) > 0; kept != (p.Kept == x.db+".before-"+string(s.ID)) {
			t.Errorf("%s: kept as %q", state.name, p.Kept)
		}
		delete(want, state.name)
	}
	if len(want) > 0 {
		t.Errorf("not tested: %v", want)
	}
	path := makeOld(t, "")
	if p := plan(path, Options{}); !errors.Is(p.Refusal, ErrTargetExists) || p.Old != "present" {
		t.Errorf("%+v", p)
	}
	h := holdOpen(t, path, "idle")
	if p := plan(path, Options{Replace: true}); !errors.Is(p.Refusal, ErrTargetOpen) || len(p.Holders) != 1 || p.Holders[0].PID != h.cmd.Process.Pid {
		t.Errorf("%+v", p)
	}
	if p := plan(path, Options{Live: true}); p.Refusal != nil || len(p.Holders) != 1 {
		t.Errorf("%+v", p)
	}
	if p, err := Prepare(t.Context(), b, s, filepath.Join(path, "x"), Options{}, time.Now()); err != nil || !errors.Is(p.Refusal, ErrTarget) {
		t.Errorf("%+v, %v", p, err)
	}
}

// modified returns when a name in the directory of path was last changed.
func modified(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

// A restore at work is a reason to refuse; what a killed one left is none, and
// stays.
func TestPrepareBesideALock(t *testing.T) {
	b := openBucket(t, "file://"+t.TempDir())
	s := backUp(t, b, newSource(t, ""), snapshot.MethodBackup)
	path := filepath.Join(t.TempDir(), "app.db")
	found, err := inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	name := found.beside("lock")
	l, err := takeLock(steps{}, name)
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want error) {
		t.Helper()
		if p, err := Prepare(t.Context(), b, s, path, Options{}, time.Now()); err != nil || !errors.Is(p.Refusal, want) {
			t.Errorf("refusal %v, %v", p.Refusal, err)
		}
		if _, err := os.Lstat(name); err != nil {
			t.Error(err)
		}
	}
	expect(ErrRestoring)
	if err := l.file.Close(); err != nil {
		t.Fatal(err)
	}
	expect(nil)
}

// The stock tool gives the same bytes as Stream.
func TestStockTool(t *testing.T) {
	dir := t.TempDir()
	b := openBucket(t, "file://"+dir)
	s := backUp(t, b, newSource(t, ""), snapshot.MethodBackup)
	out, err := exec.Command("zstd", "-dc", filepath.Join(dir, s.Object.Name)).Output()
	if err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	if err := Stream(t.Context(), b, s, &stream, Options{}); err != nil || !bytes.Equal(out, stream.Bytes()) {
		t.Fatal(err, len(out), stream.Len())
	}
}
