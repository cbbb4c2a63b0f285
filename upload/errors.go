package upload

import (
	"errors"
	"fmt"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// What goes wrong with a bucket. Every error of this package that has one of
// these reasons wraps it; the text says what was tried on what.
var (
	// ErrNotFound: no such object (or no such version of it).
	ErrNotFound = errors.New("no such object")
	// ErrExists: Put found an object of that name and left it alone.
	ErrExists = errors.New("object exists already")
	// ErrChanged: the object is no longer the one that was listed.
	ErrChanged = errors.New("object changed while it was read")
	// ErrRefused: the store answered and said no: credentials, permission, no
	// such bucket, quota, clock. Trying again will not help. MissingAction and
	// Region tell more.
	ErrRefused = errors.New("the store refused")
	// ErrQuota, an ErrRefused: the account's quota, or its provider's cap on
	// storage, is used up.
	ErrQuota = fmt.Errorf("%w: the quota or storage cap is used up", ErrRefused)
	// ErrUnreachable: the store did not answer, or answered with failures, for
	// as long as retries were allowed.
	ErrUnreachable = errors.New("the store is unreachable or failing")
	// ErrNoTags: the store does not know object tags.
	ErrNoTags = errors.New("the store has no object tags")
	// ErrTagsDamaged: an object's tags are in a file beside it, and what is in
	// that file are no tags. They count as none: no rule and no prune takes it.
	ErrTagsDamaged = errors.New("the tags are damaged and count as none")
	// ErrNoRoom: a disk of this machine, or the bucket's directory, is full.
	ErrNoRoom = snapshot.ErrNoRoom
)

// The reasons for which Backup refuses or half fails, beside those of a bucket
// and of package snapshot.
var (
	// ErrOtherDatabase: the newest snapshot of the series is of a database
	// with another name, or with nothing in common with this one. Beside
	// ErrIncomplete: one came into the series during the backup.
	ErrOtherDatabase = errors.New("the series belongs to another database")
	// ErrClock: this machine's clock and the store's differ by more than five
	// minutes.
	ErrClock = errors.New("this machine's clock is wrong")
	// ErrIncomplete: the snapshot is safe in the bucket, but something beside
	// it could not be done.
	ErrIncomplete = errors.New("the snapshot is safe, but not everything was done")
	// ErrNotEncrypted: the store does not say that it has done the server-side
	// encryption that it was asked for. The snapshot is there.
	ErrNotEncrypted = errors.New("the store does not say that it encrypted it, as it was asked to")
	// ErrRecipients: these recipients cannot be encrypted to together.
	ErrRecipients = errors.New("cannot encrypt to these recipients")
	// ErrPlaintext: the newest snapshot of the series is encrypted, and this
	// backup would not be.
	ErrPlaintext = errors.New("the series is encrypted, and this snapshot would not be")
)

// What Decrypt refuses, beside what is damaged (snapshot.ErrDamaged).
var (
	// ErrNoIdentity: the snapshot is encrypted, and no identity was given.
	ErrNoIdentity = errors.New("it is encrypted: it needs an age identity")
	// ErrWrongIdentity: none of the identities is one of those that the
	// snapshot was encrypted to.
	ErrWrongIdentity = errors.New("it is encrypted to other keys than those of the given age identities")
)
