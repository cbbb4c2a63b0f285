package upload

import (
	"context"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Open returns the bucket of a bucket URL. It does not ask the store anything,
// except that finding credentials may need the network. A directory is not
// created before the first Put.
func Open(ctx context.Context, u bucket.URL, o Options) (bucket.Bucket, error) {
	if u.Dir != "" {
		return OpenDirectory(u, o)
	}
	return OpenStore(ctx, u, o)
}
