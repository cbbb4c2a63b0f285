package restore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sync/semaphore"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// An Owner is a user and a group by their numbers. A GID of -1 leaves the group as it is.
type Owner struct{ UID, GID int }

// canGive reports whether this process may give a new file to the user and group.
func (o Owner) canGive() bool {
	if os.Getuid() == 0 { // also while it works as another user
		return true
	}
	groups, _ := os.Getgroups()
	return o.UID == os.Geteuid() && (o.GID == -1 || o.GID == os.Getegid() || slices.Contains(groups, o.GID))
}

// An owner is a user as whom this whole process works instead of root.
//
// Root must not work as root in a directory where another user can rename
// files: SQLite opens the database and its sidecars by name, and resolves
// symlinks itself, so that even /proc/self/fd/N ends in another open of the real
// name. As the owner it reaches no more than the owner can reach anyway.
type owner struct {
	uid, gid int
	// What it replaces.
	group  int
	groups []int
}

// oneOwner keeps two restores in one process from working as each other's
// owner: a restore that works as itself takes one share, and one that works as an
// owner takes all.
var oneOwner = semaphore.NewWeighted(allShares)

const allShares = 1 << 30

// asOwner calls f as the user to whom the target belongs, if this process is
// root and others can rename files in the target's directory. f gets the real
// name of the target, and that owner, nil if there was no need. It waits for other
// restores of this process as long as ctx lasts.
func asOwner(ctx context.Context, path string, o Options, f func(string, *owner) error) (err error) {
	w, t, err := ownerToBe(path, o)
	if err != nil {
		return err
	}
	path = t.path // symlinks are followed once
	share := int64(1)
	if w != nil {
		share = allShares
	}
	if err := oneOwner.Acquire(ctx, share); err != nil {
		return err
	}
	defer oneOwner.Release(share)
	if w == nil {
		return f(path, nil)
	}
	if err := w.take(); err != nil {
		return reason.Errorf(ErrTarget, err, "work at %s as its owner, user %d: %v", path, w.uid, err)
	}
	defer func() { err = errors.Join(err, w.giveBack()) }()
	return f(path, w)
}

// ownerToBe returns as whom to work at the target, nil if as oneself.
func ownerToBe(path string, o Options) (*owner, target, error) {
	t, err := inspect(path)
	if err != nil || os.Geteuid() != 0 {
		return nil, t, err
	}
	refuse := func(format string, args ...any) (*owner, target, error) {
		return nil, t, reason.Errorf(ErrTarget, nil, format, args...)
	}
	dir := t.dir.Sys().(*syscall.Stat_t)
	file := dir
	if t.info != nil {
		file = t.stat()
	}
	for _, link := range t.linkOwners {
		if link != 0 && link != file.Uid {
			return refuse("a symlink of user %d leads to %s, which belongs to user %d", link, t.path, file.Uid)
		}
	}
	const othersWrite = 0o022
	switch {
	case dir.Uid == 0 && t.dir.Mode()&othersWrite == 0: // root's names
		return nil, t, nil
	case dir.Uid == 0 && file.Uid == 0: // root trusts those whom it lets write there
		return nil, t, nil
	case dir.Uid != 0 && dir.Uid != file.Uid:
		return refuse("%s belongs to user %d, but its directory to user %d, who could redirect what root writes", t.path, file.Uid, dir.Uid)
	case !o.AsOwner:
		return refuse("%s is in a directory where user %d can rename files: root must work there as that user", t.path, file.Uid)
	case o.Owner != nil && !o.Live && o.Owner.UID != int(file.Uid):
		return refuse("%s is in a directory where user %d can rename files: it can belong to no other user", t.path, file.Uid)
	}
	return &owner{uid: int(file.Uid), gid: int(file.Gid)}, t, nil
}

// take makes this process work as the owner. The real and the saved user
// stay root's, so that the owner can neither signal nor trace it.
func (w *owner) take() (err error) {
	w.group = syscall.Getegid()
	if w.groups, err = syscall.Getgroups(); err != nil {
		return err
	}
	err = syscall.Setgroups([]int{w.gid})
	if err == nil {
		err = syscall.Setegid(w.gid)
	}
	if err == nil {
		err = syscall.Seteuid(w.uid)
	}
	if err != nil {
		return errors.Join(err, w.giveBack())
	}
	return nil
}

// giveBack makes this process root again.
func (w *owner) giveBack() error {
	err := syscall.Seteuid(0)
	if err == nil {
		err = syscall.Setegid(w.group)
	}
	if err == nil {
		err = syscall.Setgroups(w.groups)
	}
	if err != nil {
		return fmt.Errorf("become root again: %w", err)
	}
	return nil
}

// suspend calls f as root.
func (w *owner) suspend(f func() error) error {
	if w == nil {
		return f()
	}
	if err := w.giveBack(); err != nil {
		return err
	}
	err := f()
	return errors.Join(err, w.take())
}
