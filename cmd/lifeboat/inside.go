package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/remote"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// insideFlags bound what a look into a snapshot that stays in the bucket may cost.
type insideFlags struct {
	identityFlag
	TempDir   string   `type:"existingdir" placeholder:"DIR" group:"Limits" help:"Directory for what is fetched; needs room for that."`
	MaxFetch  byteSize `placeholder:"SIZE" group:"Limits" help:"Stop before fetching more than this from the bucket."`
	TimeLimit limit    `placeholder:"TIME" group:"Limits" help:"Stop after this long."`
}

// errTimeLimit: the time that the user allows is over.
var errTimeLimit = errors.New("not done within --time-limit")

// begin returns a context that ends with --time-limit, and has SQLite keep its temp
// files in --temp-dir.
func (f *insideFlags) begin(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if f.TempDir != "" {
		if err := os.Setenv("SQLITE_TMPDIR", f.TempDir); err != nil {
			return nil, nil, err
		}
	}
	if f.TimeLimit == 0 {
		limited, cancel := context.WithCancel(ctx)
		return limited, cancel, nil
	}
	limited, cancel := context.WithTimeoutCause(ctx, time.Duration(f.TimeLimit), errTimeLimit)
	return limited, cancel, nil
}

// limit returns --time-limit, or a time that is as good as none.
func (f *insideFlags) limit() time.Duration {
	const none = 365 * 24 * time.Hour
	return cmp.Or(time.Duration(f.TimeLimit), none)
}

// ended returns err as the one of --time-limit, if that ended ctx.
func (f *insideFlags) ended(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errTimeLimit) {
		return fmt.Errorf("%w %s", errTimeLimit, time.Duration(f.TimeLimit))
	}
	return err
}

// openInside opens a snapshot for looking into it. progress is called with the bytes
// that are fetched, and those that there are.
func (f *insideFlags) openInside(ctx context.Context, c *console, b bucket.Bucket, s series.Snapshot, progress func(done, total int64)) (*remote.Database, error) {
	identities, err := f.identities()
	if err != nil {
		return nil, err
	}
	f.warnPlain(c, s)
	var size int64
	for _, part := range s.Chain() {
		size += part.Object.Size
	}
	d, err := remote.Open(ctx, b, s, remote.Options{
		Identities: identities, TempDir: f.TempDir, MaxFetch: int64(f.MaxFetch), Log: c.log,
		Progress: func(fetched int64) { progress(min(fetched, size), size) },
	})
	c.endProgress()
	return d, err
}
