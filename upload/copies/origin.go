package copies

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// originOf returns what distinguishes the series of one place from all others: a hash of its
// endpoint, or of this host's name for a directory, and its URL. Which place it is, the
// second one need not know.
func originOf(b bucket.Bucket) string {
	where := endpoint(b)
	if b.URL().Dir != "" {
		where, _ = os.Hostname() // the directory alone has to do
	}
	sum := sha256.Sum256([]byte(where + "\n" + b.URL().String()))
	return fmt.Sprintf("%x", sum[:8])
}

// findOrigin returns the origin of the copies: that of the newest of the source's
// snapshots at the target, so that it stays the same when the source gets another name.
// Where there is none, a source that is adopted goes on with that of the target's newest.
func (r *run) findOrigin(ctx context.Context) (string, error) {
	known := slices.Clone(r.target)
	known = slices.DeleteFunc(known, func(t series.Snapshot) bool { return !r.knows(t) })
	if len(known) == 0 && r.Adopt {
		known = r.target
	}
	for _, t := range slices.Backward(known) {
		tags, _, err := series.ReadTags(ctx, r.to, t.Object)
		switch {
		case errors.Is(err, bucket.ErrNotFound):
			continue
		case errors.Is(err, bucket.ErrRefused):
			return originOf(r.from), nil
		case err != nil:
			return "", err
		case len(tags) > 0: // else they were lost
			return cmp.Or(tags[series.TagOrigin], originOf(r.from)), nil
		}
	}
	return originOf(r.from), nil
}

// knows reports whether the source has a snapshot of the target.
func (r *run) knows(t series.Snapshot) bool {
	return slices.ContainsFunc(r.source, func(s series.Snapshot) bool { return s.Object.Name == t.Object.Name })
}
