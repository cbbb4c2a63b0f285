package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// makeBig makes a database of some MiB, so that a live restore of it takes
// many steps.
func makeBig(t testing.TB, path string, gen int, pragmas string) {
	t.Helper()
	run(t, path, pragmas+fillSQL(gen)+fmt.Sprintf(`
		CREATE TABLE bulk(id INTEGER PRIMARY KEY, gen INTEGER, b BLOB);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 14000)
		INSERT INTO bulk SELECT i, %d, randomblob(1000) FROM n;`, gen))
}

func liveOrder(target, source string, wal bool) childOrder {
	return childOrder{Target: target, Source: source, PageSize: 4096, WAL: wal, ID: testID, Live: true, Wait: time.Minute}
}

// An open connection sees the new content, and the new schema, without doing
// anything; the old content is kept; the target's journal mode stays.
func TestLive(t *testing.T) {
	for _, target := range []string{"WAL", "DELETE"} {
		for _, from := range []string{"WAL", "DELETE"} {
			t.Run(from+" into "+target, func(t *testing.T) {
				dir := t.TempDir()
				path, source := filepath.Join(dir, "app.db"), filepath.Join(t.TempDir(), "new.db")
				run(t, path, "PRAGMA journal_mode="+target+";"+fillSQL(genOld))
				run(t, source, "PRAGMA journal_mode="+from+";"+fillSQL(genNew)+"ALTER TABLE account ADD COLUMN added INTEGER DEFAULT 5; CREATE TABLE extra(x);")
				app := mustOpen(path)
				defer app.Close()
				ctx := t.Context()
				if n, err := app.Int(ctx, "SELECT max(gen) FROM account"); err != nil || n != genOld {
					t.Fatal(n, err)
				}
				o := liveOrder(path, source, from == "WAL")
				result, err := place(ctx, path, o.content(), o.options())
				if err != nil || !result.Live {
					t.Fatal(result, err)
				}
				if n, err := app.Int(ctx, "SELECT sum(added) + (SELECT count(*) FROM extra) FROM account"); err != nil || n != 5*rows {
					t.Fatalf("the open connection sees %d, %v", n, err)
				}
				if err := app.Exec(ctx, "UPDATE account SET added = 6"); err != nil {
					t.Fatal(err)
				}
				if row, err := app.Row(ctx, "PRAGMA journal_mode"); err != nil || row[0] != strings.ToLower(target) {
					t.Fatalf("the journal mode is %v, %v", row, err)
				}
				if len(result.Kept) != 1 {
					t.Fatalf("kept %v", result.Kept)
				}
				mustLook(t, result.Kept[0], genOld)
				if err := app.Close(); err != nil {
					t.Fatal(err)
				}
				mustLook(t, path, genNew)
				if got := names(t, path); len(got) != 2 {
					t.Fatalf("there is %v", got)
				}
			})
		}
	}
}

// Without a database there is nothing to write into: the file is placed.
func TestLiveAbsent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	o := liveOrder(path, newSource(t, ""), false)
	restored(t, o)
	mustLook(t, path, genNew)
}

func TestLivePageSize(t *testing.T) {
	for _, mode := range []string{"WAL", "DELETE"} {
		path, source := filepath.Join(t.TempDir(), "app.db"), filepath.Join(t.TempDir(), "new.db")
		run(t, path, "PRAGMA journal_mode="+mode+";"+fillSQL(genOld))
		run(t, source, "PRAGMA page_size=8192;"+fillSQL(genNew))
		app := mustOpen(path)
		if n, err := app.Int(t.Context(), "SELECT max(gen) FROM account"); err != nil || n != genOld {
			t.Fatal(n, err)
		}
		o := liveOrder(path, source, false)
		o.PageSize = 8192
		if mode == "DELETE" {
			restored(t, o)
			if n, err := app.Int(t.Context(), "SELECT max(gen) FROM account"); err != nil || n != genNew {
				t.Fatal(n, err)
			}
		} else if text := refusedWith(t, o, ErrCannotLive); !strings.Contains(text, "8192") || !strings.Contains(text, "4096") {
			t.Errorf("%s", text)
		}
		if err := app.Close(); err != nil {
			t.Fatal(err)
		}
		mustLook(t, path, map[string]int{"WAL": genOld, "DELETE": genNew}[mode])
	}
}

// What holds a lock is waited for, and then named.
func TestLiveLocked(t *testing.T) {
	needs.Time(t)
	source := newSource(t, "")
	for _, test := range []struct {
		mode, how string
		refused   bool
	}{
		{"WAL", "in a write", true},
		{"WAL", "in a read transaction", false},
		{"WAL", "idle", false},
		{"WAL", "in exclusive mode", true},
		{"DELETE", "in a write", true},
		{"DELETE", "in a read transaction", true},
		{"DELETE", "idle", false},
		{"DELETE", "in exclusive mode", true},
	} {
		t.Run(test.mode+" "+test.how, func(t *testing.T) {
			path := makeOld(t, "PRAGMA journal_mode="+test.mode+";")
			before := names(t, path)
			h := holdOpen(t, path, test.how)
			o := liveOrder(path, source, false)
			if !test.refused {
				restored(t, o)
				h.end()
				mustLook(t, path, genNew)
				return
			}
			o.Wait = 300 * time.Millisecond
			if text := refusedWith(t, o, ErrLocked); !strings.Contains(text, fmt.Sprintf("(pid %d)", h.cmd.Process.Pid)) {
				t.Errorf("it does not name process %d: %s", h.cmd.Process.Pid, text)
			}
			h.end()
			mustLook(t, path, genOld)
			if after := names(t, path); len(after) != len(before) {
				t.Errorf("%v became %v", before, after)
			}
			// A lock that goes away in time does no harm.
			h = holdOpen(t, path, test.how)
			o.Wait = 5 * time.Minute
			cmd := command(t, o)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			awaitOpen(t, cmd, path)
			h.end()
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
			mustLook(t, path, genNew)
		})
	}
}

// awaitOpen waits until a process has a database open.
func awaitOpen(t *testing.T, cmd *exec.Cmd, path string) {
	t.Helper()
	file, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	await.That(t, func() bool {
		return slices.ContainsFunc(holders(file), func(h Holder) bool { return h.PID == cmd.Process.Pid })
	})
}

// While a restore waits for a writer, that one can commit: what waits holds no
// lock that the commit would wait for.
func TestLiveWriterCommits(t *testing.T) {
	path := makeOld(t, "PRAGMA journal_mode=DELETE;")
	writer, err := sqlite.Open(path, 30*time.Second, url.Values{"mode": {"rw"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Exec(t.Context(), "BEGIN IMMEDIATE; UPDATE account SET balance = balance"); err != nil {
		t.Fatal(err)
	}
	o := liveOrder(path, newSource(t, ""), false)
	o.Wait = 5 * time.Minute
	cmd := command(t, o)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await.That(t, func() bool {
		_, err := os.Stat(path + ".before-" + string(testID))
		return err == nil // and the next thing is the lock
	})
	if err := writer.Exec(t.Context(), "COMMIT"); err != nil {
		t.Errorf("the writer cannot commit: %v", err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	mustLook(t, path, genNew)
}

// A database that SQLite cannot open cannot be written through it either, and
// what stands beside it stays as it is.
func TestLiveBroken(t *testing.T) {
	source := newSource(t, "")
	builds := map[string]func(t testing.TB, path string){
		"garbage":                       func(t testing.TB, path string) { write(t, path, garbage(20000)) },
		"nonsense behind a header, WAL": nonsenseWithWAL,
	}
	for _, s := range states {
		if s.damaged && s.name != "nonsense behind a header" { // SQLite takes its garbage of a journal for an end
			builds[s.name] = s.build
		}
	}
	for name, build := range builds {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.db")
			build(t, path)
			old := readDir(t, filepath.Dir(path))
			refusedWith(t, liveOrder(path, source, false), ErrCannotLive)
			now := readDir(t, filepath.Dir(path))
			delete(old, "app.db-shm")
			delete(now, "app.db-shm")
			if !maps.EqualFunc(old, now, bytes.Equal) {
				t.Errorf("the files were changed: %v became %v", slices.Sorted(maps.Keys(old)), slices.Sorted(maps.Keys(now)))
			}
		})
	}
}

func nonsenseWithWAL(t testing.TB, path string) {
	run(t, path, "PRAGMA journal_mode=WAL;"+fillSQL(genOld))
	crash(t, path, walPragmas+"UPDATE account SET note='' WHERE id=300;")
	b := readDir(t, filepath.Dir(path))[filepath.Base(path)]
	write(t, path, append(b[:100:100], garbage(len(b)-100)...))
}

// The old content that is kept is the last one, even if another process writes
// between the copy and the lock.
func TestLiveKeepsTheLast(t *testing.T) {
	for _, mode := range []string{"WAL", "DELETE"} {
		path := filepath.Join(t.TempDir(), "app.db")
		run(t, path, "PRAGMA journal_mode="+mode+";"+fillSQL(genStale))
		o := liveOrder(path, newSource(t, ""), false)
		options := o.options()
		written := false
		SetHook(&options, func(s string) {
			if s == string(stepLiveLock) && !written {
				written = true
				run(t, path, fillSQL(genOld))
			}
		})
		if _, err := place(t.Context(), path, o.content(), options); err != nil {
			t.Fatal(err)
		}
		mustLook(t, path, genNew)
		mustLook(t, path+".before-"+string(testID), genOld)
		if got := names(t, path); len(got) != 2 {
			t.Errorf("%s: there is %v", mode, got)
		}
	}
}

// Cancelled in the middle, a live restore leaves the old content.
func TestLiveCancel(t *testing.T) {
	for _, mode := range []string{"WAL", "DELETE"} {
		path, source := filepath.Join(t.TempDir(), "app.db"), filepath.Join(t.TempDir(), "new.db")
		makeBig(t, path, genOld, "PRAGMA journal_mode="+mode+";")
		makeBig(t, source, genNew, "")
		o := liveOrder(path, source, false)
		options := o.options()
		ctx, cancel := context.WithCancel(t.Context())
		SetHook(&options, func(s string) {
			if s == string(stepLiveWrite) {
				cancel()
			}
		})
		if _, err := place(ctx, path, o.content(), options); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		mustLook(t, path, genOld)
		if got := names(t, path); len(got) != 1 {
			t.Errorf("%s: there is %v", mode, got)
		}
	}
}
