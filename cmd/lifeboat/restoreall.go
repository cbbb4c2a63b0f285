package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// restoringParallel is how many databases restore --all restores at once by default:
// each uses all cores for a large one, and mostly waits for the store for a small one.
const restoringParallel = 4

// take implements configurable.
func (r *restoreCmd) take(d *databases.Database) error {
	if r.DB == ownPath {
		if r.DB = d.Path; d.Path == "" {
			return usage("%s: the configuration leaves open which file it was: lifeboat restore --only NAME DB names one", d.BucketURL())
		}
		if d.BehindLink() {
			return &hinted{fmt.Errorf("restore to %s: %w: it is a symlink or behind one, and line %d does not follow symlinks", d.Path, restore.ErrTarget, d.Entry.Line),
				"follow-symlinks: true takes it; to restore into another file: lifeboat restore --only NAME DB"}
		}
		r.makes = true
	}
	if r.Fallback != (treeURL{}) {
		var err error
		if r.Fallback, err = r.Fallback.of(d.URL); err != nil {
			return usage("--fallback %s: %w", r.Fallback, err)
		}
	}
	return r.snapshotFlags.take(d)
}

func (r *restoreCmd) several() bool { return r.All }

func (r *restoreCmd) atOnce(inFile int) int {
	return cmp.Or(int(r.Parallel), inFile, restoringParallel)
}

// runAll restores the databases of the schedule, each to its own path or below --to.
// What an earlier run has restored stays as it is.
func (r *restoreCmd) runAll(ctx context.Context, c *console, s *schedule) error {
	j := r.newJoint(ctx, c, s, "restored")
	j.brief = true
	waited := &waitedFor{down: map[placeKey]bool{}}
	var there, retired, ofRoot int
	printing := j.run(func(c *console, _ int, t *task) error {
		own := t.other.(*restoreCmd)
		own.DB = ownPath
		if r.To != "" {
			own.DB, own.makes = own.below(t), true
		}
		own.ofAll = true
		if own.Fallback != (treeURL{}) { // without, no other place serves what a longer wait might
			own.waited = waited
		}
		err := t.run(ctx, c)
		j.mu.Lock()
		defer j.mu.Unlock()
		if own.wasEqual {
			there++
		}
		if own.wasRetired {
			retired++
		}
		if own.ofRoot {
			ofRoot++
		}
		return err
	})
	if ofRoot > 0 {
		c.note(fmt.Sprintf("%d new files belong to root; another user's application needs --owner USER, or chown", ofRoot))
	}
	var unlooked error
	if s.unlooked {
		unlooked = errUnlooked
	}
	return errors.Join(unlooked, j.end(tally{there, " there already"}, tally{retired, " retired and left out"}), printing)
}

// below returns the file for a database below --to: its own path there, or that of its
// bucket URL if its path is not known.
func (r *restoreCmd) below(t *task) string {
	if t.Path == "" {
		return filepath.Join(r.To, t.URL.Bucket, t.URL.Prefix, t.URL.Dir)
	}
	path, err := filepath.Abs(t.Path)
	if err != nil {
		path = t.Path
	}
	return filepath.Join(r.To, path)
}

// target returns the real file that a database is restored to, "" if there is none: one
// with an error, behind another user's symlink, or without a known path.
func (r *restoreCmd) target(t *task) string {
	path := t.Path
	if r.To != "" {
		path = r.below(t)
	}
	full, err := filepath.Abs(path)
	if err != nil || path == "" || t.Err != nil || r.To == "" && t.BehindLink() {
		return ""
	}
	for at, rest := full, ""; at != "/"; at, rest = filepath.Dir(at), filepath.Join(filepath.Base(at), rest) {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest)
		}
	}
	return full
}

// tellApart leaves out the databases whose file another entry restores: a file that is
// backed up into two buckets comes from the first of the configuration. One that discover
// has found is that of the entry that names it, as for a backup.
func (r *restoreCmd) tellApart(c *console, s *schedule) {
	if !r.All {
		return
	}
	first := map[string]*task{}
	for _, discovered := range []bool{false, true} {
		for _, t := range s.tasks {
			if target := r.target(t); target != "" && t.Entry.Discover == discovered && first[target] == nil {
				first[target] = t
			}
		}
	}
	type lines struct{ from, left int }
	left := map[lines][]string{}
	var order []lines
	s.tasks = slices.DeleteFunc(s.tasks, func(t *task) bool {
		other := first[r.target(t)]
		if other == nil || other == t {
			return false
		}
		at := lines{other.Entry.Line, t.Entry.Line}
		if left[at] == nil {
			order = append(order, at)
		}
		left[at] = append(left[at], t.BucketURL())
		return true
	})
	for _, at := range order {
		c.log.Warn(fmt.Sprintf("line %d has the same files as line %d, and they are restored from there; --only BUCKET_URL takes one from %s",
			at.left, at.from, terminal.SomeOf(left[at])))
	}
}

// leave reports whether the target is left as it is: the series was retired at the time
// that is restored, as the tag of its newest snapshot says, or the target has the content
// of the snapshot already.
func (r *restoreCmd) leave(ctx context.Context, c *console, b bucket.Bucket, s series.Snapshot, identities []age.Identity) (bool, error) {
	d := restoreDocument{URL: r.URL.String(), Target: terminal.ValidText(r.DB)}
	if at, retired := retiredAt(ctx, c, b); retired && (r.At.IsZero() || !r.At.Before(at)) {
		r.wasRetired, d.Retired = true, true
		return true, c.result(r.JSON, d, c.unlessQuiet(terminal.Sprintf("nothing to do: %s is retired\n", r.URL)))
	}
	if missing, err := restore.Missing(r.DB); err != nil || missing {
		return false, nil // the restore itself returns the error
	}
	same, err := restore.Holds(ctx, b, s, r.DB, restore.Options{Identities: identities, Log: c.log})
	if err != nil || !same {
		return false, err
	}
	r.wasEqual, d.Snapshot = true, string(s.ID)
	return true, c.result(r.JSON, d, c.unlessQuiet(terminal.Sprintf("nothing to do: %s has the content of snapshot %s\n", r.DB, s.ID)))
}

// retiredAt returns when a series was retired, and false if it was not. Where that cannot
// be read, as with keys that may not read tags, it was not: a database too many does less
// harm than one missing.
func retiredAt(ctx context.Context, c *console, b bucket.Bucket) (time.Time, bool) {
	tail, _, err := series.Tail(ctx, b)
	newest, ok := series.NewestOf(tail)
	if err != nil || !ok {
		return time.Time{}, false
	}
	tags, _, err := series.ReadTags(ctx, b, newest.Object)
	if err != nil {
		c.log.Debug("whether the series is retired is not known", "reason", err)
		return time.Time{}, false
	}
	return lifecycle.Item{Snapshot: newest, Tags: tags, TagsKnown: true}.Retired()
}
