package restore

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// Whose a restored file is and what its mode is, where options and directories differ.
func TestOwnerAndMode(t *testing.T) {
	needs.Root()
	const other = 4321
	source := newSource(t, "")
	for name, c := range map[string]struct {
		tenants bool // the directory and the old file
		old     bool
		owner   *Owner
		mode    os.FileMode

		uid, gid int
		want     os.FileMode
		refused  bool
	}{
		"new":                           {want: 0o600},
		"new, of another":               {owner: &Owner{other, other}, mode: 0o640, uid: other, gid: other, want: 0o640},
		"new, group as it is":           {owner: &Owner{other, -1}, uid: other, want: 0o600},
		"old":                           {old: true, want: 0o604},
		"old, of another":               {old: true, owner: &Owner{other, tenant}, uid: other, gid: tenant, want: 0o604},
		"old, another mode":             {old: true, mode: 0o660, want: 0o660},
		"tenant's":                      {tenants: true, uid: tenant, gid: tenant, want: 0o600},
		"tenant's, said":                {tenants: true, owner: &Owner{tenant, other}, mode: 0o644, uid: tenant, gid: other, want: 0o644},
		"tenant's, of another":          {tenants: true, owner: &Owner{other, other}, refused: true},
		"tenant's, of root":             {tenants: true, owner: &Owner{0, 0}, refused: true},
		"tenant's old one":              {tenants: true, old: true, mode: 0o640, uid: tenant, gid: tenant, want: 0o640},
		"tenant's old one, of another":  {tenants: true, old: true, owner: &Owner{other, other}, refused: true},
		"tenant's old one, other group": {tenants: true, old: true, owner: &Owner{tenant, other}, uid: tenant, gid: other, want: 0o604},
	} {
		t.Run(name, func(t *testing.T) {
			path := tenantDir(t, "DELETE")
			if !c.tenants {
				for _, name := range []string{path, filepath.Dir(path)} {
					if err := os.Chown(name, 0, 0); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := os.Chmod(path, 0o604); err != nil {
				t.Fatal(err)
			}
			if !c.old {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			o := childOrder{Target: path, Source: source, PageSize: 4096, ID: testID}
			_, err := place(t.Context(), path, o.content(), Options{Replace: c.old, AsOwner: true, Owner: c.owner, Mode: c.mode})
			if c.refused {
				if !errors.Is(err, ErrTarget) {
					t.Errorf("not refused: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if s := info.Sys().(*syscall.Stat_t); int(s.Uid) != c.uid || int(s.Gid) != c.gid || info.Mode().Perm() != c.want {
				t.Errorf("it belongs to %d:%d with mode %o, want %d:%d with %o", s.Uid, s.Gid, info.Mode().Perm(), c.uid, c.gid, c.want)
			}
			if os.Geteuid() != 0 {
				t.Error("this process is not root any more")
			}
		})
	}
}

// A user who is not root can give a file to nobody.
func TestOwnerNeedsRoot(t *testing.T) {
	for _, c := range []struct {
		owner Owner
		can   bool
	}{{Owner{os.Getuid() + 1, -1}, os.Getuid() == 0}, {Owner{os.Getuid(), -1}, true}, {Owner{os.Getuid(), os.Getgid()}, true}} {
		if got := c.owner.canGive(); got != c.can {
			t.Errorf("%+v: %v", c.owner, got)
		}
	}
}
