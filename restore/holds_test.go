package restore

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// What Restore has left holds the snapshot, whatever mode it is in and after it was
// opened; with one more row, or one in a WAL, it does not.
func TestHolds(t *testing.T) {
	sqlite3 := func(db, sql string) {
		t.Helper()
		if out, err := exec.Command("sqlite3", db, sql).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for _, method := range []snapshot.Method{snapshot.MethodBackup, snapshot.MethodVacuum} {
		for _, mode := range []string{"delete", "wal"} {
			t.Run(string(method)+", "+mode, func(t *testing.T) {
				dir := t.TempDir()
				db, copied := filepath.Join(dir, "app.db"), filepath.Join(dir, "copy.db")
				sqlite3(db, "PRAGMA journal_mode="+mode+"; CREATE TABLE t (x); INSERT INTO t VALUES (randomblob(5000))")
				b, err := upload.OpenURL(t.Context(), bucket.URL{Dir: filepath.Join(dir, "series")}, upload.Options{})
				if err != nil {
					t.Fatal(err)
				}
				done, err := upload.Backup(t.Context(), b, db, upload.BackupOptions{Copy: snapshot.CopyOptions{Method: method}})
				if err != nil {
					t.Fatal(err)
				}
				holds := func(path string) bool {
					t.Helper()
					is, err := Holds(t.Context(), b, done.Snapshot, path, Options{})
					if err != nil {
						t.Fatal(err)
					}
					return is
				}
				if holds(copied) {
					t.Error("nothing holds a snapshot")
				}
				if _, err := Restore(t.Context(), b, done.Snapshot, copied, Options{}); err != nil {
					t.Fatal(err)
				}
				if !holds(copied) {
					t.Error("a restored file does not hold its snapshot")
				}
				sqlite3(copied, "SELECT count(*) FROM t; PRAGMA quick_check")
				if !holds(copied) {
					t.Error("it does not any more when it was read")
				}
				if err := os.WriteFile(copied+"-wal", []byte("something"), 0o600); err != nil {
					t.Fatal(err)
				}
				if holds(copied) {
					t.Error("it has a WAL, and still holds it")
				}
				if err := os.Remove(copied + "-wal"); err != nil {
					t.Fatal(err)
				}
				sqlite3(copied, "UPDATE t SET x = randomblob(5000)")
				if holds(copied) {
					t.Error("it was changed, and still holds it")
				}
			})
		}
	}
}
