package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Retention works while many snapshots are verified: one that goes between
// listing and drill is no failure, unless it alone was asked for.
func TestVerifyGone(t *testing.T) {
	url, err := bucket.ParseURL("file://" + t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := upload.OpenURL(t.Context(), url, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := snapshot.NewID(time.Now())
	gone := series.Snapshot{Name: series.Name{ID: id, Class: series.Daily}, Object: bucket.Object{Name: buckettest.ObjectName(id), Size: 1000, ETag: "x"}}
	verify := func(ctx context.Context, s series.Snapshot) (restore.VerifyReport, error) {
		return restore.Verify(ctx, b, s, restore.VerifyOptions{Fast: true})
	}
	c := &console{globals: &globals{}, stdout: os.Stdout, stderr: os.Stderr, log: slog.New(slog.DiscardHandler)}
	if d, err := (&verifyCmd{All: true, Record: true}).drill(t.Context(), c, b, gone, verify, nil); err != nil || !d.Gone || d.Verified || d.Recorded || !strings.Contains(d.text(terminal.Plain), "gone by now") {
		t.Errorf("among several: %+v, %v", d, err)
	}
	if d, err := (&verifyCmd{}).drill(t.Context(), c, b, gone, verify, nil); exitCode(err) != exitDamaged || !errors.Is(err, restore.ErrGone) || d.Gone {
		t.Errorf("alone: %+v, %v", d, err)
	}
}

// A query that is not true has a line of its own, and no second one as an error.
func TestReportOfQueries(t *testing.T) {
	queries := []untrusted.QueryResult{{SQL: "SELECT 0", Answer: "0"}, {SQL: "SELECT 1", Answer: "1", True: true}}
	d := drillDocument{Queries: queries, Error: "a query is not true: SELECT 0: 0", Exit: exitNotTrue}
	if text := d.text(terminal.Plain); strings.Count(text, "SELECT 0") != 1 || !strings.Contains(text, "NOT TRUE") {
		t.Error(text)
	}
	d.Error, d.Exit = "the worker died", exitDamaged
	if text := d.text(terminal.Plain); !strings.Contains(text, "the worker died") {
		t.Error(text)
	}
}
