package copies

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Options are the options of Run. The zero value copies all.
type Options struct {
	Choice
	// Adopt allows a target whose snapshots have another name or content, or are none of
	// the source's.
	Adopt bool
	// Identities decrypt encrypted snapshots, to verify their frames. Without one that
	// fits they are verified by the checksum that their store has.
	Identities []age.Identity
	// Progress is called with bytes copied and to be copied.
	Progress func(done, total int64)
	// Log receives warnings; nil discards them.
	Log *slog.Logger
}

// A Copied snapshot is at the target now.
type Copied struct {
	series.Snapshot        // as the source lists it
	By              string // what it was verified by: ByFrames, ByLength, or a store's checksum
}

// A Result is what a copy has done, valid as far as it came also with an error.
type Result struct {
	// Plan is what was to be done. Its lists do not change.
	Plan Plan
	// Copied are the snapshots that were copied, in this order.
	Copied []Copied
	// Gone are those that retention or a deletion took at the source meanwhile.
	Gone []series.Snapshot
	// Refused are those of the Plan, and those that could not be copied.
	Refused []Refused
	// Confirmed is the time of the last unchanged backup that was brought along, the
	// zero time if there was none to bring.
	Confirmed time.Time
}

// Bytes returns the size of all objects that were copied.
func (r Result) Bytes() (bytes int64) {
	for _, c := range r.Copied {
		bytes += c.Object.Size
	}
	return bytes
}

// Preview returns what Run would do, as far as listings and tags show it: the Plan, what is
// Refused, and Confirmed. Its error is the one that Run would return about those.
func Preview(ctx context.Context, from, to bucket.Bucket, o Options) (Result, error) {
	r := newRun(from, to, o)
	if err := r.prepare(ctx); err != nil {
		return r.result, err
	}
	if err := r.foreseeConfirm(ctx); err != nil {
		return r.result, err
	}
	return r.result, r.verdict(len(r.result.Plan.Copy))
}

// Run copies the snapshots of the series in from that to does not have. Each is verified
// before it becomes visible there, and is tagged as held. The time of the last
// unchanged backup is brought along. Nothing is released, overwritten or deleted.
//
// An error that wraps ErrPartly is about some snapshots, or what is beside them: the others
// are there. Other errors wrap ErrSame, upload.ErrOtherDatabase, upload.ErrNested or one
// of package bucket or snapshot where that is the reason; a series without snapshots is
// bucket.ErrNotFound.
func Run(ctx context.Context, from, to bucket.Bucket, o Options) (Result, error) {
	r := newRun(from, to, o)
	if err := r.prepare(ctx); err != nil {
		return r.result, err
	}
	if err := r.copyAll(ctx); err != nil {
		return r.result, err
	}
	if err := r.sortOutGone(ctx); err != nil {
		return r.result, err
	}
	return r.result, errors.Join(r.verdict(len(r.result.Copied)), r.beside(ctx))
}

// A run is one copy on its way.
type run struct {
	Options
	from, to       bucket.Bucket
	source, target []series.Snapshot // as listed before
	newest         bucket.Tags       // of the source's newest snapshot, as the target is to have them
	origin         string            // the value of TagOrigin of its copies
	toldOfTags     bool              // a warning was logged
	done           int64             // bytes
	lost           map[snapshot.ID]bool
	begun          map[snapshot.ID]time.Time // when a snapshot's copy was begun, by the target's clock
	result         Result
}

func newRun(from, to bucket.Bucket, o Options) *run {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	return &run{Options: o, from: from, to: to, lost: map[snapshot.ID]bool{}, begun: map[snapshot.ID]time.Time{}}
}

// prepare makes the plan, if the target may have the series.
func (r *run) prepare(ctx context.Context) (err error) {
	if same(r.from, r.to) {
		return fmt.Errorf("copy %s to %s: %w", r.from.URL(), r.to.URL(), ErrSame)
	}
	if r.source, err = series.Snapshots(ctx, r.from, time.Time{}); err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	if len(r.source) == 0 {
		return fmt.Errorf("copy %s: there is no snapshot: %w", r.from.URL(), bucket.ErrNotFound)
	}
	if r.target, err = listTarget(ctx, r.to); err != nil {
		return fmt.Errorf("the target: %w", err)
	}
	if r.sameListing() {
		return fmt.Errorf("copy %s to %s: all snapshots were uploaded to both at the same time: %w", r.from.URL(), r.to.URL(), ErrSame)
	}
	if err := r.admit(ctx); err != nil {
		return err
	}
	if r.result.Plan, err = Compare(ctx, r.to, r.source, r.target, r.Choice); err != nil {
		return err
	}
	r.result.Refused = slices.Clone(r.result.Plan.Refused)
	return nil
}

// same reports whether two buckets are one place.
func same(a, b bucket.Bucket) bool {
	located, ok := bucket.As[bucket.Located](a)
	return a.URL() == b.URL() && endpoint(a) == endpoint(b) || ok && located.SameAs(b)
}

// sameListing reports whether two places in stores are one that has two names: each
// object was uploaded at the same time. A copy has its own time.
func (r *run) sameListing() bool {
	_, isStore := bucket.As[bucket.Remote](r.from)
	_, isStore2 := bucket.As[bucket.Remote](r.to)
	return isStore && isStore2 && slices.EqualFunc(r.source, r.target, func(s, t series.Snapshot) bool {
		return s.Object.Name == t.Object.Name && s.Object.ETag == t.Object.ETag && s.Object.Modified.Equal(t.Object.Modified)
	})
}

func endpoint(b bucket.Bucket) string {
	if remote, ok := bucket.As[bucket.Remote](b); ok {
		return remote.Endpoint()
	}
	return ""
}

// listTarget returns the snapshots of a target. A directory that is not there has none.
func listTarget(ctx context.Context, to bucket.Bucket) ([]series.Snapshot, error) {
	all, err := series.Snapshots(ctx, to, time.Time{})
	if errors.Is(err, bucket.ErrNotFound) {
		return nil, nil
	}
	return all, err
}

// copyAll copies what the plan says. Its error is one after which no other object could
// be copied either.
func (r *run) copyAll(ctx context.Context) error {
	total, looked := r.result.Plan.Bytes(), false
	for _, s := range r.result.Plan.Copy {
		if lost, is := r.lostBelow(s); is {
			r.refuse(s, fmt.Errorf("%w: it stands on %s, which was not copied", bucket.ErrNotFound, lost))
			r.skip(s, total)
			continue
		}
		before := r.done
		r.begun[s.ID] = series.Present(r.to)
		by, err := r.copyObject(ctx, s, func(n int) {
			r.done += int64(n)
			r.Progress(r.done, total)
		})
		r.done = before
		r.skip(s, total)
		switch {
		case err == nil:
			r.result.Copied = append(r.result.Copied, Copied{s, by})
		case ctx.Err() != nil, hopeless(err):
			return err
		case errors.Is(err, bucket.ErrUntagged), errors.Is(err, upload.ErrNotEncrypted): // it is there
			r.result.Copied = append(r.result.Copied, Copied{s, by})
			r.result.Refused = append(r.result.Refused, Refused{s, err})
		default:
			r.refuse(s, err)
		}
		if !looked && len(r.result.Copied) > 0 {
			looked = true
			if err := r.lookAgain(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// lostBelow returns which snapshot of those that this one stands on was not copied. What is
// between the two may have been at the target before.
func (r *run) lostBelow(s series.Snapshot) (snapshot.ID, bool) {
	for _, part := range s.Chain() {
		if r.lost[part.ID] {
			return part.ID, true
		}
	}
	return "", false
}

// skip counts a snapshot as done.
func (r *run) skip(s series.Snapshot, total int64) {
	r.done += s.Object.Size
	r.Progress(r.done, total)
}

// hopeless reports whether another object would meet the same error. A source can refuse
// one object alone: one that is archived, or that has another SSE-C key.
func hopeless(err error) bool {
	ofOne := errors.As(err, new(sourceError))
	return errors.Is(err, bucket.ErrRefused) && !ofOne || errors.Is(err, bucket.ErrUnreachable) || errors.Is(err, bucket.ErrNoRoom)
}

// refuse notes that a snapshot, and so what stands on it, was not copied.
func (r *run) refuse(s series.Snapshot, err error) {
	r.lost[s.ID] = true
	r.result.Refused = append(r.result.Refused, Refused{s, err})
}

// copyObject copies one object, and returns what it was verified by. What fails its proof
// never becomes visible.
func (r *run) copyObject(ctx context.Context, s series.Snapshot, progress func(n int)) (by string, err error) {
	has, err := r.sourceTags(ctx, s)
	if err != nil {
		return "", err
	}
	p, err := prove(ctx, r.from, s, r.Identities)
	if err != nil {
		return "", fmt.Errorf("%s/%s: %w", r.from.URL(), s.Object.Name, sourceError{err})
	}
	options := bucket.PutOptions{MaxSize: s.Object.Size, LockLonger: s.Class.StandsInCopies(), Tags: r.tagsFor(s, has, p.manifest)}
	closed := false
	defer func() {
		if !closed {
			_ = p.Close() // the error is known
		}
	}()
	put, err := r.to.Put(ctx, s.Object.Name, options, func(w io.Writer) error {
		err := pass(ctx, r.from, s.Object, func(content []byte) error {
			defer progress(len(content))
			if _, err := p.Write(content); err != nil {
				return fmt.Errorf("%s/%s: %w", r.from.URL(), s.Object.Name, err)
			}
			_, err := w.Write(content)
			return err
		})
		if err != nil {
			return err
		}
		closed = true
		if err := p.Close(); err != nil {
			return fmt.Errorf("%s/%s: %w", r.from.URL(), s.Object.Name, err)
		}
		return r.inTime(s)
	})
	if errors.Is(err, bucket.ErrExists) {
		return p.by, r.thereAlready(ctx, s, err)
	}
	if err == nil && put.NotEncrypted {
		err = fmt.Errorf("%w: %s/%s", upload.ErrNotEncrypted, r.to.URL(), put.Name)
	}
	return p.by, err
}

// inTime returns an error if the base has been at the target for too long by now: since
// before this run, or since this run began to copy it.
func (r *run) inTime(s series.Snapshot) error {
	i := slices.IndexFunc(r.source, func(b series.Snapshot) bool { return b.ID == s.Base })
	if i < 0 {
		return nil
	}
	base := r.source[i]
	base.Object.Modified = r.begun[base.ID]
	if i := slices.IndexFunc(r.target, func(t series.Snapshot) bool { return t.ID == s.Base }); i >= 0 {
		base = r.target[i]
	}
	if series.Present(r.to).After(base.LastCall()) {
		return fmt.Errorf("its base, %s, has been at the target for too long by now", s.Base)
	}
	return nil
}

// thereAlready makes sure that what another copy has brought meanwhile, as the error of a
// Put has it, is the same object.
func (r *run) thereAlready(ctx context.Context, s series.Snapshot, exists error) error {
	all, err := listTarget(ctx, r.to)
	switch {
	case err != nil:
		return err
	case indexOf(all, s) >= 0:
		r.Log.Info("another copy has brought a snapshot meanwhile", "snapshot", s.ID)
		return nil
	case slices.ContainsFunc(all, func(t series.Snapshot) bool { return t.ID == s.ID }):
		return fmt.Errorf("%w: %s/%s is another object", bucket.ErrExists, r.to.URL(), s.Object.Name)
	}
	return fmt.Errorf("%s/%s is not there, but another copy is at it, or was killed a moment ago; the next copy brings it: %w", r.to.URL(), s.Object.Name, exists)
}

// sortOutGone takes the snapshots that are no longer at the source out of those that were
// refused.
func (r *run) sortOutGone(ctx context.Context) error {
	if !slices.ContainsFunc(r.result.Refused, func(f Refused) bool { return errors.Is(f.Err, bucket.ErrNotFound) }) {
		return nil
	}
	left, err := series.Snapshots(ctx, r.from, time.Time{})
	if err != nil {
		return err
	}
	r.result.Refused = slices.DeleteFunc(r.result.Refused, func(f Refused) bool {
		gone := errors.Is(f.Err, bucket.ErrNotFound) && !slices.ContainsFunc(left, func(s series.Snapshot) bool { return s.ID == f.ID })
		if gone {
			r.result.Gone = append(r.result.Gone, f.Snapshot)
		}
		return gone
	})
	return nil
}

// verdict returns the error about the snapshots that were refused, where so many are
// copied, nil if none were.
func (r *run) verdict(copied int) error {
	refused := r.result.Refused
	if len(refused) == 0 {
		return nil
	}
	first := refused[0]
	if copied+len(r.result.Plan.There) == 0 {
		return fmt.Errorf("copy %s to %s: none of %d snapshots could be copied: %s: %w", r.from.URL(), r.to.URL(), len(refused), first.ID, first.Err)
	}
	return fmt.Errorf("%w from %s to %s: %d snapshots were refused: %s: %w", ErrPartly, r.from.URL(), r.to.URL(), len(refused), first.ID, first.Err)
}
