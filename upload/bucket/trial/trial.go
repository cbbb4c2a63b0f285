// Package trial is the contract by which doctor tries out what a store can do
// and what the credentials may. The store's side makes one request for each
// call and returns what came of it; what that means is doctor's.
package trial

import (
	"context"
	"errors"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A StoreBucket is a bucket in a store that answers requests: see bucket.As.
type StoreBucket interface {
	bucket.Bucket

	// Trial begins a trial. Its Close must be called.
	Trial() Store
}

// A Refusal is a way in which a store refuses a request.
type Refusal int

// The refusals. One answer can be several of them.
const (
	// Any: the store, or what stands between it and this machine, said no. Any
	// other error means that no answer came, and that the next request will get
	// none either.
	Any Refusal = iota
	// Denied: these credentials may not.
	Denied
	// Rejected: what was asked for has surely not been done.
	Rejected
	// NoConditions: the store does not know If-None-Match.
	NoConditions
	// Condition: the store kept the condition of the request, which does not
	// hold.
	Condition
	// MayLackTags: a store without tags may answer so to a request with some.
	MayLackTags
	// Unset: the bucket has no setting of the kind that was asked for.
	Unset
)

// Is reports whether an error of a StoreBucket, or of its trial, is such a
// refusal.
func Is(err error, r Refusal) bool {
	var answer interface{ Refuses(r Refusal) bool }
	return errors.As(err, &answer) && answer.Refuses(r)
}

// Brief returns the text of a store's error without what was tried on what,
// where the two are known apart.
func Brief(err error) string {
	var known interface{ Brief() string }
	if errors.As(err, &known) {
		return known.Brief()
	}
	return err.Error()
}

// A Store is one trial of a store on its way. It remembers what it has put and
// begun, for Close. Names are relative to the bucket URL; content is never
// changed.
type Store interface {
	// Credentials returns what signs the requests, without a secret.
	Credentials(ctx context.Context) (string, error)

	// Put puts an object with tags of the store's own.
	Put(ctx context.Context, name string, content []byte, tags bucket.Tags) (Stored, error)
	// PutIfAbsent is Put on the condition that there is no such object.
	PutIfAbsent(ctx context.Context, name string, content []byte, tags bucket.Tags) (Stored, error)
	// Names returns the names in one answer to a listing of what is right under
	// a prefix and sorts after a name.
	Names(ctx context.Context, prefix, after string) ([]string, error)
	// ReadIfMatch reads a byte of an object if that has the ETag.
	ReadIfMatch(ctx context.Context, name, etag string) error
	// Delete deletes an object by its name.
	Delete(ctx context.Context, name string) error

	// Tags and SetTags are about the store's own tags, and never about those
	// that are kept beside an object.
	Tags(ctx context.Context, name string) (bucket.Tags, error)
	SetTags(ctx context.Context, name string, tags bucket.Tags) error

	// Begin begins an upload in parts. ctx may be done: the answer still gets a
	// moment, since without it nothing could be taken back.
	Begin(ctx context.Context, name string, tags bucket.Tags) (Upload, error)

	// Rules returns how many lifecycle rules the bucket has.
	Rules(ctx context.Context) (int, error)
	// Versioned reports whether the bucket keeps versions.
	Versioned(ctx context.Context) (bool, error)
	// Lock returns nil for a bucket with Object Lock.
	Lock(ctx context.Context) error
	// Encryption returns nil for a bucket that encrypts what it is given.
	Encryption(ctx context.Context) error

	// Close removes what the trial has put and begun, also when ctx is done, and
	// returns the names of what remains.
	Close(ctx context.Context) (left []string)
}

// Stored is what the store said about an object that it took.
type Stored struct {
	// Object is what Open takes.
	Object bucket.Object
	// Versioned: the object is one version of several.
	Versioned bool
	// Encryption is how the store has encrypted it, "" if it did not say.
	Encryption string
}

// An Upload is one upload in parts, which has a single part here.
type Upload interface {
	// Send sends the part.
	Send(ctx context.Context, content []byte) error
	// SendSummed sends the part with a CRC-32 (IEEE), which may be wrong.
	SendSummed(ctx context.Context, content []byte, sum uint32) error
	// Listed reports whether the store lists the upload.
	Listed(ctx context.Context) (bool, error)
	// Complete makes the part an object.
	Complete(ctx context.Context) error
	// CompleteIfAbsent is Complete on the condition that there is no such object.
	CompleteIfAbsent(ctx context.Context) error
	// Abort ends the upload. One that is gone is no error.
	Abort(ctx context.Context) error
}
