package main

import (
	"errors"
	"fmt"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
)

// The exit codes. They are an interface: jobs decide by them whether to retry.
const (
	exitDone        = 0
	exitFailed      = 1
	exitIncomplete  = 3
	exitSource      = 4
	exitUnreachable = 5
	exitNoSnapshot  = 6
	exitDamaged     = 7
	exitTarget      = 8
	exitNotFresh    = 9
	exitLocked      = 10
	exitRefused     = 11
	exitNotTrue     = 12
	exitUsage       = 64
	exitSignal      = 128 // and the signal's number
)

// exitCodes maps the reasons that the packages tell apart, most telling first.
var exitCodes = []struct {
	reason error
	code   int
}{
	{upload.ErrIncomplete, exitIncomplete}, // wraps what failed, but the snapshot is safe
	{restore.ErrLeft, exitIncomplete},
	{errOneOfTwo, exitIncomplete},
	{upload.ErrTagsDamaged, exitIncomplete},
	{errNotTold, exitIncomplete},

	{errNotFresh, exitNotFresh},
	{errImplausible, exitNotFresh},

	{snapshot.ErrDamaged, exitDamaged},
	{snapshot.ErrNewerFormat, exitDamaged},
	{restore.ErrCheck, exitDamaged},
	{restore.ErrQuery, exitNotTrue},

	{snapshot.ErrSource, exitSource},
	{errNoneFound, exitSource},
	{snapshot.ErrLocked, exitLocked},
	{restore.ErrLocked, exitLocked},

	{snapshot.ErrNoRoom, exitTarget},
	{snapshot.ErrTempDir, exitTarget},
	{restore.ErrTargetExists, exitTarget},
	{restore.ErrTargetOpen, exitTarget},
	{restore.ErrUncertain, exitTarget},
	{restore.ErrRestoring, exitTarget},
	{restore.ErrCannotSwap, exitTarget},
	{restore.ErrCannotLive, exitTarget},
	{restore.ErrTarget, exitTarget},

	{restore.ErrNoSnapshot, exitNoSnapshot},
	{restore.ErrAmbiguous, exitNoSnapshot},
	{upload.ErrNotFound, exitNoSnapshot},

	{snapshot.ErrUncheckable, exitUsage},
	{snapshot.ErrCannotVacuum, exitUsage},
	{upload.ErrOtherDatabase, exitUsage},
	{upload.ErrPlaintext, exitUsage},
	{upload.ErrRecipients, exitUsage},
	{upload.ErrNoIdentity, exitUsage},
	{upload.ErrWrongIdentity, exitUsage},
	{lifecycle.ErrNoRules, exitUsage},
	{lifecycle.ErrNotPinned, exitUsage},
	{lifecycle.ErrTooManyRules, exitRefused},
	{upload.ErrClock, exitRefused},
	{lifecycle.ErrFuture, exitRefused},
	{upload.ErrRefused, exitRefused},
	{upload.ErrNoTags, exitRefused},
	{upload.ErrUnreachable, exitUnreachable},
	{restore.ErrNotRecorded, exitIncomplete},
	{errNotPrinted, exitIncomplete}, // the least telling of several
}

// exitCode returns the exit code for an error of a command.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	var caught interrupted
	if errors.As(err, &caught) {
		return exitSignal + int(caught.signal)
	}
	var wrong *usageError
	if errors.As(err, &wrong) {
		return exitUsage
	}
	var lost *lifecycle.LostError
	if errors.As(err, &lost) {
		return exitRefused
	}
	var several *severalError
	if errors.As(err, &several) {
		return several.exit
	}
	if tooManyFiles(err) && !errors.Is(err, upload.ErrIncomplete) {
		return exitUsage
	}
	for _, e := range exitCodes {
		if errors.Is(err, e.reason) {
			return e.code
		}
	}
	return exitFailed
}

// A usageError is about the command line or the environment.
type usageError struct{ cause error }

func (e *usageError) Error() string { return e.cause.Error() }
func (e *usageError) Unwrap() error { return e.cause }

func usage(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}
