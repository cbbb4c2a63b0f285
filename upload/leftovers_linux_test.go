package upload

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
)

// A snapshot that is in the bucket is not failed by what cannot be cleared away.
func TestBackupThatCannotClearUp(t *testing.T) {
	b, db := emptySeries(t)
	temp := t.TempDir()
	o := BackupOptions{Copy: snapshot.CopyOptions{TempDir: temp}}
	o.Progress = func(s Stage, _, _ int64) {
		if s == StageUpload {
			made, _ := filepath.Glob(filepath.Join(temp, "*"))
			for _, dir := range made {
				os.Chmod(dir, 0o500)
			}
		}
	}
	t.Cleanup(func() {
		made, _ := filepath.Glob(filepath.Join(temp, "*"))
		for _, dir := range made {
			os.Chmod(dir, 0o700)
		}
	})
	type outcome struct {
		r   BackupResult
		err error
	}
	done := make(chan outcome)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its lost rights
		withoutOverride()
		r, err := Backup(t.Context(), b, db, o)
		done <- outcome{r, err}
	}()
	got := <-done
	if !errors.Is(got.err, ErrIncomplete) || got.r.Snapshot.ID == "" || count(t, b) != 1 {
		t.Errorf("%+v, %v", got.r, got.err)
	}
	if left := buckettest.DirNames(t, temp); len(left) != 1 {
		t.Errorf("the temp directory was removed: %v", left)
	}
}

// withoutOverride takes from this thread root's right to write everywhere.
func withoutOverride() {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) == nil {
		data[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
		_ = unix.Capset(&header, &data[0]) // fails for a user who never had them
	}
}
