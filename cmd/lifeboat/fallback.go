package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// fallbackFlags name a second place, which lifeboat copy has filled.
type fallbackFlags struct {
	Fallback        treeURL `placeholder:"URL" group:"Store" help:"Restore from the copies of lifeboat copy there, if the store is down or lacks an object. With --config: the place of copy --to."`
	FallbackProfile string  `placeholder:"NAME" group:"Store" help:"AWS profile with keys and endpoint_url of --fallback."`
}

// A place is what one place has for a restore.
type place struct {
	*restoreCmd // as if the place were the only one
	bucket      bucket.Bucket
	found       series.Snapshot
	err         error // why there is none
	begun       bool  // a part of the database was written to stdout
}

// look chooses the snapshot in one place. A place that was down for another database of
// the run is tried once, and if it is back, it has all of --retry-for again.
func (r *restoreCmd) look(ctx context.Context, c *console) *place {
	if r.waited.has(r.placeKey()) {
		once := *r
		once.RetryFor = 0
		if p := once.lookNow(ctx, c); errors.Is(p.err, bucket.ErrUnreachable) {
			p.restoreCmd = r
			return p
		}
	}
	p := r.lookNow(ctx, c)
	r.waited.note(r.placeKey(), errors.Is(p.err, bucket.ErrUnreachable))
	return p
}

func (r *restoreCmd) lookNow(ctx context.Context, c *console) *place {
	p := &place{restoreCmd: r}
	if p.bucket, p.err = r.open(ctx, c, upload.Options{Profile: r.profile}); p.err == nil {
		p.found, p.err = r.choose(ctx, c, p.bucket)
	}
	return p
}

// second returns the command for the second place alone.
func (r *restoreCmd) second() *restoreCmd {
	own := *r
	own.URL = snapshotURL{r.Fallback.bucketURL, r.URL.Named}
	own.profile, own.Fallback, own.isSecond = r.FallbackProfile, treeURL{}, true
	return &own
}

// newerWithin is how long a restore that is done waits for the second place, which may have
// a newer snapshot.
const newerWithin = 5 * time.Second

// fromPlaces restores from the first place, and from the second one where that fails. A
// newer snapshot that the second place alone has is only named: those who can write there
// must not decide what a restore returns while the first place is sound. Nor do they delay
// it: only then is the second place looked at.
func (r *restoreCmd) fromPlaces(ctx context.Context, c *console, identities []age.Identity) error {
	first := r.look(ctx, c)
	if r.Fallback == (treeURL{}) {
		return first.bring(ctx, c, identities)
	}
	own := r.second()
	defer func() {
		r.wasEqual, r.wasRetired, r.ofRoot = own.wasEqual || r.wasEqual, own.wasRetired || r.wasRetired, own.ofRoot || r.ofRoot
	}()
	if first.err != nil {
		return first.orSecond(ctx, c, own, identities)
	}
	err := first.bring(ctx, c, identities)
	if err == nil {
		own.nameNewer(ctx, c, first.found)
	}
	if err == nil || ctx.Err() != nil || !servesInstead(err) || first.begun {
		return err
	}
	if errors.Is(err, bucket.ErrUnreachable) {
		r.waited.note(r.placeKey(), true)
	}
	second := own.look(ctx, c)
	if second.err != nil {
		own.warnAway(c, second.err)
		return err
	}
	copied, notThere := second.same(ctx, c, first.found)
	if notThere != nil {
		return err
	}
	c.log.Warn("the first place cannot serve, so the second does", "url", own.URL.String(), "snapshot", copied.found.ID, "cause", err)
	return copied.bring(ctx, c, identities)
}

// orSecond restores from the second place where nothing was chosen in the first.
func (p *place) orSecond(ctx context.Context, c *console, own *restoreCmd, identities []age.Identity) error {
	if !servesInstead(p.err) {
		return p.bring(ctx, c, identities)
	}
	second := own.look(ctx, c)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case second.err == nil:
		c.log.Warn("the first place cannot serve, so the second does", "url", own.URL.String(), "snapshot", second.found.ID, "cause", p.err)
		return second.bring(ctx, c, identities)
	}
	own.warnAway(c, second.err)
	if p.AllowEmpty && errors.Is(p.err, restore.ErrNoSnapshot) {
		if err := second.neverUsed(ctx); err != nil {
			return err
		}
	}
	return p.bring(ctx, c, identities)
}

// nameNewer warns if the second place has a newer snapshot than the one that was restored.
// In a run over many databases one that is down is asked once, not for each.
func (r *restoreCmd) nameNewer(ctx context.Context, c *console, restored series.Snapshot) {
	// It has not had --retry-for, so it is not down for a restore from there.
	asked := r.placeKey()
	asked.forNewer = true
	if r.waited.has(r.placeKey()) || r.waited.has(asked) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, newerWithin)
	defer cancel()
	once := *r
	once.RetryFor = 0
	second := once.lookNow(ctx, c)
	r.waited.note(asked, errors.Is(second.err, bucket.ErrUnreachable) || second.err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded))
	switch {
	case second.err != nil:
		r.warnAway(c, second.err)
	case restored.ID < second.found.ID:
		c.log.Warn("the second place has a newer snapshot, and the first one served", "url", r.URL.String(), "snapshot", second.found.ID,
			"first_has", restored.ID, "to_restore_it", r.commandFor(second.found))
	}
}

func (r *restoreCmd) warnAway(c *console, cause error) {
	c.log.Warn("the second place cannot serve", "url", r.URL.String(), "cause", cause)
}

// same returns the second place's copy of a snapshot of the first, or its own choice, if
// that is newer and it has no copy. The error says that it has neither.
func (p *place) same(ctx context.Context, c *console, s series.Snapshot) (*place, error) {
	if p.found.ID == s.ID {
		return p, nil
	}
	copied := *p
	var err error
	if copied.found, err = restore.Select(ctx, p.bucket, restore.Selector{Which: string(s.ID), Log: c.log}); err == nil {
		return &copied, nil
	}
	if p.found.ID > s.ID && errors.Is(err, restore.ErrNoSnapshot) {
		return p, nil
	}
	return nil, err
}

// commandFor returns the command that restores a snapshot of the second place.
func (r *restoreCmd) commandFor(s series.Snapshot) string {
	command := r.command() + " --snapshot " + string(s.ID)
	if r.profile != "" {
		command = "AWS_PROFILE=" + terminal.Quote(r.profile) + " " + command
	}
	return command
}

// neverUsed returns an error unless the second place is known to have never held anything.
func (p *place) neverUsed(ctx context.Context) error {
	if !errors.Is(p.err, restore.ErrNoSnapshot) {
		return fmt.Errorf("find out whether this is a first start: --fallback: %w", p.err)
	}
	if err := p.restoreCmd.neverUsed(ctx, p.bucket, p.err); err != nil {
		return fmt.Errorf("--fallback: %w", err)
	}
	return nil
}

// servesInstead reports whether an error is about a place, so that another one that has
// the same objects may do better.
func servesInstead(err error) bool {
	for _, reason := range []error{
		bucket.ErrUnreachable, bucket.ErrRefused, bucket.ErrNotFound, bucket.ErrChanged,
		restore.ErrGone, restore.ErrNoSnapshot, snapshot.ErrDamaged,
	} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// bring restores what was found.
func (p *place) bring(ctx context.Context, c *console, identities []age.Identity) error {
	if p.err != nil && p.AllowEmpty && errors.Is(p.err, restore.ErrNoSnapshot) {
		return p.firstStart(ctx, c, p.bucket, p.err)
	}
	if p.err != nil {
		return p.lookedUp(p.err)
	}
	p.warnPlain(c, p.found)
	if p.ofAll {
		if done, err := p.leave(ctx, c, p.bucket, p.found, identities); done || err != nil {
			return err
		}
	}
	o := restore.Options{
		Replace: p.Replace, DiscardOld: p.DiscardOld, AssumeClosed: p.AssumeClosed, AsOwner: true, Live: p.Live, Owner: p.Owner.Owner, Mode: os.FileMode(p.Mode), MakeDirectory: p.makes,
		Wait: p.Wait.or(snapshot.NoWait), Identities: identities, Progress: c.progress("restore"), Log: c.log,
	}
	var err error
	switch {
	case p.DB == stdoutTarget:
		out := &outlet{File: c.stdout}
		err = restore.Stream(ctx, p.bucket, p.found, out, o)
		p.begun = out.written
	case p.DryRun:
		err = p.dryRun(ctx, c, p.bucket, p.found, o)
	default:
		err = p.restore(ctx, c, p.bucket, p.found, o)
	}
	if p.DB != stdoutTarget && errors.Is(err, restore.ErrNoRoom) {
		err = &hinted{err, "make room on that disk: until the new database is complete the old one stays beside it"}
	}
	return withInstead(ctx, p.bucket, p.found, p.command(), err)
}
