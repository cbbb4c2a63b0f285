package snapshot

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A file under a lease makes an open of it wait for 45 s, and any user can
// plant some in a shared temp directory. They are neither waited for nor
// removed.
func TestSweepOfPlantedLocks(t *testing.T) {
	temp := t.TempDir()
	owners := []int{os.Geteuid()}
	if owners[0] == 0 {
		owners = append(owners, 65534)
	}
	for i, owner := range owners {
		dir := filepath.Join(temp, tempPrefix+strconv.Itoa(i))
		lock := filepath.Join(dir, "lock")
		if err := errors.Join(os.Mkdir(dir, 0o777), os.WriteFile(lock, nil, 0o600), os.Chown(lock, owner, -1), os.Chown(dir, owner, -1)); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(lock, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
			t.Fatal(err)
		}
	}
	fifo := filepath.Join(temp, tempPrefix+"fifo")
	link := filepath.Join(temp, tempPrefix+"link")
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
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of another user")
	}
	temp := t.TempDir()
	dir := filepath.Join(temp, tempPrefix+"theirs")
	lock := filepath.Join(dir, "lock")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(lock, nil, 0o600), os.Chown(dir, 65534, -1)); err != nil {
		t.Fatal(err)
	}
	sweep(temp)
	if _, err := os.Stat(lock); err != nil {
		t.Error(err)
	}
}
