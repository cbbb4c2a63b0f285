package main

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/hooks"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/worker"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/rules"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/restore/diff"
	"github.com/lifeboat-sqlite/lifeboat/restore/diff/btree"
	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/restore/extract"
	"github.com/lifeboat-sqlite/lifeboat/restore/query"
	"github.com/lifeboat-sqlite/lifeboat/restore/remote"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/cache"
	"github.com/lifeboat-sqlite/lifeboat/upload/copies"
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
	{exitSource, "the source is missing, not a database, or fails its check; --run-before failed", failAtOnce},
	{exitUnreachable, "the bucket is unreachable or failing, after retries", retry},
	{exitNoSnapshot, "no such snapshot", failAtOnce},
	{exitDamaged, "snapshot damaged, or an object of its chain is gone, or its database fails its check; the message names the one to take instead and the command", failAtOnce},
	{exitTarget, "no room, the temp directory is not usable, or the target exists, is open, or is not usable", failAtOnce},
	{exitNotFresh, "status: the newest snapshot is too old or broken, there is none, the times of one cannot be right, a database is gone, or copies are too far behind or differ; report: there is none", alert},
	{exitLocked, "the source or the target stayed locked", retry},
	{exitRefused, "the bucket refuses: credentials, permission, no such bucket, quota, clock", failAtOnce},
	{exitNotTrue, "a verify --sql query was false; diff found a difference", alert},
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

	// errUnlooked: a restore of all may have left some out.
	errUnlooked = errors.New("databases that are gone from this machine were not looked for, so not all may be restored")

	// errNotRecorded: a drill's record could not be written, or its tag not be set.
	errNotRecorded = errors.New("the drill could not be recorded")

	errNone        = errors.New("there is no snapshot")
	errGone        = errors.New("the database is gone")
	errUnprotected = errors.New("the series is retired, but its database is here")
	errTooOld      = errors.New("the newest snapshot is too old")
	errBroken      = errors.New("the newest snapshot is broken")
	errImplausible = errors.New("a snapshot's time cannot be right, so it never counts as the newest")
)

const (
	hintWait  = "--wait sets how long to wait for other connections"
	hintClock = "set this machine's clock (timedatectl, chronyc): it decides which snapshot is the newest"
)

// reasons are all that an error of a command can be about, each with its word for
// scripts, which never changes, its exit code, and a hint where the error itself does not name the next step. An error
// may have several reasons. The first in this table decides the code, and the
// first that has a hint decides the hint.
var reasons = []struct {
	is   error
	word string // of it in JSON
	exit int
	hint string
}{
	// The snapshot is safe, whatever else is wrong.
	{upload.ErrIncomplete, "incomplete", exitIncomplete, ""},
	{copies.ErrPartly, "partly_copied", exitIncomplete, ""},
	{bucket.ErrUntagged, "not_tagged", exitIncomplete, ""},
	{restore.ErrLeft, "not_cleared_away", exitIncomplete, ""},
	{errOneOfTwo, "some_rights_missing", exitIncomplete, ""},
	{errUnlooked, "not_looked_for", exitIncomplete, "the warning names the prefix that these keys may not list"},
	{errIncomplete, "left_out", exitIncomplete, ""},
	{errPageLacks, "page_lacks", exitIncomplete, ""},
	{bucket.ErrTagsDamaged, "tags_damaged", exitIncomplete, ""},
	{upload.ErrNotEncrypted, "not_encrypted", exitIncomplete, "this store ignores --sse; --age-recipient encrypts before anything leaves this machine"},
	{reports.ErrNotReported, "not_reported", exitIncomplete, ""},

	{errNone, "no_snapshot_yet", exitNotFresh, "is the bucket URL right, and has the backup job ever run?"},
	{errGone, "database_gone", exitNotFresh, ""},
	{errUnprotected, "unprotected", exitNotFresh, ""},
	{errTooOld, "too_old", exitNotFresh, "has the backup job run? its log and its exit code show what is wrong"},
	{errNoCopy, "no_copy_yet", exitNotFresh, "is the URL of --copy right, and has lifeboat copy run?"},
	{errBehind, "copies_behind", exitNotFresh, "has lifeboat copy run? its log and its exit code show what is wrong"},
	{errCopyDiffers, "copy_differs", exitNotFresh, "compare both with lifeboat verify --snapshot ID; if the copy is the wrong one, delete that object with the second place's keys, and copy again"},
	{errImplausible, "implausible_time", exitNotFresh, ""},
	{errBroken, "newest_broken", exitNotFresh, ""},

	{snapshot.ErrDamaged, "damaged", exitDamaged, ""},
	{restore.ErrGone, "gone", exitDamaged, ""},
	{snapshot.ErrNewerFormat, "newer_format", exitDamaged, "a newer lifeboat can read it; so can: aws s3 cp ... - | zstd -d"},
	{drill.ErrDamaged, "record_damaged", exitDamaged, ""},
	{drill.ErrNewerFormat, "record_newer_format", exitDamaged, "a newer lifeboat can read it"},
	{restore.ErrCheck, "check_failed", exitDamaged, ""},
	{restore.ErrQuery, "query_false", exitNotTrue, ""},
	{errDiffers, "different", exitNotTrue, ""},

	{hooks.ErrBefore, "run_before_failed", exitSource, ""},
	{snapshot.ErrSource, "source_unusable", exitSource, ""},
	{errNoneFound, "no_database_found", exitSource, ""},
	{worker.ErrTooLong, "check_too_long", exitSource, "if the database is sound and this machine slow, raise --check-limit"},
	{snapshot.ErrLocked, "locked", exitLocked, hintWait},

	{btree.ErrCorrupt, "corrupt", exitDamaged, ""}, // of a live database snapshot.ErrSource, above

	{snapshot.ErrNoRoom, "no_room", exitTarget, "make room on that disk; if it is the copy's, --temp-dir sets another"},
	{snapshot.ErrTempDir, "temp_dir_unusable", exitTarget, "set --temp-dir (or TMPDIR) to a directory where files as large as the database can be written; in Kubernetes an emptyDir volume"},
	{restore.ErrTargetExists, "target_exists", exitTarget, "--replace swaps it for the snapshot and keeps the old one beside it"},
	{restore.ErrTargetOpen, "target_open", exitTarget, "stop what has it open, or add --live to write the snapshot into the open database"},
	{restore.ErrUncertain, "target_perhaps_open", exitTarget, "make sure that no application has it open, then add --assume-closed"},
	{restore.ErrRestoring, "restoring", exitTarget, ""},
	{restore.ErrCannotSwap, "cannot_swap", exitTarget, "--live writes the snapshot into the existing file instead"},
	{restore.ErrCannotLive, "cannot_live", exitTarget, ""},
	{restore.ErrTarget, "target_unusable", exitTarget, ""},
	{snapshot.ErrCutShort, "source_cut_short", exitSource, "put the whole main file back from a copy, or restore a snapshot with --replace, which keeps all three files aside; do not open it with sqlite3 before"},

	{restore.ErrNoSnapshot, "no_snapshot", exitNoSnapshot, ""},
	{restore.ErrAmbiguous, "ambiguous_id", exitNoSnapshot, "give more of the ID"},
	{bucket.ErrNotFound, "object_not_found", exitNoSnapshot, ""},

	{extract.ErrRequest, "not_extractable", exitUsage, ""},
	{extract.ErrMissing, "missing_here", exitUsage, ""},
	{extract.ErrStatement, "mask_failed", exitUsage, "no file was made"},
	{snapshot.ErrUncheckable, "uncheckable", exitUsage, "--check none leaves SQLite's check out; every frame is verified in any case"},
	{snapshot.ErrCannotVacuum, "cannot_vacuum", exitUsage, "--method backup copies it page for page"},
	{upload.ErrOtherDatabase, "other_database", exitUsage, "give each database a prefix of its own; if this is the same database under a new name, or with a new schema, add --adopt"},
	{copies.ErrSame, "same_place", exitUsage, ""},
	{upload.ErrNested, "nested", exitUsage, "give each database a prefix of its own, beside the others"},
	{upload.ErrPlaintext, "would_be_plaintext", exitUsage, "give the --age-recipient of the earlier snapshots, or add --plaintext to go on without encryption"},
	{series.ErrRecipients, "mixed_recipients", exitUsage, "post-quantum recipients (age1pq1...) go only with each other"},
	{series.ErrNoIdentity, "no_identity", exitUsage, "add --age-identity FILE, the file with the private key"},
	{series.ErrWrongIdentity, "wrong_identity", exitUsage, "each snapshot needs one of the keys that it was encrypted to at its time; if this is surely the right one, the snapshot's header is damaged: take an older one with --snapshot ID"},
	{query.ErrStatement, "statement", exitUsage, ""},
	{diff.ErrNoTable, "no_table", exitUsage, ""},
	{errTimeLimit, "time_limit", exitUsage, "raise --time-limit"},
	{remote.ErrMaxFetch, "max_fetch", exitUsage, "raise --max-fetch"},
	{worker.ErrLimit, "worker_limit", exitUsage, ""},
	{errMaxRows, "max_rows", exitUsage, "--max-rows 0 prints all; LIMIT in the statement makes the answer shorter"},
	{rules.ErrNoRules, "no_rules", exitUsage, "is the bucket URL right? lifeboat lifecycle show lists the rules that there are"},
	{lifecycle.ErrNotPinned, "not_pinned", exitUsage, ""},
	{lifecycle.ErrNeeded, "needed_by_another", exitUsage, "lifeboat unpin that one first"},
	{lifecycle.ErrNewest, "newest", exitUsage, "delete takes only what a newer snapshot has replaced"},
	{lifecycle.ErrPinned, "pinned", exitUsage, "lifeboat unpin it first"},
	{lifecycle.ErrBase, "base_of_another", exitUsage, "lifeboat delete that one first"},
	{lifecycle.ErrTooSoon, "too_soon", exitUsage, "--hold says how long a newer one must have been there"},
	{lifecycle.ErrInUse, "in_use", exitUsage, "is the bucket URL right? if the database is gone for good, --hold 0s retires it now"},
	{lifecycle.ErrShrunk, "shrunk", exitUsage, "if the small one is right, add --ignore-shrink"},

	{rules.ErrTooManyRules, "too_many_rules", exitRefused, "lifeboat lifecycle apply s3://BUCKET/PREFIX --tree writes one set of rules for all series below a prefix"},
	{upload.ErrClock, "clock_wrong", exitRefused, hintClock},
	{lifecycle.ErrFuture, "snapshot_in_future", exitRefused, "if this machine's clock is behind, set it; otherwise a wrong clock has named that snapshot: lifeboat status shows what to do"},
	{bucket.ErrQuota, "quota_exceeded", exitRefused, "raise the cap or quota, give the store more room, or delete something there: lifeboat lifecycle plan or prune show what may go"},
	{bucket.ErrNoLifecycle, "no_lifecycle", exitRefused, "lifeboat prune carries out retention where a store has no rules"},
	{bucket.ErrRefused, "refused", exitRefused, ""},
	{bucket.ErrNoTags, "no_tags", exitRefused, ""},
	{bucket.ErrUnreachable, "unreachable", exitUnreachable, ""},

	// Other jobs were at work: a second try may find them gone.
	{bucket.ErrExists, "object_exists", exitFailed, ""},
	{bucket.ErrChanged, "object_changed", exitFailed, ""},
	{rules.ErrChangedMeanwhile, "rules_changed", exitFailed, ""},
	// An error of another package names the owner of the file.
	{disk.ErrNotRegular, "not_a_file", exitFailed, ""},

	// A command goes on without a cache.
	{cache.ErrUnsafe, "cache_unsafe", exitFailed, ""},
	{cache.ErrUnknown, "cache_unknown", exitFailed, ""},
	{cache.ErrDamaged, "cache_damaged", exitFailed, ""},

	// Beside anything else these do not matter.
	{hooks.ErrAfter, "run_after_failed", exitIncomplete, ""},
	{errNotRecorded, "not_recorded", exitIncomplete, "it takes the right to create objects under .drills/: see deploy/iam/drill-*.json"},
	{errNotPrinted, "not_printed", exitIncomplete, "stdout is full, or its reader has gone; all else that this command does is done"},
}

// exitCode returns the exit code for an error of a command.
func exitCode(err error) int {
	exit, _ := verdict(err)
	return exit
}

// verdict returns the exit code for an error of a command, and the word for its reason.
func verdict(err error) (exit int, word string) {
	if err == nil {
		return exitDone, ""
	}
	var caught interrupted
	if errors.As(err, &caught) {
		return exitSignal + int(caught.signal), caught.Error()
	}
	var wrong *usageError
	if errors.As(err, &wrong) {
		return exitUsage, "usage"
	}
	var lost *rules.LostError
	if errors.As(err, &lost) {
		return exitRefused, "rules_not_kept"
	}
	var several *severalError
	if errors.As(err, &several) {
		return several.exit, "several_failed"
	}
	if tooManyFiles(err) && !errors.Is(err, upload.ErrIncomplete) {
		return exitUsage, "too_many_open_files"
	}
	for _, r := range reasons {
		if errors.Is(err, r.is) {
			return r.exit, r.word
		}
	}
	return exitFailed, "failed"
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
