package databases

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A Database is one database of a file, on this machine.
type Database struct {
	Entry Entry
	Path  string
	Base  string     // the directory in which a pattern or a search begins, "" for a path
	Name  string     // in the series; of a discovered one its path below Base, unless a tag cannot hold that
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
// become a symlink since it was found.
func (d *Database) Check() error {
	if d.BehindLink() {
		return fmt.Errorf("%w: it has become a symlink since it was found", snapshot.ErrSource)
	}
	return nil
}

// BehindLink reports whether the database's path is a symlink or leads over one, below the
// directory in which the pattern or search begins, and its entry follows none. It is also
// for a database that is gone: another user may have put a symlink in its place.
func (d *Database) BehindLink() bool {
	return d.Base != "" && !d.Entry.Follow && behindLink(d.Base, d.Path)
}

// Find finds the databases of an entry, and returns warnings of what it left out.
// host is what {host} stands for, "" if it is left open. The error is about the
// entry itself; that of one database is its Err.
func (e Entry) Find(ctx context.Context, host string) (all []*Database, warnings []string, err error) {
	all, _, warnings, err = e.FindWithOthers(ctx, host)
	return all, warnings, err
}

// FindWithOthers is Find, and yields besides the files that a search has read and that
// are no databases (any more), each as the Database that it would be.
func (e Entry) FindWithOthers(ctx context.Context, host string) (all []*Database, others iter.Seq[*Database], warnings []string, err error) {
	names := templateNames{below: e.Discover}
	if strings.Contains(e.URL.Text(), "{host}") {
		if names.host, err = hostName(host, inContainer(), os.Hostname); err != nil {
			return nil, nil, nil, Problem(e.URL.Line, "%w", err)
		}
	}
	find := matches
	if e.Discover {
		find = discover
	}
	found, err := find(ctx, e.Path.Text(), e.Follow)
	if ctx.Err() != nil {
		return nil, nil, nil, ctx.Err()
	}
	if errors.Is(err, doublestar.ErrBadPattern) {
		return nil, nil, nil, Problem(e.Path.Line, "path: invalid pattern %q", e.Path.Text())
	}
	if err != nil {
		all = append(all, &Database{Entry: e, Path: e.Path.Text(), Err: err})
	} else if len(found.databases)+len(found.unread) == 0 {
		warnings = append(warnings, e.NoneFound())
	}
	if len(found.links) > 0 {
		warnings = append(warnings, fmt.Sprintf("%s (line %d) does not follow symlinks, which leaves out %s: follow-symlinks: true takes them",
			e.Path.Text(), e.Path.Line, terminal.SomeOf(found.links)))
	}
	for _, path := range found.databases {
		all = append(all, e.database(path, found.base, names))
	}
	for _, u := range found.unread {
		d := e.database(u.path, found.base, names)
		d.Err = u.err
		all = append(all, d)
	}
	others = func(yield func(*Database) bool) {
		for _, path := range found.others {
			if !yield(e.database(path, found.base, names)) {
				return
			}
		}
	}
	return all, others, warnings, nil
}

// NoneFound returns the warning of Find that there is no database on this machine.
func (e Entry) NoneFound() string {
	if e.Discover {
		return fmt.Sprintf("there is no database below %s (line %d)", e.Path.Text(), e.Path.Line)
	}
	return fmt.Sprintf("no database matches %s (line %d)", e.Path.Text(), e.Path.Line)
}

// database returns the entry's database at a path.
func (e Entry) database(path, base string, names templateNames) *Database {
	d := &Database{Entry: e, Path: path, Base: base, Name: cmp.Or(e.Settings["name"].Text(), filepath.Base(path))}
	names.name = d.Name
	if below, err := filepath.Rel(base, path); e.Discover && err == nil {
		names.name = below
		if _, tooLong := series.EncodeTag(below); tooLong == nil {
			d.Name = below
		}
	}
	d.URL, d.Err = d.bucket(names)
	return d
}

// bucket returns the bucket URL that the template makes.
func (d *Database) bucket(names templateNames) (bucket.URL, error) {
	absolute, err := filepath.Abs(d.Path)
	if err != nil {
		return bucket.URL{}, err
	}
	names.dir = filepath.Base(filepath.Dir(absolute))
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
