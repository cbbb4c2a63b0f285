package bucket

import (
	"errors"
	"fmt"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// The reasons of a bucket's errors. An error wraps each reason that it has; its
// text names what was tried on what.
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
	// ErrQuota, an ErrRefused: the account's quota, its provider's cap on storage,
	// or the room on the store's own disks is used up.
	ErrQuota = fmt.Errorf("%w: the quota, storage cap or room is used up", ErrRefused)
	// ErrUnreachable: the store did not answer, or answered with failures, for
	// as long as retries were allowed.
	ErrUnreachable = errors.New("the store is unreachable or failing")
	// ErrUntagged: Put has stored the object, but not its tags.
	ErrUntagged = errors.New("the object is there, but its tags are not")
	// ErrNoTags: the store does not know object tags.
	ErrNoTags = errors.New("the store has no object tags")
	// ErrNoLifecycle: the store, or a directory, has no lifecycle rules.
	ErrNoLifecycle = errors.New("the store has no lifecycle rules")
	// ErrTagsDamaged: an object's tags are in a file beside it, and what is in
	// that file are no tags. They count as none: no rule and no prune takes it.
	ErrTagsDamaged = errors.New("the tags are damaged and count as none")
	// ErrNoRoom: a disk of this machine, or the bucket's directory, is full.
	ErrNoRoom = reason.ErrNoRoom
)

// A DamagedTagsError is an ErrTagsDamaged with the object that has those tags.
type DamagedTagsError struct {
	URL    URL
	Object string // its name
	Cause  error  // wraps ErrTagsDamaged, and names the file
}

func (e *DamagedTagsError) Error() string { return e.Cause.Error() }

// Unwrap implements the errors package's interface.
func (e *DamagedTagsError) Unwrap() error { return e.Cause }

// MissingAction returns the IAM action, such as s3:PutObject, that the store
// denied to these credentials, "" if err has another reason.
func MissingAction(err error) string {
	var denied interface{ MissingAction() string }
	if !errors.As(err, &denied) {
		return ""
	}
	return denied.MissingAction()
}

// Region returns the region that the store named when it refused a request
// that was meant for another one, "" if that is not what happened.
func Region(err error) string {
	var elsewhere interface{ Region() string }
	if !errors.As(err, &elsewhere) {
		return ""
	}
	return elsewhere.Region()
}

// Setting returns a sentence that names the wrong setting and what it should be, if
// the answer that err is about proves it, and "" for all other errors.
func Setting(err error) string {
	var wrong interface{ Setting() string }
	if !errors.As(err, &wrong) {
		return ""
	}
	return wrong.Setting()
}

// Profile returns the profile of Options whose settings an error is about, "" for those
// of the environment.
func Profile(err error) string {
	var of interface{ Profile() string }
	if !errors.As(err, &of) {
		return ""
	}
	return of.Profile()
}

// Code returns the error code of S3, such as NoSuchBucket, with which the store
// answered, "" if there is none.
func Code(err error) string {
	var answered interface{ Code() string }
	if !errors.As(err, &answered) {
		return ""
	}
	return answered.Code()
}
