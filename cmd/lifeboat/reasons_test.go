package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/rules"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{nil, 0},
		{errors.New("anything"), 1},
		{fs.ErrNotExist, 1},
		{context.Canceled, 1}, // not by a signal
		{bucket.ErrExists, 1},
		{bucket.ErrChanged, 1},
		{upload.ErrIncomplete, 3},
		{fmt.Errorf("%w: %w", upload.ErrIncomplete, bucket.ErrRefused), 3},
		{snapshot.ErrSource, 4},
		{errors.Join(snapshot.ErrSource, snapshot.ErrCutShort), 4},
		{errors.Join(restore.ErrCannotLive, snapshot.ErrCutShort), 8},
		{bucket.ErrUnreachable, 5},
		{restore.ErrNoSnapshot, 6},
		{restore.ErrAmbiguous, 6},
		{bucket.ErrNotFound, 6},
		{snapshot.ErrDamaged, 7},
		{snapshot.ErrNewerFormat, 7},
		{restore.ErrCheck, 7},
		{restore.ErrQuery, 12},
		{errors.Join(errNotRecorded, bucket.ErrUnreachable, restore.ErrQuery), 12},
		{errNotRecorded, 3},
		{snapshot.ErrUncheckable, 64},
		{snapshot.ErrCannotVacuum, 64},
		{snapshot.ErrNoRoom, 8},
		{snapshot.ErrTempDir, 8},
		{bucket.ErrNoRoom, 8},
		{restore.ErrNoRoom, 8},
		{restore.ErrTargetExists, 8},
		{restore.ErrTargetOpen, 8},
		{restore.ErrUncertain, 8},
		{restore.ErrRestoring, 8},
		{restore.ErrCannotSwap, 8},
		{restore.ErrCannotLive, 8},
		{restore.ErrTarget, 8},
		{errNone, 9}, {errTooOld, 9},
		{reports.ErrNotReported, 3},
		{snapshot.ErrLocked, 10},
		{restore.ErrLocked, 10},
		{bucket.ErrRefused, 11},
		{upload.ErrClock, 11},
		{rules.ErrNoRules, 64},
		{lifecycle.ErrNotPinned, 64},
		{lifecycle.ErrNeeded, 64},
		{rules.ErrTooManyRules, 11},
		{&rules.LostError{}, 11},
		{bucket.ErrNoTags, 11},
		{usage("wrong"), 64},
		{errNotPrinted, 3},
		{errors.Join(errNotPrinted, snapshot.ErrDamaged), 7},
		{errors.Join(errNotPrinted, errTooOld), 9},
		{errors.Join(snapshot.ErrSource, syscall.EMFILE), 64},
		{errors.Join(snapshot.ErrSource, sqlite3.Error{Code: sqlite3.ErrCantOpen, SystemErrno: syscall.EMFILE}), 64},
		{errors.Join(bucket.ErrUnreachable, os.NewSyscallError("socket", syscall.EMFILE)), 64},
		{errors.Join(upload.ErrIncomplete, syscall.EMFILE), 3},
		{syscall.ENFILE, 1}, // of the whole machine: that passes
		{upload.ErrOtherDatabase, 64},
		{upload.ErrPlaintext, 64},
		{series.ErrRecipients, 64},
		{series.ErrNoIdentity, 64},
		{series.ErrWrongIdentity, 64},
		{interrupted{syscall.SIGINT}, 130},
		{interrupted{syscall.SIGTERM}, 143},
	} {
		if got := exitCode(c.err); got != c.code {
			t.Errorf("%v: exit %d, want %d", c.err, got, c.code)
		}
		if c.err == nil {
			continue
		}
		wrapped := &hinted{errors.Join(fmt.Errorf("outer: %w", c.err), errors.New("close")), "a hint"}
		if got := exitCode(wrapped); got != c.code {
			t.Errorf("%v, wrapped: exit %d, want %d", c.err, got, c.code)
		}
	}
}

// A panic must not end in Go's own exit code and a stack trace.
func TestPanic(t *testing.T) {
	var p program
	err := p.do(t.Context(), []string{"version"}, &console{}) // without globals: a nil pointer
	if err == nil || !strings.Contains(err.Error(), "bug in lifeboat") || strings.Contains(err.Error(), "goroutine") {
		t.Errorf("got %v", err)
	}
	if code := exitCode(err); code != 1 {
		t.Errorf("exit %d", code)
	}
}
