package restore

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
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

// So is one whose old file cannot be removed, when the new one has its name.
func TestSwappedButLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	run(t, path, fillSQL(genOld))
	o := basicOrder(path, newSource(t, ""))
	o.DiscardOld = true
	options := o.options()
	SetHook(&options, func(s string) {
		if s != string(stepDiscard) {
			return
		}
		found, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".app.db*.tmp"))
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		if err := errors.Join(os.Remove(found[0]), os.MkdirAll(filepath.Join(found[0], "full"), 0o700)); err != nil {
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
	needs.NoOverride(func() {
		r, err := Verify(t.Context(), b, s, VerifyOptions{TempDir: temp, Check: snapshot.CheckNone, Progress: func(int64, int64) { chmod(0o500) }})
		if !errors.Is(err, ErrLeft) || !r.Frames || r.Passed != snapshot.CheckNone {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
