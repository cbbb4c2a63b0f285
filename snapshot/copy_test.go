package snapshot

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

func extractTo(t *testing.T, b []byte) string {
	t.Helper()
	content, err := extract(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "restored.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// In WAL mode a copy never starts again, and no writer waits for it: none runs a
// blocking checkpoint.
func TestWALCopyIsNotDisturbedAndDoesNotDisturb(t *testing.T) {
	path := bank(t, "wal", 40)
	w := startWriters(t, path, 4, 0)
	looks := 0
	c, err := Take(t.Context(), path, CopyOptions{TempDir: t.TempDir(), Progress: func(int64, int64) {
		if looks++; looks <= 5 {
			w.await(t, 20) // while the copy is under way
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.stop()
	b, _ := archive(t, c, ArchiveOptions{})
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	checkBank(t, extractTo(t, b))
	if c.Restarts != 0 || !c.ReadLocked {
		t.Errorf("restarts: %d, read locked: %v; want 0, true", c.Restarts, c.ReadLocked)
	}
	if w.busy.Load() != 0 {
		t.Errorf("writers met a lock %d times", w.busy.Load())
	}
	if looks < 5 {
		t.Errorf("the copy took %d steps: the test shows nothing", looks)
	}
}

// With a rollback journal the copy starts again when somebody writes, but not
// for ever.
func TestRollbackCopyEndsUnderWriters(t *testing.T) {
	path := bank(t, "delete", 24)
	w := startWriters(t, path, 4, 5*time.Second)
	c := take(t, path, CopyOptions{Progress: w.disturb(t)})
	w.stop()
	b, _ := archive(t, c, ArchiveOptions{})
	checkBank(t, extractTo(t, b))
	// One more may happen between the last restart and the read transaction.
	if c.Restarts < maxRestarts || c.Restarts > maxRestarts+1 || !c.ReadLocked {
		t.Errorf("restarts: %d, read locked: %v; want %d or one more, true", c.Restarts, c.ReadLocked, maxRestarts)
	}
}

func TestRollbackCopyWithoutWriters(t *testing.T) {
	c := take(t, bank(t, "delete", 24), CopyOptions{})
	if c.Restarts != 0 || c.ReadLocked {
		t.Errorf("restarts: %d, read locked: %v; want 0, false", c.Restarts, c.ReadLocked)
	}
}

// One write at a known moment is one restart, also directly after the first step.
func TestRestartsAreCounted(t *testing.T) {
	needs.Time(t)
	for _, at := range []int{1, 2, 4} {
		path := bank(t, "delete", 30)
		calls := 0
		c := take(t, path, CopyOptions{Progress: func(done, total int64) {
			if calls++; calls == at {
				runSQL(t, path, "INSERT INTO ballast VALUES (1)")
			}
		}})
		if c.Restarts != 1 {
			t.Errorf("a write after step %d: %d restarts", at, c.Restarts)
		}
		if len(c.early) != 0 {
			t.Errorf("a write after step %d: %d frames were taken for good that an old page may be in", at, len(c.early))
		}
	}
}

// 200 snapshots under four writers: each has the same total.
func TestEverySnapshotIsConsistent(t *testing.T) {
	needs.Time(t)
	for mode, rounds := range map[string]int{"wal": 140, "delete": 60} {
		t.Run(mode, func(t *testing.T) {
			path := bank(t, mode, 1)
			w := startWriters(t, path, 4, 5*time.Second)
			for i := range rounds {
				c, err := Take(t.Context(), path, CopyOptions{TempDir: t.TempDir()})
				if err != nil {
					t.Fatalf("snapshot %d: %v", i, err)
				}
				if err := c.Check(t.Context(), CheckFull); err != nil {
					t.Fatalf("snapshot %d: %v", i, err)
				}
				b, _ := archive(t, c, ArchiveOptions{Level: LevelFastest})
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
				checkBank(t, extractTo(t, b))
			}
			t.Logf("%d snapshots, %d commits meanwhile", rounds, w.commits.Load())
		})
	}
}

func TestVacuum(t *testing.T) {
	path := bank(t, "wal", 20)
	runSQL(t, path, "DELETE FROM ballast WHERE rowid % 5 > 0; PRAGMA user_version=42")
	w := startWriters(t, path, 2, 5*time.Second)
	c := take(t, path, CopyOptions{Method: MethodVacuum})
	w.stop()
	b, m := archive(t, c, ArchiveOptions{})
	checkBank(t, extractTo(t, b))
	if m.JournalMode != "wal" || c.Header.WAL || m.UserVersion != 42 {
		t.Errorf("manifest: %+v, copy: %+v", m, c.Header)
	}
	if m.Size > 8<<20 {
		t.Errorf("the compact copy has %d bytes", m.Size)
	}
	if _, err := Take(t.Context(), path, CopyOptions{Method: MethodVacuum, MaxRate: 1, TempDir: t.TempDir()}); err == nil {
		t.Error("a rate limit for VACUUM INTO was accepted")
	}
}

func noTempFiles(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("left behind: %s", e.Name())
	}
}

func TestLocked(t *testing.T) {
	path := bank(t, "delete", 1)
	db := openAsApplication(t, path, nil)
	if _, err := db.Exec("BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	for _, method := range []Method{MethodBackup, MethodVacuum} {
		temp := t.TempDir()
		if _, err := Take(t.Context(), path, CopyOptions{TempDir: temp, Wait: 300 * time.Millisecond, Method: method}); !errors.Is(err, ErrLocked) {
			t.Errorf("%s of a locked database: %v", method, err)
		}
		noTempFiles(t, temp)
	}
	// A lock that comes after the first look, and goes again, is waited for.
	if _, err := db.Exec("COMMIT"); err != nil {
		t.Fatal(err)
	}
	lock := sync.OnceFunc(func() {
		if _, err := db.Exec("BEGIN EXCLUSIVE"); err != nil {
			t.Error(err)
		}
		time.AfterFunc(300*time.Millisecond, func() { db.Exec("COMMIT") })
	})
	take(t, path, CopyOptions{MaxRate: 2 << 20, Progress: func(done, total int64) {
		if done < total {
			lock()
		}
	}})
}

func TestCancel(t *testing.T) {
	path := bank(t, "wal", 40)
	for _, method := range []Method{MethodBackup, MethodVacuum} {
		temp := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		o := CopyOptions{TempDir: temp, Method: method}
		if method == MethodBackup {
			o.Progress = func(int64, int64) { cancel() }
		} else {
			cancel()
		}
		if _, err := Take(ctx, path, o); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", method, err)
		}
		cancel()
		noTempFiles(t, temp)
	}
	c := take(t, path, CopyOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Digest(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("digest: %v", err)
	}
	if err := c.Check(ctx, CheckFull); !errors.Is(err, context.Canceled) {
		t.Errorf("check: %v", err)
	}
	d, err := c.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteArchive(ctx, &bytes.Buffer{}, d, ArchiveOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("archive: %v", err)
	}
}

func TestRateLimit(t *testing.T) {
	path := bank(t, "wal", 10)
	began := time.Now()
	take(t, path, CopyOptions{MaxRate: 10 << 20})
	if took := time.Since(began); took < 700*time.Millisecond {
		t.Errorf("10 MiB at 10 MiB/s took %s", took)
	}
}

// What a killed run left behind is removed by the next; what a living one
// uses is not.
func TestSweep(t *testing.T) {
	temp := t.TempDir()
	path := bank(t, "wal", 1)
	living := take(t, path, CopyOptions{TempDir: temp})
	dead := filepath.Join(temp, "lifeboat-backup-dead")
	if err := errors.Join(os.Mkdir(dead, 0o700), os.WriteFile(filepath.Join(dead, "lock"), nil, 0o600), os.WriteFile(filepath.Join(dead, "copy.db"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	take(t, path, CopyOptions{TempDir: temp})
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left by a killed run: %v", err)
	}
	if _, err := os.Stat(living.path); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(filepath.Dir(living.path))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("temp directory: %v, %v", info.Mode(), err)
	}
	if info, err = os.Stat(living.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("copy: %v, %v", info.Mode(), err)
	}
}

// A growing WAL must not fill the application's disk, whether or not the copy
// is on the same one.
func TestRoomWatch(t *testing.T) {
	for _, shared := range []bool{false, true} {
		free := int64(900 << 20)
		w := &roomWatch{dir: "/data", shared: shared, free: func(string) (int64, error) { return free, nil }}
		w.start = w.left(100 << 20)
		if err := w.check(50 << 20); err != nil {
			t.Errorf("shared %v: with all the room of the beginning: %v", shared, err)
		}
		free, w.last = 220<<20, time.Time{}
		if shared { // what is free is still to be taken by the copy
			free = 220<<20 + 50<<20 - 100<<20
		}
		if err := w.check(50 << 20); !errors.Is(err, ErrNoRoom) {
			t.Errorf("shared %v: with little left: %v", shared, err)
		}
	}
}

// An application's own collation is unknown here; that is said, and without a
// check the database can be backed up.
func TestUnknownCollation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	sql.Register("sqlite3-with-collation", &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
		return c.RegisterCollation("mine", strings.Compare)
	}})
	db, err := sql.Open("sqlite3-with-collation", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE t (a TEXT COLLATE mine); CREATE INDEX i ON t (a); INSERT INTO t VALUES ('x'), ('y')"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	c := take(t, path, CopyOptions{})
	if err := c.Check(t.Context(), CheckQuick); !errors.Is(err, ErrUncheckable) || errors.Is(err, ErrSource) {
		t.Errorf("got %v", err)
	}
	if err := c.Check(t.Context(), CheckNone); err != nil {
		t.Error(err)
	}
}

// A restart is seen although the step before it met a lock: the copy is no older
// than a commit that it has.
func TestRestartBehindALock(t *testing.T) {
	path := bank(t, "delete", 12)
	conn, err := openAsApplication(t, path, nil).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "PRAGMA synchronous = OFF"); err != nil {
		t.Fatal(err)
	}
	var began time.Time
	committed := make(chan error, 1)
	progress := func(int64, int64) {
		if !began.IsZero() {
			return
		}
		began = time.Now()
		if _, err := conn.ExecContext(t.Context(), "BEGIN EXCLUSIVE; UPDATE account SET balance = balance + 7 WHERE id = 1"); err != nil {
			t.Error(err)
		}
		time.AfterFunc(300*time.Millisecond, func() {
			_, err := conn.ExecContext(context.Background(), "COMMIT")
			committed <- err
		})
	}
	c := take(t, path, CopyOptions{Progress: progress})
	if err := <-committed; err != nil {
		t.Fatal(err)
	}
	if c.Restarts != 1 || c.TakenAt.Before(began.Add(200*time.Millisecond)) {
		t.Errorf("%d restarts, taken %v after the writer began", c.Restarts, c.TakenAt.Sub(began))
	}
}
