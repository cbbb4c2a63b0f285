package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/evidence"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/copies"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

var (
	// errNoCopy: what was backed up is in one place only.
	errNoCopy = errors.New("there is no copy")
	// errBehind: what was backed up lately is in one place only.
	errBehind = errors.New("the copies are too far behind")
	// errCopyDiffers: what stands under a snapshot's name is no copy of it.
	errCopyDiffers = errors.New("a copy is not what the source has")
)

// The states of copies.
const (
	copyInStep  = "in step"
	copyBehind  = "behind"
	copyTooFar  = "too far behind"
	copyDiffers = "differs"
	copyNone    = "no snapshot"
	copyUnknown = "unknown"
)

// copyHealthDocument is how the copies of a series are. Where that is unknown it has no
// more than an error.
type copyHealthDocument struct {
	URL           string     `json:"url"`
	State         string     `json:"state"`            // in step, behind, too far behind, differs, no snapshot or unknown
	Newest        string     `json:"newest,omitempty"` // ID of the newest copy that counts
	Seen          *time.Time `json:"seen,omitempty"`   // when that was taken or last confirmed
	BehindSeconds float64    `json:"behind_seconds"`   // between that and the same of the source's newest
	There         int        `json:"there"`            // snapshots of the source that are there
	Missing       int        `json:"missing"`          // snapshots that the next copy brings
	Left          int        `json:"left"`             // snapshots that no copy brings: see lifeboat copy --dry-run
	Differing     int        `json:"differing"`        // snapshots of which another object is there
	Extra         int        `json:"extra"`            // snapshots that are only there
	Error         string     `json:"error,omitempty"`

	err error
}

// examineCopy returns the state of the copies of a series.
func (s *statusCmd) examineCopy(ctx context.Context, c *console, from bucket.Bucket, source *healthDocument) *copyHealthDocument {
	d := &copyHealthDocument{URL: s.Copy.String(), State: copyUnknown}
	if err := d.examine(ctx, c, s, from, source); err != nil {
		d.err = fmt.Errorf("--copy: %w", err)
		d.Error = terminal.ValidText(terminal.OneLine(err))
	}
	return d
}

func (d *copyHealthDocument) examine(ctx context.Context, c *console, s *statusCmd, from bucket.Bucket, source *healthDocument) error {
	to, err := seriesFlags{s.Copy.bucketURL, s.RetryFor}.open(ctx, c, upload.Options{Profile: s.CopyProfile})
	if err != nil {
		return err
	}
	if isSamePlace(from, to) {
		return fmt.Errorf("%s and %s: %w", s.URL, s.Copy, copies.ErrSame)
	}
	here, err := series.Snapshots(ctx, from, time.Time{})
	if err != nil && !errors.Is(err, bucket.ErrNotFound) {
		return err
	}
	there, err := series.Snapshots(ctx, to, time.Time{})
	if err != nil && !errors.Is(err, bucket.ErrNotFound) {
		return err
	}
	plan, err := copies.Compare(ctx, to, here, there, s.copyChoice())
	if err != nil {
		return err
	}
	differing := d.count(plan, here, there)
	newest, ok := series.NewestOf(evidence.CopiesOf(here, there))
	if !ok && len(differing) == 0 {
		d.State = copyNone
		return fmt.Errorf("%w in %s of a snapshot in %s", errNoCopy, s.Copy, s.URL)
	}
	if ok {
		if err := d.measure(ctx, to, newest, source); err != nil {
			return err
		}
	}
	if len(differing) > 0 {
		d.State = copyDiffers
		return fmt.Errorf("%w: %s in %s: %w", errCopyDiffers, differing[0].ID, d.URL, differing[0].Err)
	}
	return d.judge(time.Duration(s.MaxAge))
}

// copyChoice returns which snapshots the copies are expected to have.
func (s *statusCmd) copyChoice() copies.Choice {
	return chosen(s.CopySince, s.CopyClass)
}

// measure measures how far the newest copy is behind the newest snapshot of the source.
func (d *copyHealthDocument) measure(ctx context.Context, to bucket.Bucket, newest series.Snapshot, source *healthDocument) error {
	seen, err := seenAt(ctx, to, newest)
	if err != nil {
		return err
	}
	d.Newest, d.Seen = string(newest.ID), &seen
	if source.Newest != nil {
		d.BehindSeconds = max(0, source.Newest.seen().Sub(seen).Seconds())
	}
	return nil
}

// count counts the snapshots of a plan, and what is only there, and returns those of which
// another object is there.
func (d *copyHealthDocument) count(plan copies.Plan, here, there []series.Snapshot) (differing []copies.Refused) {
	for _, refused := range plan.Refused {
		if errors.Is(refused.Err, bucket.ErrExists) {
			differing = append(differing, refused)
		}
	}
	d.There, d.Missing, d.Differing = len(plan.There), len(plan.Copy), len(differing)
	d.Left = len(plan.Left) + len(plan.Refused) - len(differing)
	for _, t := range there {
		if !slices.ContainsFunc(here, func(s series.Snapshot) bool { return s.ID == t.ID }) {
			d.Extra++
		}
	}
	return differing
}

// isSamePlace reports whether two buckets are one place.
func isSamePlace(a, b bucket.Bucket) bool {
	if a.URL() == b.URL() && endpointOf(a) == endpointOf(b) {
		return true
	}
	one, err := os.Stat(a.URL().Dir)
	if err != nil {
		return false
	}
	other, err := os.Stat(b.URL().Dir)
	return err == nil && os.SameFile(one, other)
}

// endpointOf returns the endpoint of a bucket, "" for AWS itself and for a directory.
func endpointOf(b bucket.Bucket) string {
	if remote, ok := bucket.As[bucket.Remote](b); ok {
		return remote.Endpoint()
	}
	return ""
}

func (d *copyHealthDocument) behind() time.Duration {
	return time.Duration(d.BehindSeconds * float64(time.Second)).Truncate(time.Second)
}

// judge returns an error if the copies are further behind than maxAge, unless that is 0.
func (d *copyHealthDocument) judge(maxAge time.Duration) error {
	behind := d.behind()
	switch {
	case maxAge > 0 && behind > maxAge:
		d.State = copyTooFar
		return fmt.Errorf("%w: the newest in %s is %s, %v older than what the source has", errBehind, d.URL, d.Newest, behind)
	case d.Missing > 0 || behind > 0:
		d.State = copyBehind
	default:
		d.State = copyInStep
	}
	return nil
}

// seenAt returns when a snapshot was taken or last confirmed.
func seenAt(ctx context.Context, b bucket.Bucket, s series.Snapshot) (time.Time, error) {
	tags, _, err := series.ReadTags(ctx, b, s.Object)
	if err != nil && !errors.Is(err, bucket.ErrRefused) {
		return time.Time{}, err
	}
	seen := s.ID.Time()
	if confirmed, err := time.Parse(time.RFC3339, tags[series.TagConfirmed]); err == nil && confirmed.After(seen) && !confirmed.After(series.Present(b).Add(series.MaxAhead)) {
		seen = confirmed
	}
	return seen, nil
}

// text returns the state in a line.
func (d *copyHealthDocument) text() string {
	text := d.URL + ": " + d.State
	if d.Seen == nil {
		return text
	}
	text += fmt.Sprintf(", %d of %d snapshots", d.There, d.There+d.Missing+d.Left+d.Differing)
	if d.BehindSeconds > 0 {
		text += fmt.Sprintf(", %s behind", terminal.Clock(d.behind()))
	}
	for _, some := range []struct {
		count int
		are   string
	}{{d.Missing, "to be copied"}, {d.Left, "left out"}, {d.Differing, "differ"}, {d.Extra, "only there"}} {
		if some.count > 0 {
			text += fmt.Sprintf(", %d %s", some.count, some.are)
		}
	}
	return text
}

// placeCopy has status look for the copies of a task's series where copy --to puts them.
func (t *task) placeCopy() {
	if place := t.command.Status.Copy; place != (treeURL{}) && t.Err == nil {
		t.command.Status.Copy, t.Err = place.of(t.URL)
	}
}
