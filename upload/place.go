package upload

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// CheckPlace refuses to begin a series inside another one, or around one, with ErrNested:
// rules and prune of the outer one could not distinguish their snapshots. Keys that may
// not list what is above or below are right for a job, so an error is none.
func CheckPlace(ctx context.Context, b bucket.Bucket, log *slog.Logger) error {
	if nested, ok := bucket.As[bucket.Nested](b); ok {
		if err := checkNested(ctx, b, nested.Above(ctx), log); err != nil {
			return err
		}
	}
	if tree, ok := bucket.As[bucket.Tree](b); ok {
		return checkNested(ctx, b, firstOf(tree.Below(ctx), onePage), log)
	}
	return nil
}

// onePage is how many objects a store lists in one request.
const onePage = 1000

// checkNested returns ErrNested if one of the objects is a snapshot.
func checkNested(ctx context.Context, b bucket.Bucket, objects iter.Seq2[bucket.Object, error], log *slog.Logger) error {
	for object, err := range objects {
		if err != nil {
			log.Debug("whether the prefix is inside or around another series is not known", "reason", err)
			return ctx.Err()
		}
		in, base := path.Split(object.Name)
		if name, ok := series.ParseName(base); ok && !hidden(in) {
			return fmt.Errorf("%w: %s is to be one, %s has snapshot %s", ErrNested, b.URL(), folderOf(b.URL(), in), name.ID)
		}
	}
	return nil
}

// hidden reports whether a path has a folder whose name begins with a dot, which is none
// of a series.
func hidden(in string) bool {
	return slices.ContainsFunc(strings.Split(in, "/"), func(folder string) bool {
		return strings.HasPrefix(folder, ".") && folder != ".."
	})
}

// folderOf returns the URL of a folder that is named from u.
func folderOf(u bucket.URL, name string) bucket.URL {
	if u.Dir != "" {
		u.Dir = filepath.Join(u.Dir, filepath.FromSlash(name))
	} else {
		u.Prefix = strings.TrimPrefix(path.Join("/", u.Prefix, name), "/")
	}
	return u
}

// firstOf yields the first n objects.
func firstOf(objects iter.Seq2[bucket.Object, error], n int) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		for object, err := range objects {
			if n--; !yield(object, err) || n == 0 {
				return
			}
		}
	}
}
