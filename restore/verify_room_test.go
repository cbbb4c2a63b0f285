package restore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// The file is private while it is there, also under a lax umask, and gone
// after a cancellation. What a killed run left goes as well.
func TestVerifyTempFile(t *testing.T) {
	b := openBucket(t, "file://"+t.TempDir())
	s := backUp(t, b, newSource(t, ""), snapshot.MethodBackup)
	temp := t.TempDir()
	left := filepath.Join(temp, "lifeboat-backup-123")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(left, "lock"), nil)
	write(t, filepath.Join(left, "drill.db"), []byte("of a killed run"))
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	_, err := Verify(ctx, b, s, VerifyOptions{TempDir: temp, Progress: func(int64, int64) {
		seen++
		files, err := filepath.Glob(filepath.Join(temp, "*", "drill.db"))
		if err != nil || len(files) != 1 || strings.HasPrefix(files[0], left) {
			t.Errorf("files %v, %v", files, err)
			return
		}
		for name, want := range map[string]os.FileMode{files[0]: 0o600, filepath.Dir(files[0]): os.ModeDir | 0o700} {
			if info, err := os.Stat(name); err != nil || info.Mode() != want {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
		}
		cancel()
	}})
	if !errors.Is(err, context.Canceled) || seen == 0 {
		t.Errorf("%v, seen %d", err, seen)
	}
	noFiles(t, temp)
	// An endless query ends with its context too.
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = Verify(ctx, b, s, VerifyOptions{TempDir: temp, Queries: []string{"WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n) SELECT max(i) FROM n"}})
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrQuery) {
		t.Error(err)
	}
	noFiles(t, temp)
}

// Space is checked before anything is fetched; a disk that fills up meanwhile has the
// same error. A fast drill, without the database, needs no space.
func TestVerifyNoRoom(t *testing.T) {
	needs.Time(t)
	b := openBucket(t, "file://"+t.TempDir())
	s := unchecked(t, b, "CREATE TABLE t(x); INSERT INTO t VALUES (randomblob(60000000))", nil)
	for _, megabytes := range []int{3, 64} {
		small := t.TempDir()
		sh(t, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", megabytes), "tmpfs", small)
		t.Cleanup(func() { sh(t, "umount", small) })
		ballast := filepath.Join(small, "ballast")
		began := false
		_, err := Verify(t.Context(), b, s, VerifyOptions{TempDir: small, Workers: 1, Progress: func(done, total int64) {
			if began = true; done < total {
				fillDisk(t, ballast)
			}
		}})
		if !errors.Is(err, ErrNoRoom) || began != (megabytes == 64) {
			t.Errorf("%d MiB: %v, began %v", megabytes, err, began)
		}
		if began {
			if err := os.Remove(ballast); err != nil {
				t.Error(err)
			}
		}
		noFiles(t, small)
		if _, err := Verify(t.Context(), b, s, VerifyOptions{TempDir: small, Fast: true}); err != nil {
			t.Error(err)
		}
	}
}
