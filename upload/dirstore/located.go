package dirstore

import (
	"os"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// SameAs implements bucket.Located: a symlink or a mount can give one directory two
// paths.
func (b *directory) SameAs(other bucket.Bucket) bool {
	dir := other.URL().Dir
	if dir == "" {
		return false
	}
	here, err := os.Stat(b.url.Dir)
	if err != nil {
		return false
	}
	there, err := os.Stat(dir)
	return err == nil && os.SameFile(here, there)
}
