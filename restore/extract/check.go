package extract

import (
	"context"
	"errors"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/check"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// Check lets SQLite check a new database, quickly. Tables that only the application
// could check are left unchecked. An error about the content wraps ErrContent.
func Check(ctx context.Context, path string) error {
	err := check.File(ctx, path, "the extracted database", check.Quick)
	switch {
	case errors.Is(err, snapshot.ErrUncheckable):
		return nil
	case errors.Is(err, snapshot.ErrSource):
		return reason.Errorf(ErrContent, nil, "%v", err) // the source is another database than this one
	}
	return err
}
