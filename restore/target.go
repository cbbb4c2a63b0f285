package restore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// sidecarSuffixes are those of the files that SQLite keeps beside a database. A
// super-journal is not among them: it belongs to several databases, and SQLite itself
// removes it.
var sidecarSuffixes = []string{"-wal", "-shm", "-journal"}

// A target is the place of the restored database, with what inspect found there.
type target struct {
	path     string      // absolute, behind all symlinks
	info     os.FileInfo // nil if there is no file
	dir      os.FileInfo
	sidecars []string // suffixes of those that exist
	// linkOwners are the users who own the symlinks that led here.
	linkOwners []uint32
}

// inspect looks at the target without opening any of its files.
func inspect(path string) (target, error) {
	path, linkOwners, err := resolve(path)
	if err != nil {
		return target{}, reason.Errorf(ErrTarget, err, "%v", err)
	}
	t := target{path: path, linkOwners: linkOwners}
	if t.dir, err = os.Stat(filepath.Dir(path)); err != nil {
		return t, reason.Errorf(ErrTarget, err, "look at the target's directory: %v", err)
	}
	t.info, err = os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		t.info, err = nil, nil
	}
	if err != nil {
		return t, reason.Errorf(ErrTarget, err, "look at the target: %v", err)
	}
	if t.info != nil && !t.info.Mode().IsRegular() {
		return t, reason.Errorf(ErrTarget, nil, "%s is not a regular file", path)
	}
	for _, suffix := range sidecarSuffixes {
		info, err := os.Lstat(path + suffix)
		switch {
		case isAbsent(err):
			continue
		case err != nil:
			return t, reason.Errorf(ErrTarget, err, "look beside the target: %v", err)
		case !info.Mode().IsRegular():
			return t, reason.Errorf(ErrTarget, nil, "%s is not a regular file (%v): move it away", path+suffix, info.Mode())
		}
		t.sidecars = append(t.sidecars, suffix)
	}
	return t, nil
}

// isAbsent reports whether no file has the name, or none can have it.
func isAbsent(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENAMETOOLONG)
}

// resolve follows symlinks, dangling ones too, as SQLite does, which puts its sidecars
// beside the real file. owners are those of the symlinks to files.
func resolve(path string) (real string, owners []uint32, err error) {
	given := path
	path, err = filepath.Abs(path)
	if err != nil {
		return "", nil, err
	}
	for range 40 {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return "", nil, fmt.Errorf("find the target's directory: %w", err)
		}
		path = filepath.Join(dir, filepath.Base(path))
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Type() != os.ModeSymlink {
			return path, owners, nil // not a link, or nothing there
		}
		link, err := os.Readlink(path)
		if err != nil {
			return "", nil, fmt.Errorf("find the target: %w", err)
		}
		owners = append(owners, info.Sys().(*syscall.Stat_t).Uid)
		if !filepath.IsAbs(link) {
			link = filepath.Join(dir, link)
		}
		path = link
	}
	return "", nil, fmt.Errorf("too many symlinks behind %s", given)
}

// allowed returns why this target must not be restored into, or nil. It opens only
// the files of a live target.
func (t target) allowed(o Options) error {
	if err := unix.Faccessat(unix.AT_FDCWD, filepath.Dir(t.path), unix.R_OK|unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return reason.Errorf(ErrTarget, err, "the directory %s is not writable and readable: %v", filepath.Dir(t.path), err)
	}
	switch {
	case o.Owner != nil && !o.Owner.canGive():
		return reason.Errorf(ErrTarget, nil, "only root can give %s to user %d and group %d", t.path, o.Owner.UID, o.Owner.GID)
	case t.info == nil:
		return nil
	case !o.Replace && !o.Live:
		return reason.Errorf(ErrTargetExists, nil, "%s exists already", t.path)
	case o.Live:
		return t.fitForLive(o)
	case isImmutable(t.path):
		return t.cannotSwap("is immutable or may only be appended to (lsattr shows it, chattr -i or -a ends it)")
	case isMountPoint(t.path, t.info, t.dir):
		return t.cannotSwap("is a mount point of its own (a mounted single file)")
	case o.Owner == nil && !canOwn(t.info):
		return t.cannotSwap(fmt.Sprintf("belongs to user %d and group %d: only they, or root, can give a new file to them", t.stat().Uid, t.stat().Gid))
	}
	own, err := t.ownNames()
	if err != nil {
		return err
	}
	if int(t.stat().Nlink) > 1+len(own) {
		return t.cannotSwap("has other hard links, which would go on showing the old content")
	}
	return nil
}

func (t target) cannotSwap(why string) error {
	return reason.Errorf(ErrCannotSwap, nil, "%s %s", t.path, why)
}

// renameError wraps an error of the rename over the target in its reason.
func (t target) renameError(err error) error {
	for _, permanent := range []error{unix.EPERM, unix.EACCES, unix.EBUSY, unix.EXDEV, unix.EROFS} {
		if errors.Is(err, permanent) {
			return t.cannotSwap(fmt.Sprintf("cannot be replaced: %v", err))
		}
	}
	return disk.Wrap("put the new database in place", err)
}

// closed returns an error if a process has the target open. It is a look ahead: the
// swap itself is made under a guard.
func (t target) closed(o Options) (err error) {
	if t.info == nil {
		return nil
	}
	g, err := t.guard(o)
	if err != nil {
		return err
	}
	return g.release()
}

// guard takes a guard on the target's file.
func (t target) guard(o Options) (*guard, error) {
	if open, err := openHere(t.info); err == nil && open { // else the lease shows it
		return nil, openError(t.path)
	}
	g, err := lease(t.path)
	if err != nil {
		return nil, err
	}
	if !g.leased && !o.AssumeClosed {
		return nil, errors.Join(reason.Errorf(ErrUncertain, nil, "cannot tell whether %s is open somewhere: no leases on this file system, or not the right to take one", t.path), g.release())
	}
	return g, nil
}

// openRefused wraps an error of opening the target's file in its reason. With
// O_NONBLOCK an open fails that would wait for another process's lease.
func openRefused(path string, err error) error {
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return openError(path)
	case errors.Is(err, disk.ErrNotRegular):
		return reason.Errorf(ErrTarget, err, "%s is not a regular file", path)
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.ELOOP), errors.Is(err, os.ErrNotExist):
		return reason.Errorf(ErrTarget, err, "%s: %v", path, err)
	}
	return err
}

// openError returns an error that names the processes that have path open.
func openError(path string) error {
	text := path + " is open in a process that cannot be seen from here"
	if info, err := os.Stat(path); err == nil {
		if found := holders(info); len(found) > 0 {
			text = path + " is open in " + joinHolders(found)
		}
	}
	return reason.Errorf(ErrTargetOpen, nil, "%s", text)
}

// A Holder is a process that has the target open.
type Holder struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

// String names the process for people.
func (h Holder) String() string { return fmt.Sprintf("%s (pid %d)", h.Command, h.PID) }

func joinHolders(found []Holder) string {
	var names []string
	for _, h := range found {
		names = append(names, h.String())
	}
	return strings.Join(names, ", ")
}

// dirty reports whether a sidecar has content that belongs into the main file.
func (t target) dirty() (bool, error) {
	wal, err := t.firstByte("-wal")
	if err != nil || wal >= 0 {
		return wal >= 0, err
	}
	return t.hot()
}

// hot reports whether there is a journal to roll back. SQLite marks one as done with
// a zero at its beginning.
func (t target) hot() (bool, error) {
	first, err := t.firstByte("-journal")
	return first > 0, err
}

// firstByte returns a sidecar's first byte, -1 if it has none.
func (t target) firstByte(suffix string) (int, error) {
	f, err := disk.OpenRegular(t.path+suffix, os.O_RDONLY)
	if isAbsent(err) {
		return -1, nil
	}
	if err != nil {
		return -1, openRefused(t.path, fmt.Errorf("look beside the target: %w", err))
	}
	var first [1]byte
	_, err = f.Read(first[:])
	if err == io.EOF {
		return -1, f.Close()
	}
	return int(first[0]), errors.Join(err, f.Close())
}

// beside returns the name of a file of this run beside the target.
func (t target) beside(name string) string {
	return filepath.Join(filepath.Dir(t.path), "."+t.stem()+".lifeboat-"+name)
}

// fits refuses a target whose name is too long for a file that SQLite needs to
// open the content at all. Files that it needs for writing are the application's
// affair.
func (c content) fits(t target) error {
	const longest = 255 - len("-wal")
	if base := filepath.Base(t.path); c.mode == walMode && len(base) > longest {
		return reason.Errorf(ErrTarget, nil, "the file name has %d bytes, and a database in WAL mode can have at most %d, for its -wal file", len(base), longest)
	}
	return nil
}

// before begins the name of each file that keeps an old database.
func (t target) before() string {
	return filepath.Join(filepath.Dir(t.path), t.stem()+".before-")
}

// stem is the target's file name in names that are made from it. A long one is
// shortened and gets a hash, which keeps it unique: a file name has at most 255
// bytes, and what is added to this one takes up to 63, SQLite's -journal included.
func (t target) stem() string {
	const most, hashed = 192, 16
	base := filepath.Base(t.path)
	if len(base) <= most {
		return base
	}
	sum := sha256.Sum256([]byte(base))
	short := base[:most-1-hashed]
	if utf8.ValidString(base) {
		short = strings.ToValidUTF8(short, "") // no half of a character
	}
	return short + "~" + hex.EncodeToString(sum[:hashed/2])
}

// tempPattern is what tempName adds, and SQLite to that.
var tempPattern = regexp.MustCompile(`^\d{8}T\d{6}Z-[0-9a-f]{6}-[0-9a-f]{16}\.tmp(-wal|-shm|-journal)?$`)

// leftovers returns the temp files that killed runs left beside the target. While this
// run has the lock, no other run can have one.
func (t target) leftovers() ([]string, error) {
	prefix := filepath.Base(t.beside(""))
	return t.siblings(func(name string) bool {
		rest, found := strings.CutPrefix(name, prefix) // a name need not be UTF-8, as a pattern must
		return found && tempPattern.MatchString(rest)
	})
}

// ownNames returns the other names of the target's file that a killed run gave it.
func (t target) ownNames() ([]string, error) {
	if t.info == nil || t.stat().Nlink == 1 {
		return nil, nil
	}
	temps, err := t.leftovers()
	if err != nil {
		return nil, err
	}
	before, err := t.siblings(func(name string) bool { return strings.HasPrefix(name, filepath.Base(t.before())) })
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(append(temps, before...), func(name string) bool {
		info, err := os.Lstat(name)
		return err != nil || !os.SameFile(info, t.info)
	}), nil
}

func (t target) siblings(match func(name string) bool) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(t.path))
	if err != nil {
		return nil, err
	}
	var found []string
	for _, entry := range entries {
		if match(entry.Name()) {
			found = append(found, filepath.Join(filepath.Dir(t.path), entry.Name()))
		}
	}
	return found, nil
}

func (t target) stat() *syscall.Stat_t { return t.info.Sys().(*syscall.Stat_t) }

func device(info os.FileInfo) uint64 { return uint64(info.Sys().(*syscall.Stat_t).Dev) }

// canOwn reports whether this process may give a new file the owner and group of this
// one.
func canOwn(info os.FileInfo) bool {
	s := info.Sys().(*syscall.Stat_t)
	if os.Geteuid() == 0 {
		return true
	}
	groups, _ := os.Getgroups()
	return int(s.Uid) == os.Geteuid() && (int(s.Gid) == os.Getegid() || slices.Contains(groups, int(s.Gid)))
}
