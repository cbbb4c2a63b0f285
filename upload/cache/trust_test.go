package cache

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Two users and two groups who are neither this one nor root.
const (
	application = 4242
	stranger    = 4343
)

// A rule is an owner, a group and a mode.
type rule struct {
	user, group int
	mode        os.FileMode
}

func (r rule) set(path string) error {
	return errors.Join(os.Chown(path, r.user, r.group), os.Chmod(path, r.mode))
}

// The cache is used if only those who may write to the database may write to it.
func TestTrust(t *testing.T) {
	const sticky, setgid = os.ModeSticky, os.ModeSetgid
	var (
		own       = rule{0, 0, 0o700}
		private   = rule{application, application, 0o600}       // a database
		shared    = rule{application, application, 0o660}       // one with fsGroup
		fsGroup   = rule{0, application, setgid | 0o770}        // a directory after the kubelet has been there
		volume    = rule{0, application, setgid | 0o777}        // what some provisioners make
		groupRead = rule{application, application, 0o640}       // a database
		theirs    = rule{application, application, 0o755}       // a directory
		temp      = rule{0, 0, sticky | 0o777}                  // /tmp
		strangers = rule{stranger, stranger, 0o755}             // a directory
		openSet   = rule{stranger, stranger, sticky | 0o777}    // a stranger's /tmp
		others    = rule{0, stranger, 0o770}                    // open to another group
		readable  = rule{0, stranger, 0o755}                    // a directory
		anyones   = rule{application, application, 0o666}       // a database
		rooted    = rule{0, 0, 0o600}                           // a database
		groupless = rule{application, stranger, setgid | 0o660} // a database of another group
	)
	for _, c := range []struct {
		what                       string
		volume, above, of, dir, db rule
		besideIt                   bool // the database is in the volume too, below a directory of its own
		good                       bool
	}{
		{what: "all is root's", volume: own, above: own, of: own, dir: own, db: rooted, good: true},
		{what: "with fsGroup", volume: fsGroup, above: fsGroup, of: fsGroup, dir: theirs, db: shared, besideIt: true, good: true},
		{what: "with fsGroup, on a volume of its own", volume: fsGroup, above: fsGroup, of: fsGroup, dir: theirs, db: shared, good: true},
		{what: "with fsGroup, a volume open to all", volume: volume, above: fsGroup, of: fsGroup, dir: theirs, db: shared, besideIt: true, good: true},
		{what: "a volume of its own, open to all", volume: volume, above: own, of: own, dir: theirs, db: shared, good: false},
		{what: "with fsGroup, and a database that the group may only read", volume: fsGroup, above: fsGroup, of: fsGroup, dir: theirs, db: groupRead, good: false},
		{what: "the same beside the database", volume: fsGroup, above: fsGroup, of: fsGroup, dir: theirs, db: groupRead, besideIt: true, good: false},
		{what: "with another group than the database's", volume: own, above: own, of: others, dir: theirs, db: shared, good: false},
		{what: "above it another group", volume: own, above: others, of: own, dir: theirs, db: shared, good: false},
		{what: "a database of another group", volume: own, above: own, of: fsGroup, dir: theirs, db: groupless, good: false},
		{what: "below the application's directory", volume: theirs, above: own, of: own, dir: theirs, db: private, good: true},
		{what: "below a stranger's directory", volume: strangers, above: own, of: own, dir: theirs, db: private, good: false},
		{what: "below a stranger's, where the database is too", volume: strangers, above: own, of: own, dir: theirs, db: private, besideIt: true, good: true},
		{what: "in a directory of all", volume: temp, above: own, of: own, dir: theirs, db: private, good: true},
		{what: "in a stranger's directory of all", volume: openSet, above: own, of: own, dir: theirs, db: private, good: false},
		{what: "the application's own", volume: own, above: own, of: theirs, dir: theirs, db: private, good: false},
		{what: "a stranger's own", volume: temp, above: temp, of: strangers, dir: theirs, db: private, good: false},
		{what: "open to all", volume: own, above: own, of: rule{0, 0, 0o777}, dir: theirs, db: private, good: false},
		{what: "open to all, sticky", volume: own, above: own, of: temp, dir: theirs, db: private, good: false},
		{what: "open to all, as the database is", volume: own, above: own, of: rule{0, 0, 0o777}, dir: theirs, db: anyones, good: false},
		{what: "others may read", volume: readable, above: readable, of: readable, dir: theirs, db: private, good: true},
	} {
		t.Run(c.what, func(t *testing.T) {
			top := t.TempDir()
			at := filepath.Join(top, "volume")
			dir := filepath.Join(top, "data")
			if c.besideIt {
				dir = filepath.Join(at, "data")
			}
			above, db := filepath.Join(at, "cache"), filepath.Join(dir, "app.db")
			own := filepath.Join(above, place{app.endpoint, app.url.String(), "app.db"}.dir())
			err := errors.Join(os.MkdirAll(dir, 0o755), os.MkdirAll(own, 0o755), os.WriteFile(db, nil, 0o600))
			for path, r := range map[string]rule{at: c.volume, above: c.above, own: c.of, dir: c.dir, db: c.db} {
				err = errors.Join(err, r.set(path))
			}
			if err != nil {
				t.Fatal(err)
			}
			link := filepath.Join(top, "link")
			if err := errors.Join(os.Symlink(above, link), os.Symlink(db, link+".db")); err != nil {
				t.Fatal(err)
			}
			for dir, db := range map[string]string{above: db, link: link + ".db"} {
				if _, err := Open(dir, app, "app.db", db); c.good && err != nil || !c.good && !errors.Is(err, ErrUnsafe) {
					t.Error(err)
				}
			}
		})
	}
}

// What a kubelet makes of the modes between two runs takes nothing from the cache.
func TestModesOfAVolume(t *testing.T) {
	volume := t.TempDir()
	db := filepath.Join(volume, "app.db")
	err := errors.Join(os.WriteFile(db, nil, 0o600), os.Mkdir(filepath.Join(volume, "cache"), 0o700))
	if err != nil {
		t.Fatal(err)
	}
	open := func() *Cache {
		t.Helper()
		c, err := Open(filepath.Join(volume, "cache"), app, "app.db", db)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	e, pages := put(t, open(), noon, series.Daily)
	err = filepath.WalkDir(volume, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode() | 0o660
		if d.IsDir() {
			mode = info.Mode() | os.ModeSetgid | 0o770
		}
		if path == volume { // as some provisioners make it
			mode |= 0o777
		}
		return rule{-1, application, mode}.set(path)
	})
	if err != nil {
		t.Fatal(err)
	}
	c := open()
	checkEntry(t, c, e)
	checkBase(t, c, e, pages)
	if err := c.Put(t.Context(), e, bytes.NewReader(pages), noon); err != nil {
		t.Error(err)
	}
}

// A cache that was made before its database is judged without it.
func TestTrustWithoutADatabase(t *testing.T) {
	dir := t.TempDir()
	absent := filepath.Join(t.TempDir(), "absent.db")
	if _, err := Open(dir, app, "app.db", absent); err != nil {
		t.Error(err)
	}
	if err := (rule{application, 0, 0o755}).set(dir); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir) // which says nothing about a database that is not known
	for _, path := range []string{absent, ""} {
		if _, err := Open(dir, app, "app.db", path); !errors.Is(err, ErrUnsafe) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// A new directory is nobody else's to read.
func TestNewDirectoryIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "below")
	c := openAt(t, dir)
	put(t, c, noon, series.Daily)
	err := filepath.WalkDir(filepath.Dir(dir), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
