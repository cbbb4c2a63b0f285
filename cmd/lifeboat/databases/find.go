package databases

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A Database is one database of a file, on this machine.
type Database struct {
	Entry Entry
	Path  string
	Base  string     // the directory in which a pattern begins, "" for a path
	Name  string     // in the series
	URL   bucket.URL // zero if the template makes none
	Err   error      // why it cannot be used. Wraps snapshot.ErrSource if it could not be read
}

// BucketURL returns the database's bucket URL, "" for none.
func (d *Database) BucketURL() string {
	if d.URL == (bucket.URL{}) {
		return ""
	}
	return d.URL.String()
}

// Check returns an error that wraps snapshot.ErrSource if the database's path has
// become a symlink since its pattern was expanded.
func (d *Database) Check() error {
	if d.Base != "" && !d.Entry.Follow && behindLink(d.Base, d.Path) {
		return fmt.Errorf("%w: it has become a symlink since the pattern was expanded", snapshot.ErrSource)
	}
	return nil
}

// Find finds the databases of an entry, and returns warnings of what it left out.
// host is what {host} stands for, "" if it is left open. The error is about the
// entry itself; that of one database is its Err.
func (e Entry) Find(ctx context.Context, host string) (all []*Database, warnings []string, err error) {
	names := templateNames{}
	if strings.Contains(e.URL.Text(), "{host}") {
		if names.host, err = hostName(host, inContainer(), os.Hostname); err != nil {
			return nil, nil, Problem(e.URL.Line, "%w", err)
		}
	}
	found, err := matches(ctx, e.Path.Text(), e.Follow)
	if errors.Is(err, doublestar.ErrBadPattern) {
		return nil, nil, Problem(e.Path.Line, "path: invalid pattern %q", e.Path.Text())
	}
	if err != nil {
		all = append(all, &Database{Entry: e, Path: e.Path.Text(), Err: err})
	} else if len(found.databases) == 0 {
		warnings = append(warnings, fmt.Sprintf("no database matches %s (line %d)", e.Path.Text(), e.Path.Line))
	}
	if len(found.links) > 0 {
		warnings = append(warnings, fmt.Sprintf("%s (line %d) does not follow symlinks, which leaves out %s: follow-symlinks: true takes them",
			e.Path.Text(), e.Path.Line, terminal.SomeOf(found.links)))
	}
	for _, path := range found.databases {
		d := &Database{Entry: e, Path: path, Base: found.base, Name: cmp.Or(e.Settings["name"].Text(), filepath.Base(path))}
		d.URL, d.Err = d.bucket(names)
		all = append(all, d)
	}
	return all, warnings, nil
}

// bucket returns the bucket URL that the template makes.
func (d *Database) bucket(names templateNames) (bucket.URL, error) {
	absolute, err := filepath.Abs(d.Path)
	if err != nil {
		return bucket.URL{}, err
	}
	names.name, names.dir = d.Name, filepath.Base(filepath.Dir(absolute))
	text, err := expandTemplate(d.Entry.URL.Text(), names)
	if err != nil {
		return bucket.URL{}, err
	}
	return bucket.ParseURL(text)
}

// RefuseMixing gives an error to the databases whose bucket URL is that of
// another one, or inside it: rules and prune could not distinguish their
// snapshots.
func RefuseMixing(all []*Database) {
	at := map[string][]*Database{}
	for _, d := range all {
		if d.Err == nil {
			at[d.BucketURL()] = append(at[d.BucketURL()], d)
		}
	}
	for _, d := range all {
		own := d.BucketURL()
		for outer := own; outer != ""; outer = outer[:max(strings.LastIndexByte(outer, '/'), 0)] {
			for _, other := range at[outer] {
				switch {
				case other == d:
				case outer == own:
					d.refuse("is also that of", other)
				default:
					d.refuse("is inside that of", other)
					other.refuse("has inside it that of", d)
				}
			}
		}
	}
}

// refuse gives a database its error, unless it has one.
func (d *Database) refuse(relation string, other *Database) {
	if d.Err == nil {
		d.Err = fmt.Errorf("its bucket URL %s %s %s (line %d)", d.URL, relation, other.Path, other.Entry.Line)
	}
}
