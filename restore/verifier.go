package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/fetch"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A Verifier makes drills of several snapshots of one series. What a snapshot has in
// common with the one before is not fetched again, so that in the order of ByChain each
// object is fetched once, but for the page digests of bases (0.4 % of the database).
type Verifier struct {
	options VerifyOptions
	watch   *stopwatch // of what is fetched
	opener  fetch.Opener
	bad     map[bucket.Object]error // damaged objects
	built   []bucket.Object         // that are verified, and in the file: a chain from the full one up
	once    bool                    // there is one snapshot alone, so nothing needs to be taken back
	scratch *disk.Scratch           // nil with VerifyOptions.Fast
	file    *layeredFile
}

// NewVerifier returns a Verifier. It must be closed.
func NewVerifier(b bucket.Bucket, o VerifyOptions) *Verifier {
	watch := &stopwatch{}
	opener := fetch.Opener{Bucket: timed{b, watch}, Identities: o.Identities, Log: cmp.Or(o.Log, slog.New(slog.DiscardHandler))}
	return &Verifier{options: o, watch: watch, opener: opener, bad: map[bucket.Object]error{}}
}

// Verify makes the drill of one snapshot, see the function Verify.
func (v *Verifier) Verify(ctx context.Context, s series.Snapshot) (r VerifyReport, err error) {
	for _, part := range s.Chain() {
		if err := v.bad[part.Object]; err != nil {
			return r, fmt.Errorf("verify snapshot %s: %w", s.ID, err)
		}
	}
	chain, err := v.rebuild(ctx, s, &r)
	if err == nil && !v.options.Fast {
		err = r.examine(ctx, filepath.Join(v.scratch.Path(), drillName), v.options)
	}
	if err != nil {
		v.remember(s, err)
		return r, fmt.Errorf("verify snapshot %s: %w", s.ID, err)
	}
	if v.options.Passed != nil {
		v.options.Passed(ctx, s, chain.Chain, r.Passed)
	}
	return r, nil
}

// remember keeps the error about a damaged object, so that it is read once.
func (v *Verifier) remember(s series.Snapshot, err error) {
	var about *snapshot.ArchiveError
	if !errors.Is(err, snapshot.ErrDamaged) || !errors.As(err, &about) {
		return
	}
	for _, part := range s.Chain() {
		if part.ID == about.ID {
			v.bad[part.Object] = about
		}
	}
}

// rebuild opens the snapshot's chain and brings the file to its content.
func (v *Verifier) rebuild(ctx context.Context, s series.Snapshot, r *VerifyReport) (*fetch.Chain, error) {
	began, before := time.Now(), v.watch.total()
	defer func() {
		r.Took.Fetch = v.watch.total() - before
		r.Took.Decode = time.Since(began) - r.Took.Fetch
	}()
	chain, err := v.opener.Open(ctx, s)
	if err != nil {
		return nil, err
	}
	r.Manifest, r.Reused = chain.Manifest(), v.has(objectsOf(chain))
	if err := v.build(ctx, chain); err != nil {
		return nil, errors.Join(err, v.clear())
	}
	r.Frames = true
	return chain, nil
}

const drillName = "drill.db"

// build verifies the chain, and brings the file to its content.
func (v *Verifier) build(ctx context.Context, chain *fetch.Chain) error {
	o := snapshot.ExtractOptions{Workers: v.options.Workers, Digests: true, Progress: v.options.Progress}
	objects := objectsOf(chain)
	o.Has = v.has(objects)
	if v.options.Fast {
		v.built = objects[:o.Has]
		err := chain.Verify(ctx, o)
		if err == nil {
			v.built = objects
		}
		return err
	}
	if err := v.comeDown(chain, o.Has); err != nil {
		return err
	}
	var target snapshot.Target = v.file
	if v.once {
		target = v.file.file
	}
	if err := chain.Extract(ctx, target, o); err != nil {
		return err
	}
	v.built = objects
	return nil
}

// has returns how many of a chain's objects are in the file already.
func (v *Verifier) has(objects []bucket.Object) (n int) {
	for n < min(len(v.built), len(objects)) && v.built[n] == objects[n] {
		n++
	}
	return n
}

func objectsOf(chain *fetch.Chain) []bucket.Object {
	var objects []bucket.Object
	for _, s := range chain.Snapshots {
		objects = append(objects, s.Object)
	}
	return objects
}

// create makes an empty file for a chain.
func (v *Verifier) create(chain *fetch.Chain) (err error) {
	need := chain.PeakSize()
	if !v.once {
		need += chain.Changed
	}
	if v.scratch, err = disk.NewScratch(v.options.TempDir, need); err != nil {
		return err
	}
	f, err := createIn(v.scratch.Root(), drillName)
	if err == nil {
		v.file = &layeredFile{dir: v.scratch.Root(), file: f, pageSize: int64(chain.Manifest().PageSize)}
	}
	return err
}

// comeDown brings the file to the content that it had with as many objects of the
// chain, or begins a new one.
func (v *Verifier) comeDown(chain *fetch.Chain, has int) error {
	if has == 0 {
		if err := v.clear(); err != nil {
			return err
		}
		return v.create(chain)
	}
	for len(v.built) > has {
		v.built = v.built[:len(v.built)-1]
		if err := v.file.pop(); err != nil {
			return err
		}
	}
	return nil
}

// clear removes the temp file.
func (v *Verifier) clear() (err error) {
	v.built = nil
	if v.file != nil {
		err = v.file.close()
	}
	if v.scratch != nil {
		err = errors.Join(err, v.scratch.Close())
	}
	v.file, v.scratch = nil, nil
	return err
}

// Close removes the temp file. An error wraps ErrLeft: the drills are as good.
func (v *Verifier) Close() error { return withLeft(nil, v.close()) }

func (v *Verifier) close() error { return errors.Join(v.opener.Close(), v.clear()) }

// ByChain returns the snapshots in the order in which a Verifier fetches each object
// once: what stands on the same base together, above it, and the newest first as far
// as that allows. The newest of all is always the first.
func ByChain(snapshots []series.Snapshot) []series.Snapshot {
	newest := map[snapshot.ID]snapshot.ID{} // of those that stand on a snapshot
	for _, s := range snapshots {
		for _, part := range s.Chain() {
			newest[part.ID] = max(newest[part.ID], s.ID)
		}
	}
	ordered := slices.Clone(snapshots)
	slices.SortStableFunc(ordered, func(a, b series.Snapshot) int {
		above, other := a.Chain(), b.Chain()
		for i := range min(len(above), len(other)) {
			if above[i].ID != other[i].ID {
				return cmp.Or(cmp.Compare(newest[other[i].ID], newest[above[i].ID]), cmp.Compare(other[i].ID, above[i].ID))
			}
		}
		return cmp.Compare(len(other), len(above))
	})
	return ordered
}
