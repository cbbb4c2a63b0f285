package restore

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// A database that is in its place is restored, also when the lock file cannot
// be removed.
func TestRestoredButLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	o := basicOrder(path, newSource(t, ""))
	options := o.options()
	SetHook(&options, func(s string) {
		if s != string(stepUnlock) {
			return
		}
		locks, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".app.db*lock"))
		if err != nil || len(locks) != 1 {
			t.Fatal(locks, err)
		}
		if err := errors.Join(os.Remove(locks[0]), os.MkdirAll(filepath.Join(locks[0], "full"), 0o700)); err != nil {
			t.Fatal(err)
		}
	})
	result, err := place(t.Context(), path, o.content(), options)
	if !errors.Is(err, ErrLeft) || result.Target == "" {
		t.Errorf("%+v, %v", result, err)
	}
	mustLook(t, path, genNew)
}

// A drill that has succeeded has, also when its temp file cannot be removed.
func TestVerifiedButLeft(t *testing.T) {
	b := openBucket(t, "file://"+t.TempDir())
	s := backUp(t, b, newSource(t, ""), snapshot.MethodBackup)
	temp := t.TempDir()
	chmod := func(mode os.FileMode) {
		dirs, _ := filepath.Glob(filepath.Join(temp, "*"))
		for _, dir := range dirs {
			if err := os.Chmod(dir, mode); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(func() { chmod(0o700) })
	type outcome struct {
		r   VerifyReport
		err error
	}
	done := make(chan outcome)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its lost rights
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if unix.Capget(&header, &data[0]) == nil {
			data[0].Effective &^= 1 << unix.CAP_DAC_OVERRIDE
			_ = unix.Capset(&header, &data[0]) // fails for a user who never had it
		}
		r, err := Verify(t.Context(), b, s, VerifyOptions{TempDir: temp, Check: snapshot.CheckNone, Progress: func(int64, int64) { chmod(0o500) }})
		done <- outcome{r, err}
	}()
	if got := <-done; got.err != nil || !errors.Is(got.r.Left, ErrLeft) {
		t.Errorf("left %v, %v", got.r.Left, got.err)
	}
}
