package main

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore"
)

// fileFlags are what a restored file gets where no old one says it.
type fileFlags struct {
	Owner ownerFlag `placeholder:"USER[:GROUP]" group:"An existing file" help:"Owner of the new file, if not the old one's; names or numbers. Needs root."`
	Mode  modeFlag  `placeholder:"0640" group:"An existing file" help:"Permissions of the new file, if not the old one's, or 0600."`
}

// An ownerFlag is a user, and a group: the user's own if there is none.
type ownerFlag struct {
	*restore.Owner
	text string
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *ownerFlag) UnmarshalText(text []byte) error {
	name, group, _ := strings.Cut(string(text), ":")
	uid, gid, err := lookUpUser(name)
	if err == nil && group != "" {
		gid, err = lookUpGroup(group)
	}
	if err != nil {
		return err
	}
	o.Owner, o.text = &restore.Owner{UID: uid, GID: gid}, string(text)
	return nil
}

// lookUpUser returns a user's number and that of its group, -1 for that of a number
// without a name.
func lookUpUser(name string) (uid, gid int, err error) {
	found, err := user.Lookup(name)
	if number, isNumber := idNumber(name); isNumber && err != nil {
		if found, err = user.LookupId(name); err != nil {
			return number, -1, nil // in a container few users have a name
		}
	}
	if err != nil {
		return 0, 0, fmt.Errorf("there is no user %q on this machine", name)
	}
	uid, _ = idNumber(found.Uid)
	gid, _ = idNumber(found.Gid)
	return uid, gid, nil
}

func lookUpGroup(name string) (int, error) {
	if found, err := user.LookupGroup(name); err == nil {
		name = found.Gid
	}
	gid, ok := idNumber(name)
	if !ok {
		return 0, fmt.Errorf("there is no group %q on this machine", name)
	}
	return gid, nil
}

func idNumber(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err == nil
}

// A modeFlag is the permissions of a file in octal digits.
type modeFlag os.FileMode

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *modeFlag) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || n == 0 || n > 0o777 {
		return fmt.Errorf("%q is not a mode such as 0640", text)
	}
	*m = modeFlag(n)
	return nil
}

// ofRoot returns a line about a new file that belongs to root, "" for others: an
// application that runs as another user could not open it.
func ofRoot(path string) string {
	info, err := os.Stat(path)
	if err != nil || os.Geteuid() != 0 {
		return ""
	}
	if s, ok := info.Sys().(*syscall.Stat_t); !ok || s.Uid != 0 {
		return ""
	}
	return fmt.Sprintf("new file: owner root, mode %04o; another user's application needs --owner USER, or chown USER %s\n",
		info.Mode().Perm(), terminal.Printable(terminal.Quote(path)))
}
