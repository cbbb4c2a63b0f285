package restore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/lifeboat-sqlite/lifeboat/restore/fetch"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// A content is a database to be put in place.
type content struct {
	id       snapshot.ID
	size     int64 // bytes
	peak     int64 // of the file while it is filled, bytes
	pageSize int
	mode     journalMode // to have
	// fill writes all of it into an empty file, verified, or fails.
	fill func(context.Context, *os.File) error
}

// databaseOf returns the database of a chain, without what fills it.
func databaseOf(chain *fetch.Chain) content {
	m := chain.Manifest()
	return content{id: m.ID, size: m.Size, peak: chain.PeakSize(), pageSize: m.PageSize, mode: modeNamed(m.JournalMode)}
}

// A placement puts one content in the place of a target.
type placement struct {
	content
	Options
	steps steps
	owner *owner // nil if this process works as itself
}

// foldAttempts bounds how often processes that come, write and go may delay a swap.
const foldAttempts = 5

// place brings c to the target. Nothing at the target changes until the new
// file beside it is complete, verified and synced.
func place(ctx context.Context, path string, c content, o Options) (result Result, err error) {
	err = asOwner(ctx, path, o, func(path string, w *owner) (err error) {
		p := placement{c, o, steps{o.hook, o.log()}, w}
		result, err = p.place(ctx, path)
		return err
	})
	return result, err
}

func (p *placement) place(ctx context.Context, path string) (result Result, err error) {
	o := p.Options
	t, err := lookAt(path, o)
	if err == nil {
		err = p.fits(t)
	}
	if err != nil {
		return Result{}, err
	}
	l, err := takeLock(p.steps, t.beside("lock"))
	if err != nil {
		return Result{}, err
	}
	defer func() { err = withLeft(err, l.release()) }()
	if t, err = examine(path, o); err != nil {
		return Result{}, err
	}
	stem, err := p.sweep(t)
	if err != nil {
		return Result{}, err
	}
	if err := p.checkRoom(t); err != nil {
		return Result{}, err
	}

	existed := t.info != nil
	temp, err := p.makeTemp(ctx, t)
	defer func() {
		if _, lost := os.Lstat(temp); lost == nil { // still here: not what was put in place
			err = withLeft(err, p.steps.remove(stepRemoveTemp, temp))
		}
	}()
	if err != nil {
		return Result{}, err
	}
	// Filling took its time, so the target is inspected again.
	if t, err = examine(path, o); err != nil {
		return Result{}, err
	}
	result = Result{ID: p.id, Target: t.path, Size: p.size, Live: o.Live && t.info != nil}
	switch {
	case existed != (t.info != nil):
		return Result{}, reason.Errorf(ErrTargetExists, nil, "%s was created or removed meanwhile", t.path)
	case t.info == nil:
		result.Kept, err = p.placeNew(t, temp)
	case o.Live:
		result.Kept, err = p.live(ctx, t, temp)
	default:
		result.Kept, err = p.swap(ctx, t, temp, stem)
	}
	return result, err
}

// withLeft adds an error of clearing away to the outcome of a restore. After a restore
// that succeeded it is an ErrLeft.
func withLeft(err, left error) error {
	if err == nil && left != nil {
		return fmt.Errorf("%w: %w", ErrLeft, left)
	}
	return errors.Join(err, left)
}

// lookAt inspects the target, and returns an error if it must be left alone. It opens
// the files of a live target only, and those never while this process has them open.
func lookAt(path string, o Options) (target, error) {
	t, err := inspect(path)
	if err == nil {
		err = t.allowed(o)
	}
	return t, err
}

// examine is lookAt, and returns an error if a process has the target open. It needs
// the lock: its own open would show in the lease of another restore.
func examine(path string, o Options) (target, error) {
	t, err := lookAt(path, o)
	if err == nil && !o.Live {
		err = t.closed(o)
	}
	return t, err
}

// sweep removes what killed runs left. It returns the second name that one had already
// given the target, to be used again.
func (p *placement) sweep(t target) (stem string, err error) {
	temps, err := t.leftovers()
	if err != nil {
		return "", err
	}
	for _, name := range temps {
		if err := p.steps.remove(stepSweepTemp, name); err != nil {
			return "", err
		}
	}
	names, err := t.ownNames()
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if err := p.steps.remove(stepSweepBefore, name); err != nil {
			return "", err
		}
		stem = name
	}
	return stem, nil
}

// makeTemp fills a temp file beside the target. It returns the name of a file that
// exists also with an error.
func (p *placement) makeTemp(ctx context.Context, t target) (name string, err error) {
	f, err := p.createTemp(t)
	if err != nil {
		return "", err
	}
	name = f.Name()
	defer func() { err = errors.Join(err, disk.Wrap("close "+name, f.Close())) }()
	if err := p.steps.do(stepFill, func() error { return p.write(ctx, f) }); err != nil {
		return name, err
	}
	if t.info != nil && p.Live { // it is read once and never takes the target's place
		err = p.steps.syncFile(stepSyncTemp, f)
	} else {
		err = p.finishTemp(t, f)
	}
	return name, errors.Join(err, ctx.Err())
}

func (p *placement) tempName(t target) string {
	var random [8]byte
	rand.Read(random[:]) // never fails, see crypto/rand
	return t.beside(string(p.id) + "-" + hex.EncodeToString(random[:]) + ".tmp")
}

// createTemp creates an empty file that has the owner of the target to be.
func (p *placement) createTemp(t target) (f *os.File, err error) {
	name := p.tempName(t)
	err = p.steps.do(stepTemp, func() (err error) {
		f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return nil, reason.Errorf(placeError(err), err, "create a temp file beside the target: %v", err)
	}
	to, why := p.Owner, error(ErrTarget)
	if to == nil && t.info != nil {
		to, why = &Owner{int(t.stat().Uid), int(t.stat().Gid)}, ErrCannotSwap
	}
	if to == nil || t.info != nil && p.Live {
		return f, nil
	}
	// By its descriptor, so that root gives away this file and no other.
	err = p.steps.do(stepOwner, func() error {
		return p.owner.suspend(func() error { return f.Chown(to.UID, to.GID) })
	})
	if err != nil {
		err = reason.Errorf(why, err, "give the new file of %s to user %d and group %d: %v", t.path, to.UID, to.GID, err)
		return nil, errors.Join(err, f.Close(), p.steps.remove(stepRemoveTemp, name))
	}
	return f, nil
}

// finishTemp gives a complete file its mode and makes it durable.
func (p *placement) finishTemp(t target, f *os.File) error {
	mode := p.Mode
	if t.info != nil && (mode == 0 || p.Live) {
		mode = t.info.Mode() & (os.ModePerm | os.ModeSetuid | os.ModeSetgid | os.ModeSticky)
	}
	if t.info != nil || mode != 0 {
		if err := p.steps.do(stepMode, func() error { return f.Chmod(mode) }); err != nil {
			return fmt.Errorf("give the new file of %s its mode: %w", t.path, err)
		}
	}
	return p.steps.syncFile(stepSyncTemp, f)
}

// write fills f and gives it its journal mode.
func (p *placement) write(ctx context.Context, f *os.File) error {
	// The bucket may be one that only root can read.
	if err := p.owner.suspend(func() error { return p.fill(ctx, f) }); err != nil {
		return disk.Wrap("write the restored database", err)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != p.size {
		return fmt.Errorf("restored database has %d bytes instead of %d", info.Size(), p.size)
	}
	return p.mode.set(f)
}
