package main

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/cache"
)

// A drill teaches the cache of a machine that backs up into the series, and of no
// other: the next backup stands on what another machine has uploaded.
func TestLearner(t *testing.T) {
	b, err := upload.Open(t.Context(), "file://"+t.TempDir(), upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "app.db")
	sqlite(t, db, "CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 6000) INSERT INTO t SELECT randomblob(1000) FROM n")
	backUp := func(cacheDir string) upload.BackupResult {
		t.Helper()
		sqlite(t, db, "INSERT INTO t VALUES (1)")
		r, err := upload.Backup(t.Context(), b, db, upload.BackupOptions{CacheDir: cacheDir})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	drill := func(r upload.BackupResult, cacheDir string) {
		t.Helper()
		l := learner{cacheDir, b, slog.New(slog.DiscardHandler)}
		if _, err := restore.Verify(t.Context(), b, r.Snapshot, restore.VerifyOptions{TempDir: t.TempDir(), Passed: l.learn}); err != nil {
			t.Fatal(err)
		}
	}
	here, there := t.TempDir(), t.TempDir()
	monthly := backUp(there) // the first of a series is one
	if r := backUp(here); !r.Snapshot.Full() {
		t.Fatalf("%s stands on what is not known here", r.Snapshot.Name)
	}
	drill(monthly, here)
	if r := backUp(here); r.Snapshot.Base == "" {
		t.Errorf("%s is a full one, although its base was verified here: %s", r.Snapshot.Name, r.WhyFull)
	}
	elsewhere := t.TempDir()
	drill(monthly, elsewhere)
	if known, err := cache.Find(elsewhere, b, "app.db", ""); err == nil || known != nil {
		t.Error("a machine that makes no backups has a cache")
	}
}
