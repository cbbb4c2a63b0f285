package worker

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// A user and a group that own nothing on this machine.
const tenant, tenants = 61234, 61235

// hasOwnRights tells that the program is not root, so that workers have its own
// rights, and fails if they do not.
func hasOwnRights(t *testing.T) bool {
	t.Helper()
	if mayChange() {
		return false
	}
	own := identity{user: os.Geteuid(), group: os.Getegid()}
	if who, err := ownerOf("/"); err != nil || who != own {
		t.Errorf("%v, %v", who, err)
	}
	return true
}

// tenantDB makes a database of the tenant's in a directory of the tenant's.
func tenantDB(t *testing.T, mib int) string {
	t.Helper()
	dir := openDir(t)
	path := makeDB(t, dir, mib)
	for _, name := range []string{dir, path} {
		if err := os.Chown(name, tenant, tenants); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// Where the program is root, a worker has the rights of the database's owner
// and nothing of the program's secrets, while it copies and while it checks.
func TestOwnersRights(t *testing.T) {
	needs.Time(t)
	if hasOwnRights(t) {
		return
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
	p := newTested(t, 1)
	path := tenantDB(t, 20)
	var status, environment []byte
	err := p.take(t.Context(), path, 0, once(func() {
		for _, pid := range children(t) {
			var err error
			if status, err = os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err != nil {
				t.Error(err)
			}
			if environment, err = os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err != nil {
				t.Error(err)
			}
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		fmt.Sprintf("\nUid:\t%d\t%[1]d\t%[1]d\t%[1]d\n", tenant), fmt.Sprintf("\nGid:\t%d\t%[1]d\t%[1]d\t%[1]d\n", tenants),
		"\nGroups:\t \n", "\nCapEff:\t0000000000000000\n",
	} {
		if !bytes.Contains(status, []byte(line)) {
			t.Errorf("its status lacks %q:\n%s", line, status)
		}
	}
	if len(environment) == 0 || bytes.Contains(environment, []byte("hunter2")) || bytes.Contains(environment, []byte("AWS_")) {
		t.Errorf("its environment: %q", environment)
	}
	// Another user's database, and then root's own, are not read by this worker.
	if err := p.take(t.Context(), makeDB(t, t.TempDir(), 1), 0, nil); err != nil {
		t.Error(err)
	}
	if p.logged(fmt.Sprintf("user=%d", tenant)) != 1 || p.logged("user=0") != 1 {
		t.Errorf("the log: %s", &p.log)
	}
}

// The owner has the worker's rights, so anything can come into the place of the
// copy: it is not followed.
func TestPlantedCopy(t *testing.T) {
	needs.Time(t)
	if hasOwnRights(t) {
		return
	}
	p := newTested(t, 1)
	path := tenantDB(t, 10)
	secret := makeDB(t, t.TempDir(), 1)
	for what, put := range map[string]func(from, to string) error{"symlink": os.Symlink, "hard link": os.Link, "file of root's": copyFile} {
		err := p.take(t.Context(), path, 0, func(done, total int64) {
			if done < total {
				return
			}
			found, _ := filepath.Glob(filepath.Join(p.temp, "*", "*", "copy.db"))
			if len(found) != 1 {
				t.Fatalf("copies: %v", found)
			}
			if err := errors.Join(os.Remove(found[0]), put(secret, found[0])); err != nil {
				t.Error(err)
			}
		})
		if !errors.Is(err, snapshot.ErrTempDir) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}

// Whose rights a worker has depends on who could have led the program there.
func TestReach(t *testing.T) {
	if hasOwnRights(t) {
		return
	}
	path := tenantDB(t, 1)
	own := identity{user: 0, group: os.Getegid()}
	owner := identity{tenant, tenants, true}
	expect := func(what string, want identity) {
		t.Helper()
		if got, err := ownerOf(path); err != nil || got != want {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	expect("open", owner)
	dir := filepath.Dir(path)
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	expect("closed by the owner", owner)
	if err := errors.Join(os.Chown(dir, 0, 0), os.Chmod(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	expect("closed by root", own)
	if err := errors.Join(os.Chown(dir, 0, tenants), os.Chmod(dir, 0o710)); err != nil {
		t.Fatal(err)
	}
	expect("open to the group", owner)

	// The temp directory must be open to the owner.
	p := newTested(t, 1)
	if err := os.Chmod(p.temp, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := p.take(t.Context(), path, 0, nil); !errors.Is(err, snapshot.ErrTempDir) {
		t.Errorf("a closed temp directory: %v", err)
	}
}

// A database that only root may read is not read for its tenant.
func TestOwnersLinkLeadsNowhere(t *testing.T) {
	if hasOwnRights(t) {
		return
	}
	p := newTested(t, 1)
	path := tenantDB(t, 1)
	who, err := ownerOf(path)
	if err != nil {
		t.Fatal(err)
	}
	// Between the look at the owner and the worker's open, the tenant puts
	// another one's database there.
	other := makeDB(t, openDir(t), 1)
	if err := errors.Join(os.Chmod(other, 0o600), os.Remove(path), os.Symlink(other, path)); err != nil {
		t.Fatal(err)
	}
	room, err := newRoom(p.temp, who)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{pool: p.Pool, path: path, real: path, who: who, room: room}
	_, err = s.take(t.Context(), snapshot.CopyOptions{})
	if err := errors.Join(err, s.close()); !errors.Is(err, snapshot.ErrSource) || !errors.Is(err, unix.EACCES) && !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v", err)
	}
}
