package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// offered is how many snapshots a user may choose from.
const offered = 10

// asks reports whether restore asks which snapshot: only a user at a terminal who has
// named none, and no script and no application's start. What will be refused anyway
// needs no answer.
func (r *restoreCmd) asks(c *console, which whichFlags) bool {
	if missing, err := restore.Missing(r.DB); err == nil && !missing && !r.Replace && !r.Live && r.DB != stdoutTarget {
		return false
	}
	named := which.Snapshot != "" || !which.At.IsZero() || which.Before != "" || r.VersionID != "" || r.Fallback != treeURL{} || r.isSecond
	return !named && !r.NoInput && !r.IfMissing && !r.AllowEmpty && !r.JSON && !c.Quiet &&
		term.IsTerminal(int(os.Stdin.Fd())) && terminal.CanShowBars(c.stderr)
}

// ask returns the ID of the snapshot that the user chooses of the last ones, "latest"
// where there is nothing to choose.
func ask(ctx context.Context, c *console, b bucket.Bucket) (choice, error) {
	all, err := series.Snapshots(ctx, b, time.Time{})
	if err != nil {
		return "", err
	}
	all = slices.DeleteFunc(all, func(s series.Snapshot) bool { return !s.Counts() })
	if len(all) < 2 {
		return "latest", nil
	}
	all = all[max(0, len(all)-offered):]
	slices.Reverse(all)
	var lines []string
	title, line := "Which snapshot (UTC)? Up, down, Enter; q leaves.", offer
	if width := terminal.Width(c.stderr); width > 0 && width < 60 {
		title, line = "Which snapshot (UTC)?", offerNarrow
	}
	for i, s := range all {
		lines = append(lines, fmt.Sprintf("%2d %s", i+1, line(s, time.Now())))
	}
	c.endProgress()
	chosen, err := terminal.Pick(ctx, os.Stdin, c.stderr, title, lines)
	switch {
	case errors.Is(err, terminal.ErrInterrupted):
		return "", interrupted{syscall.SIGINT}
	case err != nil:
		return "", err
	case chosen == 0:
		return "latest", nil
	}
	return choice(all[chosen].ID), nil
}

// offer describes a snapshot to choose.
func offer(s series.Snapshot, now time.Time) string {
	return fmt.Sprintf("%s  %-14s %8s %s", s.ID.Time().UTC().Format("2006-01-02 15:04"), terminal.Ago(s.ID.Time(), now), terminal.Size(s.Object.Size), describeChain(s).Kind)
}

// offerNarrow is offer for a terminal of 40 columns.
func offerNarrow(s series.Snapshot, now time.Time) string {
	return fmt.Sprintf("%s %4s %8s", s.ID.Time().UTC().Format("2006-01-02 15:04"), terminal.Age(s.ID.Time(), now), terminal.Size(s.Object.Size))
}
