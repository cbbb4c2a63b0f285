package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// placeNew puts the temp file where no file is. Sidecars that are left over
// from a database that is gone would be replayed into the new one.
func (p *placement) placeNew(t target, temp string) (kept []string, err error) {
	var aside []move
	if p.DiscardOld {
		err = p.removeSidecars(t)
	} else {
		aside, err = p.moveSidecars(t, p.freeStem(t, "", t.sidecars))
	}
	if err == nil {
		err = p.steps.renameNew(stepPlace, temp, t.path)
	}
	if errors.Is(err, os.ErrExist) {
		err = reason.Errorf(ErrTargetExists, err, "%s was created meanwhile", t.path)
	}
	if err != nil {
		return nil, errors.Join(err, p.undo(aside))
	}
	return destinations(aside), p.steps.syncDir(stepSyncPlaced, filepath.Dir(t.path))
}

// swap replaces the target's file.
func (p *placement) swap(ctx context.Context, t target, temp, stem string) (kept []string, err error) {
	g, openable, err := p.settle(ctx, t)
	if err != nil {
		return nil, err
	}
	defer func() { err = withLeft(err, g.release()) }()
	if err := p.steps.syncFile(stepSyncMain, g.file); err != nil {
		return nil, err
	}
	if t, err = inspect(t.path); err != nil {
		return nil, err
	}
	if openable {
		// All is in the main file. A stray WAL beside its new name would be
		// replayed into it.
		stem = p.freeStem(t, "", sidecarSuffixes)
	} else {
		stem = p.freeStem(t, stem, t.sidecars)
	}
	var aside []move
	if openable || p.DiscardOld {
		err = p.removeSidecars(t)
	} else {
		aside, err = p.moveSidecars(t, stem)
	}
	if err != nil {
		return nil, errors.Join(err, p.undo(aside))
	}
	if p.DiscardOld {
		stem = p.tempName(t) // until the new file is safely in its place
	}
	second, err := p.keep(t, stem)
	if err != nil {
		return nil, errors.Join(err, p.undo(aside))
	}
	if err := p.exchange(t, g, temp, second); err != nil {
		return nil, errors.Join(err, p.undo(aside))
	}
	var left error
	if p.DiscardOld && second != "" {
		left = p.steps.remove(stepDiscard, second)
	} else if !p.DiscardOld {
		kept = append(kept, second)
	}
	return append(kept, destinations(aside)...), withLeft(p.steps.syncDir(stepSyncPlaced, filepath.Dir(t.path)), left)
}

// exchange renames the temp file over the target, of which second is another
// name. If it fails, the old file alone is there, under its own name.
//
// A process that opens the old file between the last look at the lease and the
// rename would go on with a file that is no longer the database. Its open does
// not return before the lease is released, but shows in the lease at once. So
// another look after the rename finds it, in time to put the old file back.
func (p *placement) exchange(t target, g *guard, temp, second string) error {
	err := p.steps.do(stepLease, func() error { return g.check(t.path) })
	if err == nil {
		err = p.steps.do(stepSwap, func() error { return t.renameError(os.Rename(temp, t.path)) })
	}
	if err != nil {
		if second != "" {
			err = errors.Join(err, p.steps.remove(stepUndo, second))
		}
		return err
	}
	err = p.steps.do(stepLeaseAgain, func() error { return g.unopened(t.path) })
	if err == nil {
		return nil
	}
	if second == "" {
		return reason.Errorf(ErrTargetOpen, err, "%v, when the new database was already in place: restart that process", err)
	}
	back := p.steps.do(stepPutBack, func() error { return disk.Wrap("put the old database back", os.Rename(second, t.path)) })
	return errors.Join(err, back, p.steps.syncDir(stepSyncPlaced, filepath.Dir(t.path)))
}

// settle returns a guard on the main file, with the whole old content folded into it.
// Where SQLite cannot open the old database, the main file is untouched.
func (p *placement) settle(ctx context.Context, t target) (g *guard, openable bool, err error) {
	if openable, err = p.openable(ctx, t); err != nil {
		return nil, false, err
	}
	for range foldAttempts {
		if openable {
			err = p.steps.do(stepFold, func() error { return fold(ctx, t.path) })
			switch {
			case sqlite.IsLocked(err), errors.Is(err, ErrTargetOpen):
				return nil, false, openError(t.path)
			case sqlite.Code(err) != 0 && !sqlite.IsFull(err) && ctx.Err() == nil:
				p.log().Warn("SQLite cannot fold the old database's journal into it, so both are kept as they are", "target", t.path, "error", err)
				openable = false
			case err != nil:
				return nil, false, fmt.Errorf("fold the old database's journal into it: %w", err)
			}
		}
		err = p.steps.do(stepTakeLease, func() (err error) {
			g, err = t.guard(p.Options)
			return err
		})
		if err != nil {
			return nil, false, err
		}
		dirty, err := t.dirty()
		if err == nil && (!openable || !dirty) {
			return g, openable, nil
		}
		if err := errors.Join(err, g.release()); err != nil {
			return nil, false, err
		}
	}
	return nil, false, reason.Errorf(ErrTargetOpen, nil, "%s is written again and again by other processes", t.path)
}

// openable reports whether SQLite can open the old database. It changes nothing: a
// damaged database is evidence.
func (p *placement) openable(ctx context.Context, t target) (bool, error) {
	g, err := t.guard(p.Options)
	if err != nil {
		return false, err
	}
	whole, err := t.wholeIn(g.file)
	if err = errors.Join(err, g.release()); err != nil || !whole {
		return false, err
	}
	hot, err := t.hot()
	if err != nil {
		return false, err
	}
	if hot {
		return p.probeCopy(ctx, t)
	}
	params := url.Values{"mode": {"ro"}}
	if !slices.Contains(t.sidecars, "-wal") {
		// No file beside the main one is read, none is created.
		params.Set("immutable", "1")
	}
	return p.try(ctx, t.path, params)
}

// probeCopy is the probe for a database with a hot journal, which cannot be
// read before it is rolled back.
func (p *placement) probeCopy(ctx context.Context, t target) (ok bool, err error) {
	name := p.tempName(t)
	suffixes := []string{"", "-journal"}
	if slices.Contains(t.sidecars, "-wal") {
		suffixes = append(suffixes, "-wal")
	}
	defer func() {
		for _, suffix := range append([]string{""}, sidecarSuffixes...) {
			err = errors.Join(err, p.steps.remove(stepRemoveProbe, name+suffix))
		}
	}()
	for _, suffix := range suffixes {
		err := p.steps.do(stepProbe, func() error { return copyFile(name+suffix, t.path+suffix) })
		if errors.Is(err, unix.EIO) {
			return false, nil // a disk that cannot be read
		}
		if err != nil {
			return false, fmt.Errorf("copy the old database for a probe: %w", err)
		}
	}
	return p.try(ctx, name, url.Values{"mode": {"rw"}})
}

// try is the probe as a step: reading a WAL makes an index for it.
func (p *placement) try(ctx context.Context, path string, params url.Values) (openable bool, err error) {
	err = p.steps.do(stepTry, func() (err error) {
		openable, err = probe(ctx, path, params)
		return err
	})
	return openable, err
}

func copyFile(to, from string) (err error) {
	src, err := disk.OpenRegular(from, os.O_RDONLY)
	if err != nil {
		return openRefused(from, err)
	}
	defer src.Close() // only read from
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return disk.Wrap("copy "+from, err)
	}
	_, err = io.Copy(dst, src)
	return disk.Wrap("copy "+from, errors.Join(err, dst.Close()))
}

// freeStem returns the name under which the old database is kept: prefer, or the
// first of <db>.before-<ID>, -2, -3 and so on that is free, alone and with each of
// the suffixes.
func (p *placement) freeStem(t target, prefer string, suffixes []string) string {
	free := func(stem string) bool {
		return stem != "" && !slices.ContainsFunc(append([]string{""}, suffixes...), func(suffix string) bool {
			_, err := os.Lstat(stem + suffix)
			return !errors.Is(err, os.ErrNotExist)
		})
	}
	stem := prefer
	for n := 1; !free(stem); n++ {
		stem = t.before() + string(p.id)
		if n > 1 {
			stem += "-" + strconv.Itoa(n)
		}
	}
	return stem
}

// removeSidecars removes all sidecars of the target, and syncs the directory. The sync
// also makes durable what SQLite or an operator removed just before: a power cut could
// bring it back. Truncating is not enough: an empty WAL still makes SQLite use WAL mode.
func (p *placement) removeSidecars(t target) error {
	for _, suffix := range t.sidecars {
		if err := p.steps.remove(stepUnlinkSidecar, t.path+suffix); err != nil {
			return err
		}
	}
	return p.steps.syncDir(stepSyncAside, filepath.Dir(t.path))
}

// moveSidecars is removeSidecars, but moves them to the names that go with the kept
// main file. What it has moved it returns with an error, too.
func (p *placement) moveSidecars(t target, stem string) (aside []move, err error) {
	for _, suffix := range t.sidecars {
		if err := p.steps.renameNew(stepMoveSidecar, t.path+suffix, stem+suffix); err != nil {
			return aside, err
		}
		aside = append(aside, move{t.path + suffix, stem + suffix})
	}
	return aside, p.steps.syncDir(stepSyncAside, filepath.Dir(t.path))
}

type move struct{ from, to string }

func destinations(moves []move) (names []string) {
	for _, m := range moves {
		names = append(names, m.to)
	}
	return names
}

// undo takes moves back, last first.
func (p *placement) undo(moves []move) (err error) {
	for _, m := range slices.Backward(moves) {
		err = errors.Join(err, p.steps.renameNew(stepUndo, m.to, m.from))
	}
	return err
}

// keep gives the old main file a second name. It returns "" if the file system
// has no hard links and the old database is to be discarded in any case.
func (p *placement) keep(t target, stem string) (string, error) {
	err := p.steps.do(stepKeep, func() error { return os.Link(t.path, stem) })
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) {
		if p.DiscardOld {
			return "", nil
		}
		return "", t.cannotSwap("cannot be kept: the file system has no hard links")
	}
	if err != nil {
		return "", disk.Wrap("keep the old database", err)
	}
	if err := p.steps.syncDir(stepSyncKept, filepath.Dir(t.path)); err != nil {
		return "", errors.Join(err, p.steps.remove(stepUndo, stem))
	}
	return stem, nil
}
