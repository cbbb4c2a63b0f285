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

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// sweepPath is sweep of a directory by its name.
func sweepPath(t *testing.T, path string) {
	t.Helper()
	root, err := os.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	sweep(root)
	if err := root.Close(); err != nil {
		t.Error(err)
	}
}

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
	sweepPath(t, temp)
	// The kernel has whoever opens a leased file wait for 45 s, here once for each.
	if took := time.Since(began); took > 40*time.Second {
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
	sweepPath(t, temp)
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
	sweepPath(t, temp)
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
	stuck := filepath.Join(d.Path(), "a")
	if err := errors.Join(os.Mkdir(stuck, 0o700), os.WriteFile(filepath.Join(stuck, "file"), nil, 0o600), os.Chmod(stuck, 0o500)); err != nil {
		t.Fatal(err)
	}
	needs.NoOverride(func() { err = d.Close() })
	if err == nil {
		t.Fatal("it was removed")
	}
	if _, err := os.Stat(filepath.Join(d.Path(), "lock")); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(stuck, 0o700); err != nil {
		t.Fatal(err)
	}
	sweepPath(t, temp)
	if left, _ := os.ReadDir(temp); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// Another user, to whom the parent belongs, puts a symlink in the place of a
// directory: nothing behind the link is removed, and neither is the link.
func TestRemovalFollowsNoLink(t *testing.T) {
	parent, victim := t.TempDir(), t.TempDir()
	precious := filepath.Join(victim, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := NewScratch(parent, 0)
	if err != nil {
		t.Fatal(err)
	}
	path, moved := s.Path(), s.Path()+"-moved"
	if err := errors.Join(os.WriteFile(filepath.Join(path, "copy.db"), nil, 0o600), os.Chown(parent, 65534, 65534),
		os.Rename(path, moved), os.Symlink(victim, path)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err == nil {
		t.Error("the directory is still there, without an error")
	}
	for _, name := range []string{precious, path} {
		if _, err := os.Lstat(name); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(moved); err != nil || len(left) != 0 {
		t.Errorf("left of the database: %v, %v", left, err)
	}
}

// anotherUser is neither this one nor the one that a user namespace shows for
// those outside, who own the root directory there.
const anotherUser = 4242

// Root works in no temp directory where another user can rename what it makes.
func TestTempOfOthers(t *testing.T) {
	for _, c := range []struct {
		what  string
		owner int
		mode  os.FileMode
		below string // the temp directory, in one of that owner and mode
		good  bool
	}{
		{"root's", 0, 0o755, ".", true},
		{"a shared one", 0, os.ModeSticky | 0o777, ".", true},
		{"root's, in a shared one", 0, os.ModeSticky | 0o777, "a", true},
		{"another user's", anotherUser, 0o755, ".", false},
		{"another user's, shared", anotherUser, os.ModeSticky | 0o777, ".", false},
		{"root's, in another user's", anotherUser, 0o755, "a", false},
		{"open to all", 0, 0o777, ".", false},
		{"open to a group", 0, 0o775, ".", false},
		{"root's, in one that is open to all", 0, 0o777, "a", false},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			temp := filepath.Join(dir, c.below)
			if err := errors.Join(os.MkdirAll(temp, 0o755), os.Chown(dir, c.owner, 0), os.Chmod(dir, c.mode)); err != nil {
				t.Fatal(err)
			}
			link := filepath.Join(t.TempDir(), "link")
			if err := os.Symlink(temp, link); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{temp, link} {
				s, err := NewScratch(path, 0)
				if err == nil {
					err = s.Close()
				}
				if c.good && err != nil || !c.good && !errors.Is(err, reason.ErrTempDir) {
					t.Errorf("%s: %v", path, err)
				}
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 1 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

// A room that is not known yet is not looked at: only the copy can tell how much
// it needs.
func TestScratchOfUnknownSize(t *testing.T) {
	temp := t.TempDir()
	if err := unix.Mount("full", temp, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(temp, 0); err != nil {
			t.Error(err)
		}
	}()
	s, err := NewScratch(temp, 0)
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Error(err)
	}
	if _, err := NewScratch(temp, 46<<20); !errors.Is(err, reason.ErrNoRoom) || !strings.Contains(err.Error(), "needs 47 MiB") {
		t.Error(err)
	}
}

// A volume that is open to all is one that its containers were given.
func TestTempOnAVolume(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m,mode=0777"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s, err := NewScratch(dir, 0)
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Error(err)
	}
	below := filepath.Join(dir, "below")
	if err := errors.Join(os.Mkdir(below, 0o755), os.Chown(below, anotherUser, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := NewScratch(below, 0); !errors.Is(err, reason.ErrTempDir) {
		t.Errorf("another user's directory on it: %v", err)
	}
}
