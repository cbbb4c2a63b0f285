package main

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/worker"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
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

// An advice is what a job should do after an exit code.
type advice string

const (
	retry      advice = "retry"
	failAtOnce advice = "fail at once"
	alert      advice = "alert"
)

// A code is an exit code of an error.
type code struct {
	exit   int
	means  string
	advice advice
}

// codes are the exit codes of an error, what they mean, and what a job should
// do. The help of each verb and deploy/docs/reference.md have them from here.
var codes = []code{
	{exitFailed, "failed for a reason not below", retry},
	{exitIncomplete, "the main thing is done, something beside it is not; some of several databases failed", alert},
	{exitSource, "the source is missing, not a database, or fails its check", failAtOnce},
	{exitUnreachable, "the bucket is unreachable or failing, after retries", retry},
	{exitNoSnapshot, "no such snapshot", failAtOnce},
	{exitDamaged, "snapshot damaged, or its database fails its check; the message names the next older one and the command", failAtOnce},
	{exitTarget, "no room, the temp directory is not usable, or the target exists, is open, or is not usable", failAtOnce},
	{exitNotFresh, "status: the newest snapshot is too old, there is none, or the times of one cannot be right", alert},
	{exitLocked, "the source or the target stayed locked", retry},
	{exitRefused, "the bucket refuses: credentials, permission, no such bucket, quota, clock", failAtOnce},
	{exitNotTrue, "a verify --sql query was false", alert},
	{exitUsage, "usage or configuration; something is missing here that only the application has; an identity that is missing", failAtOnce},
}

// Reasons of the program itself.
var (
	// errNotPrinted: a command has done its work, but its result could not be
	// printed.
	errNotPrinted = errors.New("the result could not be printed")
	// errOneOfTwo: right for the keys of a job that needs only the one.
	errOneOfTwo = errors.New("right for a job that needs no more")
	// errNoneFound: a job that finds nothing to do must not report success
	// forever.
	errNoneFound = errors.New("no database was found")

	errNone        = errors.New("there is no snapshot")
	errTooOld      = errors.New("the newest snapshot is too old")
	errImplausible = errors.New("a snapshot's time cannot be right, so it never counts as the newest")
)

const (
	hintWait  = "--wait sets how long to wait for other connections"
	hintClock = "set this machine's clock (timedatectl, chronyc): it decides which snapshot is the newest"
)

// reasons are all that an error of a command can be about, each with its exit
// code, and a hint where the error itself does not name the next step. An error
// may have several reasons. The first in this table decides the code, and the
// first that has a hint decides the hint.
var reasons = []struct {
	is   error
	exit int
	hint string
}{
	// The snapshot is safe, whatever else is wrong.
	{upload.ErrIncomplete, exitIncomplete, ""},
	{bucket.ErrUntagged, exitIncomplete, ""},
	{restore.ErrLeft, exitIncomplete, ""},
	{errOneOfTwo, exitIncomplete, ""},
	{bucket.ErrTagsDamaged, exitIncomplete, "lifeboat pin BUCKET_URL --snapshot ID and then lifeboat unpin write them anew; until then that snapshot stays"},
	{upload.ErrNotEncrypted, exitIncomplete, "this store ignores --sse; --age-recipient encrypts before anything leaves this machine"},
	{reports.ErrNotReported, exitIncomplete, ""},

	{errNone, exitNotFresh, "is the bucket URL right, and has the backup job ever run?"},
	{errTooOld, exitNotFresh, "has the backup job run? its log and its exit code show what is wrong"},
	{errImplausible, exitNotFresh, ""},

	{snapshot.ErrDamaged, exitDamaged, ""},
	{snapshot.ErrNewerFormat, exitDamaged, "a newer lifeboat can read it; so can: aws s3 cp ... - | zstd -d"},
	{restore.ErrCheck, exitDamaged, ""},
	{restore.ErrQuery, exitNotTrue, ""},

	{snapshot.ErrSource, exitSource, ""},
	{errNoneFound, exitSource, ""},
	{worker.ErrTooLong, exitSource, "if the database is sound and this machine slow, raise --check-limit"},
	{snapshot.ErrLocked, exitLocked, hintWait},

	{snapshot.ErrNoRoom, exitTarget, "make room on that disk; if it is the copy's, --temp-dir sets another"},
	{snapshot.ErrTempDir, exitTarget, "set --temp-dir (or TMPDIR) to a directory where files as large as the database can be written; in Kubernetes an emptyDir volume"},
	{restore.ErrTargetExists, exitTarget, "--replace swaps it for the snapshot and keeps the old one beside it"},
	{restore.ErrTargetOpen, exitTarget, "stop what has it open, or add --live to write the snapshot into the open database"},
	{restore.ErrUncertain, exitTarget, "make sure that no application has it open, then add --assume-closed"},
	{restore.ErrRestoring, exitTarget, ""},
	{restore.ErrCannotSwap, exitTarget, "--live writes the snapshot into the existing file instead"},
	{restore.ErrCannotLive, exitTarget, ""},
	{restore.ErrTarget, exitTarget, ""},
	{snapshot.ErrCutShort, exitSource, "put the whole main file back from a copy, or restore a snapshot with --replace, which keeps all three files aside; do not open it with sqlite3 before"},

	{restore.ErrNoSnapshot, exitNoSnapshot, ""},
	{restore.ErrAmbiguous, exitNoSnapshot, "give more of the ID"},
	{bucket.ErrNotFound, exitNoSnapshot, ""},

	{snapshot.ErrUncheckable, exitUsage, "--check none leaves SQLite's check out; every frame is verified in any case"},
	{snapshot.ErrCannotVacuum, exitUsage, "--method backup copies it page for page"},
	{upload.ErrOtherDatabase, exitUsage, "give each database a prefix of its own; if this is the same database under a new name, or with a new schema, add --adopt"},
	{upload.ErrPlaintext, exitUsage, "give the --age-recipient of the earlier snapshots, or add --plaintext to go on without encryption"},
	{series.ErrRecipients, exitUsage, "post-quantum recipients (age1pq1...) go only with each other"},
	{series.ErrNoIdentity, exitUsage, "add --age-identity FILE, the file with the private key"},
	{series.ErrWrongIdentity, exitUsage, "each snapshot needs one of the keys that it was encrypted to at its time; if this is surely the right one, the snapshot's header is damaged: take an older one with --snapshot ID"},
	{lifecycle.ErrNoRules, exitUsage, "is the bucket URL right? lifeboat lifecycle show lists the rules that there are"},
	{lifecycle.ErrNotPinned, exitUsage, ""},

	{lifecycle.ErrTooManyRules, exitRefused, ""},
	{upload.ErrClock, exitRefused, hintClock},
	{lifecycle.ErrFuture, exitRefused, "if this machine's clock is behind, set it; otherwise a wrong clock has named that snapshot: lifeboat status shows what to do"},
	{bucket.ErrQuota, exitRefused, "raise the cap or quota with the provider, or make room in the account: lifeboat lifecycle plan or prune show what may go"},
	{bucket.ErrNoLifecycle, exitRefused, "lifeboat prune carries out retention where a store has no rules"},
	{bucket.ErrRefused, exitRefused, ""},
	{bucket.ErrNoTags, exitRefused, ""},
	{bucket.ErrUnreachable, exitUnreachable, ""},

	// Other jobs were at work: a second try may find them gone.
	{bucket.ErrExists, exitFailed, ""},
	{bucket.ErrChanged, exitFailed, ""},
	{lifecycle.ErrChangedMeanwhile, exitFailed, ""},
	// An error of another package names the owner of the file.
	{disk.ErrNotRegular, exitFailed, ""},

	// Beside anything else these do not matter.
	{restore.ErrNotRecorded, exitIncomplete, "it takes the right to read and set the snapshot's tags (s3:GetObjectTagging, s3:PutObjectTagging)"},
	{errNotPrinted, exitIncomplete, "stdout is full, or its reader has gone; all else that this command does is done"},
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
	for _, r := range reasons {
		if errors.Is(err, r.is) {
			return r.exit
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

// recovered makes an error of a panic: Go's own exit code for one would mean
// something else to a job.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("this is a bug in lifeboat: %v", r)
	}
}

// A severalError names those of several databases that failed.
type severalError struct {
	text string
	exit int
}

func (e *severalError) Error() string { return e.text }

const moreOpenFiles = "raise the limit of open files: ulimit -n, LimitNOFILE= of systemd, or --ulimit nofile of the container engine"

// tooManyFiles reports whether the process has reached its limit of open files.
// Neither the database nor the store is to blame, whatever else err wraps.
func tooManyFiles(err error) bool {
	var sqlite sqlite3.Error
	return errors.Is(err, syscall.EMFILE) || errors.As(err, &sqlite) && sqlite.SystemErrno == syscall.EMFILE
}
