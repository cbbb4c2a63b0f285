package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// makeDB makes a database of about n thousand bytes.
func makeDB(t *testing.T, path string, n int, before string) {
	t.Helper()
	sqlite(t, path, before+fmt.Sprintf(`CREATE TABLE t (x);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d)
		INSERT INTO t SELECT randomblob(950) FROM n;`, n))
}

// A limit on the size of files stops a backup wherever it begins to bite: in
// the copy, its digests, or the snapshot in a directory.
func TestBackupUnderAFileLimit(t *testing.T) {
	needs.Time(t)
	dir, temp := t.TempDir(), t.TempDir()
	db := filepath.Join(dir, "app.db")
	makeDB(t, db, 6000, "")
	t.Setenv("TMPDIR", temp)
	refused := 0
	for blocks := 0; ; blocks = blocks*4/3 + 3 {
		bucket := filepath.Join(t.TempDir(), "bucket")
		code, out := ended(t, exec.Command("sh", "-c", fmt.Sprintf("ulimit -f %d; exec lifeboat backup %s file://%s", blocks, db, bucket)))
		checkEmpty(t, temp)
		if code == 0 {
			break
		}
		refused++
		if code != 8 || !strings.Contains(out, "error: ") {
			t.Errorf("%d blocks: exit %d: %s", blocks, code, out)
		}
		if left, err := os.ReadDir(bucket); !os.IsNotExist(err) && len(left) > 0 {
			t.Errorf("%d blocks: left %v", blocks, left)
		}
	}
	if refused < 10 {
		t.Errorf("only %d limits were too low", refused)
	}
}

// A copy of one page is smaller than its archive, and that is smaller than the
// metrics: so each limit stops another write, all with the hint of a full disk.
func TestWritesUnderAFileLimit(t *testing.T) {
	dir := t.TempDir()
	db, metrics := filepath.Join(dir, "app.db"), filepath.Join(dir, "app.prom")
	sqlite(t, db, "PRAGMA page_size = 512; PRAGMA user_version = 1;")
	for what, test := range map[string]struct{ bytes, code int }{
		"put file://":    {600, 8},
		"write metrics ": {2000, 3},
	} {
		bucket := filepath.Join(t.TempDir(), "bucket")
		limited := []string{fmt.Sprintf("--fsize=%d", test.bytes), "lifeboat", "backup", db, "file://" + bucket, "--metrics-file", metrics}
		code, out := ended(t, exec.Command("prlimit", limited...))
		if code != test.code || !strings.Contains(out, what) || !strings.Contains(out, "hint: make room on that disk") {
			t.Errorf("%d bytes: exit %d: %s", test.bytes, code, out)
		}
	}
}

// slowly starts a backup that takes a while, and returns when its copy has begun.
func slowly(t *testing.T, db, bucket, temp string) (finish func() (code int, output string), copied string) {
	t.Helper()
	command := exec.Command("lifeboat", "backup", db, bucket, "--temp-dir", temp, "--max-rate", "1MiB")
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	await.That(t, func() bool {
		copies, _ := filepath.Glob(filepath.Join(temp, "*", "copy.db"))
		if len(copies) != 1 || sizeOf(copies[0]) < 1<<20 {
			return false
		}
		copied = copies[0]
		return true
	})
	return func() (int, string) {
		command.Wait()
		return command.ProcessState.ExitCode(), out.String()
	}, copied
}

// A disk that others fill while the copy is made.
func TestTempDirGetsFull(t *testing.T) {
	dir, temp := t.TempDir(), t.TempDir()
	mount(t, temp, "size=12m")
	db := filepath.Join(dir, "app.db")
	makeDB(t, db, 8000, "")
	bucket := filepath.Join(dir, "bucket")
	finish, _ := slowly(t, db, "file://"+bucket, temp)
	remove := fill(t, temp)
	code, out := finish()
	if code != 8 || !strings.Contains(out, "hint: make room") {
		t.Errorf("exit %d: %s", code, out)
	}
	remove()
	checkEmpty(t, temp)
	if _, err := os.Stat(bucket); !os.IsNotExist(err) {
		t.Errorf("a bucket: %v", err)
	}
}

// A database that finds no room keeps no other one from being backed up.
func TestOneTooLargeForTheDisk(t *testing.T) {
	dir := newFleet(t, "file://"+filepath.Join(t.TempDir(), "bucket"))
	temp := t.TempDir()
	mount(t, temp, "size=4m")
	large := filepath.Join(dir, "tenants", "t999", "data.db")
	if err := os.Mkdir(filepath.Dir(large), 0o700); err != nil {
		t.Fatal(err)
	}
	makeDB(t, large, 8000, "")
	out := lifeboat(t, exitIncomplete, "backup", "--temp-dir", temp)
	for _, want := range []string{"t999/data.db (exit 8)", fmt.Sprintf("%d databases: %d uploaded, 0 unchanged, 1 not backed up", tenantsOf+1, tenantsOf)} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q: %s", want, out)
		}
	}
	checkEmpty(t, temp)
}

// A full directory is right for no job, though it can be restored from.
func TestDoctorOfAFullDirectory(t *testing.T) {
	dir := t.TempDir()
	mount(t, dir, "size=1m")
	fill(t, dir)
	code, out := ended(t, exec.Command("lifeboat", "doctor", "file://"+dir))
	if code != 8 || !strings.Contains(out, "error: a backup would not work") || !strings.Contains(out, "hint: make room") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// fill leaves no room on a disk, until what it returns is called.
func fill(t *testing.T, dir string) (remove func()) {
	t.Helper()
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	f.Close()
	return func() {
		if err := os.Remove(ballast); err != nil {
			t.Error(err)
		}
	}
}

// The temp directory is swept by somebody while the copy is in it.
func TestTempDirVanishes(t *testing.T) {
	dir, temp := t.TempDir(), t.TempDir()
	db := filepath.Join(dir, "app.db")
	makeDB(t, db, 6000, "")
	bucket := filepath.Join(dir, "bucket")
	finish, copied := slowly(t, db, "file://"+bucket, temp)
	if err := os.RemoveAll(filepath.Dir(copied)); err != nil {
		t.Fatal(err)
	}
	code, out := finish()
	if code != 8 || !strings.Contains(out, "hint: set --temp-dir") {
		t.Errorf("exit %d: %s", code, out)
	}
	checkEmpty(t, temp)
	if _, err := os.Stat(bucket); !os.IsNotExist(err) {
		t.Errorf("a bucket: %v", err)
	}
}

// The source ends earlier than it says: cut short while it is copied.
func TestSourceIsCutUnderWay(t *testing.T) {
	dir, temp := t.TempDir(), t.TempDir()
	db := filepath.Join(dir, "app.db")
	makeDB(t, db, 8000, "")
	bucket := filepath.Join(dir, "bucket")
	finish, _ := slowly(t, db, "file://"+bucket, temp)
	if err := os.Truncate(db, 4<<20); err != nil {
		t.Fatal(err)
	}
	code, out := finish()
	if code != 4 {
		t.Errorf("exit %d: %s", code, out)
	}
	checkEmpty(t, temp)
	if left, err := os.ReadDir(bucket); !os.IsNotExist(err) && len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// A read that fails with EIO: /proc has a file that does so at its beginning.
func TestReadError(t *testing.T) {
	temp := t.TempDir()
	code, out := ended(t, exec.Command("lifeboat", "backup", "/proc/self/mem", "file://"+filepath.Join(temp, "bucket"), "--temp-dir", temp))
	if code != 4 || !strings.Contains(out, "input/output error") {
		t.Errorf("exit %d: %s", code, out)
	}
	checkEmpty(t, temp)
}

// File systems that are mounted read-only, as containers have them.
func TestReadOnly(t *testing.T) {
	dir, temp := t.TempDir(), t.TempDir()
	mount(t, dir, "size=12m")
	rollback, wal := filepath.Join(dir, "rollback.db"), filepath.Join(dir, "wal.db")
	makeDB(t, rollback, 10, "")
	makeDB(t, wal, 10, "PRAGMA journal_mode=WAL;")
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("garbage "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temp)
	bucket := filepath.Join(temp, "bucket")
	for _, c := range []struct {
		args  []string
		code  int
		words string
	}{
		{[]string{"backup", rollback, "file://" + bucket}, 0, "uploaded: "},
		{[]string{"backup", wal, "file://" + bucket + "2"}, 4, "its directory is not writable, and a WAL database needs a -shm file there"},
		{[]string{"backup", garbage, "file://" + bucket + "3"}, 4, "not a SQLite database"},
		{[]string{"backup", rollback, "file://" + bucket, "--always", "--temp-dir", dir}, 8, "hint: set --temp-dir"},
		{[]string{"backup", rollback, "file://" + dir + "/bucket"}, 11, "read-only file system"},
		{[]string{"doctor", "file://" + dir}, 11, "error: a backup would not work"},
		{[]string{"restore", "file://" + bucket, filepath.Join(dir, "new.db")}, 8, "read-only file system"},
		{[]string{"restore", "file://" + bucket, rollback, "--replace"}, 8, "read-only file system"},
	} {
		code, out := ended(t, exec.Command("lifeboat", c.args...))
		if code != c.code || !strings.Contains(out, c.words) {
			t.Errorf("%s: exit %d, want %d and %q: %s", c.args, code, c.code, c.words, out)
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 1 {
		t.Errorf("in the temp directory: %v, %v", left, err)
	}
}

// mount mounts a tmpfs for the rest of the test. It needs root.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
}
