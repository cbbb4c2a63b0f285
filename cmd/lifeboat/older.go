package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// lookedUp adds a hint to the error of a snapshot that was not found.
func (s seriesFlags) lookedUp(err error) error {
	if errors.Is(err, restore.ErrNoSnapshot) {
		return &hinted{err, "lifeboat list " + terminal.Quote(s.URL.String()) + " shows what there is, if the bucket URL is right"}
	}
	return err
}

// withOlder adds to the error of a damaged snapshot, or of one with a damaged
// database, a hint with the next older one and the command that uses it.
func withOlder(ctx context.Context, b bucket.Bucket, id snapshot.ID, command string, err error) error {
	if !errors.Is(err, snapshot.ErrDamaged) && !errors.Is(err, restore.ErrCheck) {
		return err
	}
	older, noOlder := restore.Select(ctx, b, restore.Selector{Before: id})
	switch {
	case errors.Is(noOlder, restore.ErrNoSnapshot):
		return &hinted{err, "there is no older snapshot"}
	case noOlder != nil:
		return err
	}
	return &hinted{err, fmt.Sprintf("the next older snapshot is %s: %s --snapshot %s", older.ID, command, older.ID)}
}
