package restore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// latest is the Selector.Which of the newest snapshot.
const latest = "latest"

// A Selector names a snapshot of a series in one of three ways. The zero value names
// the newest.
type Selector struct {
	// Which is "latest", an ID, or the beginning of exactly one ID.
	Which string
	// At names the newest snapshot that is not after this time.
	At time.Time
	// Since goes with At, and leaves out what was taken before this time.
	Since time.Time
	// Before names the newest snapshot that is older than this one, which need
	// not exist.
	Before snapshot.ID
	// Log gets a warning when a newer snapshot is left out because it does not
	// count. Nil discards it.
	Log *slog.Logger
}

// Select finds a snapshot in a series. One that does not count, because its times are
// implausible or its chain is broken, is found by its ID only. Errors wrap ErrNoSnapshot
// or ErrAmbiguous where that is the reason; where only such snapshots match, it is a
// *NoneCountsError.
func Select(ctx context.Context, b bucket.Bucket, s Selector) (series.Snapshot, error) {
	all, err := series.Snapshots(ctx, b, time.Time{})
	if err != nil {
		return series.Snapshot{}, err
	}
	found, err := s.pick(all)
	var none *NoneCountsError
	if errors.As(err, &none) {
		none.URL = b.URL()
		return found, none
	}
	if err != nil {
		return found, fmt.Errorf("%w in %s", err, b.URL())
	}
	if !s.byID() {
		all = slices.DeleteFunc(all, func(other series.Snapshot) bool { return !s.matches(other.ID) })
		warnLeftOut(s.Log, b.URL(), found, all)
	}
	return found, nil
}

// warnLeftOut warns of snapshots that sort after the one that was found, but
// were left out because they do not count.
func warnLeftOut(log *slog.Logger, url bucket.URL, found series.Snapshot, all []series.Snapshot) {
	left := slices.DeleteFunc(slices.Clone(all), func(s series.Snapshot) bool { return s.Counts() || s.ID <= found.ID })
	if log == nil || len(left) == 0 {
		return
	}
	last := left[len(left)-1]
	remedy := "to try it all the same, name it by its ID"
	if isWhole(last) {
		remedy = fmt.Sprintf("all that it needs is there, so to restore it, run: lifeboat restore %s DB --snapshot %s", url, last.ID)
	}
	log.Warn("a snapshot that may be newer was left out, because it is "+fault(last)+": "+remedy,
		"snapshot", last.ID, "uploaded", last.Object.Modified.UTC().Format(time.RFC3339), "reason", last.Why(), "left_out", len(left), "used", found.ID)
}

// fault returns in a word why a snapshot does not count.
func fault(s series.Snapshot) string {
	if s.Implausible {
		return "implausible"
	}
	return "broken"
}

// isWhole reports whether all that the snapshot stands on is there.
func isWhole(s series.Snapshot) bool { return s.Chain()[0].Full() }

func (s Selector) byID() bool { return s.Which != "" && s.Which != latest }

// matches reports whether a selection by time takes the ID into account.
func (s Selector) matches(id snapshot.ID) bool {
	return (s.At.IsZero() || !id.Time().After(s.At)) && !id.Time().Before(s.Since) && (s.Before == "" || id < s.Before)
}

// pick selects from snapshots that are sorted by ID.
func (s Selector) pick(all []series.Snapshot) (series.Snapshot, error) {
	byID := s.byID()
	switch {
	case byID && !s.At.IsZero(), byID && s.Before != "", !s.At.IsZero() && s.Before != "":
		return series.Snapshot{}, errors.New("a snapshot is selected by its ID, a time, or a later one: by one of them")
	case byID:
		return pickID(all, s.Which)
	case !s.At.IsZero():
		return newest(all, s.period(), s.matches)
	case s.Before != "":
		return newest(all, "older than "+string(s.Before), s.matches)
	}
	return newest(all, "", s.matches)
}

// period returns in words when a snapshot may have been taken that At names.
func (s Selector) period() string {
	at := s.At.UTC().Format(time.RFC3339)
	if s.Since.IsZero() {
		return "not after " + at
	}
	return "from " + s.Since.UTC().Format(time.RFC3339) + " to " + at
}

func pickID(all []series.Snapshot, prefix string) (series.Snapshot, error) {
	var found []series.Snapshot
	var names []string
	for _, candidate := range all {
		if strings.HasPrefix(string(candidate.ID), prefix) {
			found = append(found, candidate)
			names = append(names, string(candidate.ID))
		}
	}
	switch len(found) {
	case 0:
		return series.Snapshot{}, fmt.Errorf("%w: no ID begins with %q", ErrNoSnapshot, prefix)
	case 1:
		return found[0], nil
	}
	const few = 10
	if len(names) > few {
		names = append(names[:few], fmt.Sprintf("and %d more", len(names)-few))
	}
	return series.Snapshot{}, fmt.Errorf("%w %q: %s", ErrAmbiguous, prefix, strings.Join(names, ", "))
}

func newest(all []series.Snapshot, which string, matches func(snapshot.ID) bool) (series.Snapshot, error) {
	all = slices.DeleteFunc(slices.Clone(all), func(s series.Snapshot) bool { return !matches(s.ID) })
	found, ok := series.NewestOf(all)
	switch {
	case ok:
		return found, nil
	case len(all) > 0:
		return found, noneCounts(all)
	case which == "":
		return found, fmt.Errorf("%w: there is none at all", ErrNoSnapshot)
	}
	return found, fmt.Errorf("%w: none %s", ErrNoSnapshot, which)
}

// noneCounts returns the error for snapshots of which none counts.
func noneCounts(all []series.Snapshot) error {
	last := all[len(all)-1]
	for _, s := range slices.Backward(all) {
		if isWhole(s) {
			last = s
			break
		}
	}
	return &NoneCountsError{Last: last, Whole: isWhole(last), Others: len(all) - 1}
}
