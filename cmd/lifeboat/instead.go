package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// lookedUp adds a hint to the error of a snapshot that was not found.
func (s seriesFlags) lookedUp(err error) error {
	var known *hinted
	if errors.As(err, &known) {
		return err
	}
	var none *restore.NoneCountsError
	if errors.As(err, &none) && none.Whole {
		return &hinted{err, fmt.Sprintf("all that it needs is there; to restore it all the same: lifeboat restore %s DB --snapshot %s", terminal.Quote(s.URL.String()), none.Last.ID)}
	}
	if errors.Is(err, restore.ErrNoSnapshot) {
		return &hinted{err, "lifeboat list " + terminal.Quote(s.URL.String()) + " shows what there is; which series there are: lifeboat series " + terminal.Quote(treeOf(s.URL.URL))}
	}
	return err
}

// treeOf returns the URL below which series may be that are neighbours of this one.
func treeOf(u bucket.URL) string {
	if u.Dir != "" {
		return bucket.URL{Dir: filepath.Dir(u.Dir)}.String()
	}
	return "s3://" + u.Bucket
}

// withInstead adds to the error of a snapshot that is damaged, has a damaged database
// or has lost an object a hint with the snapshot to take instead, and the command.
func withInstead(ctx context.Context, b bucket.Bucket, s series.Snapshot, command string, err error) error {
	return withInsteadBy(ctx, b, s, command+" --snapshot", err)
}

// withInsteadBy is withInstead for a command that ends with the flag for a snapshot.
func withInsteadBy(ctx context.Context, b bucket.Bucket, s series.Snapshot, command string, err error) error {
	if !errors.Is(err, snapshot.ErrDamaged) && !errors.Is(err, restore.ErrCheck) && !errors.Is(err, restore.ErrGone) {
		return err
	}
	all, notListed := series.Snapshots(ctx, b, time.Time{})
	if notListed != nil {
		return err
	}
	lost := s.ID
	var about *snapshot.ArchiveError
	if errors.As(err, &about) {
		lost = about.ID
	}
	instead, found := insteadOf(all, s.ID, lost)
	which := "the next older snapshot is"
	switch {
	case !found:
		return &hinted{err, "there is no older snapshot, nor another one that could be taken; if the database is still right: lifeboat backup DB " +
			terminal.Quote(b.URL().String()) + " --full --always"}
	case instead.ID > s.ID:
		which = "there is no older snapshot; the newest that does not stand on " + string(lost) + " is"
	case lost != s.ID:
		which = "the next older snapshot that does not stand on " + string(lost) + " is"
	}
	return &hinted{err, fmt.Sprintf("%s %s: %s %s", which, instead.ID, command, instead.ID)}
}

// insteadOf returns the snapshot to take in the place of one that needs a lost one:
// the newest that is older than it and does not need the lost one, or else the newest.
func insteadOf(all []series.Snapshot, wanted, lost snapshot.ID) (instead series.Snapshot, found bool) {
	for _, s := range slices.Backward(all) {
		needsIt := slices.ContainsFunc(s.Chain(), func(part series.Snapshot) bool { return part.ID == lost })
		if !s.Counts() || s.ID == wanted || needsIt {
			continue
		}
		if s.ID < wanted {
			return s, true
		}
		if !found {
			instead, found = s, true
		}
	}
	return instead, found
}
