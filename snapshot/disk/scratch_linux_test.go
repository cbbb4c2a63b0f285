package disk

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// A file under a lease makes an open of it wait for 45 s, and any user can
// plant some in a shared temp directory. They are neither waited for nor
// removed.
func TestSweepOfPlantedLocks(t *testing.T) {
	temp := t.TempDir()
	for i, owner := range []int{0, 65534} {
		dir := filepath.Join(temp, scratchPrefix+strconv.Itoa(i))
		lock := filepath.Join(dir, "lock")
		if err := errors.Join(os.Mkdir(dir, 0o777), os.WriteFile(lock, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(lock, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		// Root of a user namespace gets a lease only on its own file.
		if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Chown(lock, owner, -1), os.Chown(dir, owner, -1)); err != nil {
			t.Fatal(err)
		}
	}
	fifo := filepath.Join(temp, scratchPrefix+"fifo")
	link := filepath.Join(temp, scratchPrefix+"link")
	elsewhere := t.TempDir()
	if err := errors.Join(os.Mkdir(fifo, 0o700), unix.Mkfifo(filepath.Join(fifo, "lock"), 0o600),
		os.Symlink(elsewhere, link), os.WriteFile(filepath.Join(elsewhere, "lock"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadDir(temp)
	began := time.Now()
	sweep(temp)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if left, _ := os.ReadDir(temp); len(left) != len(before) {
		t.Errorf("of %v are left %v", before, left)
	}
	if _, err := os.Stat(filepath.Join(elsewhere, "lock")); err != nil {
		t.Error(err)
	}
}

// What another user's killed run left is another user's.
func TestSweepLeavesOthers(t *testing.T) {
	temp := t.TempDir()
	dir := filepath.Join(temp, scratchPrefix+"theirs")
	lock := filepath.Join(dir, "lock")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(lock, nil, 0o600), os.Chown(dir, 65534, -1)); err != nil {
		t.Fatal(err)
	}
	sweep(temp)
	if _, err := os.Stat(lock); err != nil {
		t.Error(err)
	}
}

// What a run leaves that was killed before its lock had a name, or after it had
// lost it, goes an hour later: nothing else is in it then.
func TestSweepWithoutALock(t *testing.T) {
	temp := t.TempDir()
	made := func(name string, old bool, files ...string) {
		dir := filepath.Join(temp, scratchPrefix+name)
		err := os.Mkdir(dir, 0o700)
		for _, file := range files {
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, file), nil, 0o600))
		}
		if old {
			then := time.Now().Add(-unlockedAge - time.Minute)
			err = errors.Join(err, os.Chtimes(dir, then, then))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	made("empty", true)
	made("locking", true, "lock.new")
	made("young", false, "lock.new")
	made("full", true, "copy.db")
	sweep(temp)
	var left []string
	entries, _ := os.ReadDir(temp)
	for _, entry := range entries {
		left = append(left, strings.TrimPrefix(entry.Name(), scratchPrefix))
	}
	if want := []string{"full", "young"}; !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
}

// The lock goes last, so that a kill during the removal leaves what a sweep takes.
func TestRemovalKeepsTheLock(t *testing.T) {
	temp := t.TempDir()
	d, err := NewScratch(temp, 0)
	if err != nil {
		t.Fatal(err)
	}
	// A directory whose file this user may not remove.
	stuck := filepath.Join(d.path, "a")
	if err := errors.Join(os.Mkdir(stuck, 0o700), os.WriteFile(filepath.Join(stuck, "file"), nil, 0o600), os.Chmod(stuck, 0o500)); err != nil {
		t.Fatal(err)
	}
	needs.NoOverride(func() { err = d.Close() })
	if err == nil {
		t.Fatal("it was removed")
	}
	if _, err := os.Stat(filepath.Join(d.path, "lock")); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(stuck, 0o700); err != nil {
		t.Fatal(err)
	}
	sweep(temp)
	if left, _ := os.ReadDir(temp); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
