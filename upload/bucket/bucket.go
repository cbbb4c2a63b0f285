// Package bucket has the contract of a bucket: a place for the objects of one series,
// named by a bucket URL. A store implements Bucket, and what only some stores
// have is a small interface of its own: see As.
package bucket

import (
	"context"
	"io"
	"iter"
	"time"
)

// An Object is one object of a series, as a listing has it.
type Object struct {
	// Name is the key without the prefix of the bucket URL.
	Name string
	// Size in bytes.
	Size int64
	// ETag as the store gives it, without the quotes around it and the mark of
	// a weak one.
	ETag string
	// Modified is the store's own time of the upload (S3: Last-Modified).
	Modified time.Time
	// Version is the version ID where it was asked for, else "".
	Version string
}

// A Version is one version of an object in a versioned bucket: the object
// itself, what was overwritten or deleted, or the mark of a deletion.
type Version struct {
	Object
	// Latest: a reader who names no version gets this one.
	Latest bool
	// Deleted: no content, but the mark that a deletion has put on the key.
	Deleted bool
}

// Versioned is implemented by buckets that can keep versions of objects.
type Versioned interface {
	Bucket

	// Versions yields all versions of the objects that List yields or has
	// yielded, by name and for each the newest version first.
	Versions(ctx context.Context) iter.Seq2[Version, error]

	// KeepsVersions reports whether what is overwritten or deleted from now on
	// stays as a version.
	KeepsVersions(ctx context.Context) (bool, error)
}

// TagLocker is implemented by buckets in which one command's change of tags can
// be kept apart from those of other processes.
type TagLocker interface {
	Bucket

	// LockTags keeps out all others that call it until unlock is called. It
	// reports false, and unlock does nothing, where there are no such locks or
	// another process has kept its own for too long.
	LockTags(ctx context.Context) (unlock func(), locked bool)
}

// Sweeper is implemented by buckets in which runs that were killed leave what a
// listing does not show.
type Sweeper interface {
	Bucket

	// Sweep clears that away, where it is too old to be at work. now is the
	// present by the bucket's clock. A bucket with lifecycle rules does not need
	// it.
	Sweep(ctx context.Context, now time.Time) error
}

// Summed is implemented by buckets whose store has a checksum of an object's content.
type Summed interface {
	Bucket
	// Sum returns a Sum of the object as it is listed, nil where the store has no
	// checksum of it that can be computed from the content.
	Sum(ctx context.Context, object Object) (Sum, error)
}

// A Sum takes all of an object's content in order, and compares it with the checksum
// that the store has of it.
type Sum interface {
	io.Writer
	// Matches reports whether what was written has that checksum.
	Matches() bool
	// String names the checksum, such as ETag.
	String() string
}

// Located is implemented by buckets of which two bucket URLs can name the same one.
type Located interface {
	Bucket
	// SameAs reports whether another bucket is the same place.
	SameAs(other Bucket) bool
}

// Remote is implemented by buckets that are in a store on the network.
type Remote interface {
	Bucket

	// Endpoint returns the URL of the store, "" for that of AWS: the same bucket URL
	// is another bucket at another one.
	Endpoint() string

	// CustomerKey returns the key with which objects are encrypted by the store
	// and that it forgets, nil for none.
	CustomerKey() []byte
}

// A Tree is implemented by buckets that can list what is deeper than their own series.
type Tree interface {
	Bucket

	// Below yields all objects under the prefix, at whatever depth. Their names have the
	// slashes in them; those of one folder come one after another, and so do those of
	// all below it. After an error more may follow. What is in folders whose names begin
	// with a dot is left out, in a directory files whose names do, too. Symlinks are not
	// followed.
	Below(ctx context.Context) iter.Seq2[Object, error]

	// Folders yields the names, without slashes, of what is right under the prefix and
	// has something below it. What begins with a dot is left out, and symlinks are not
	// followed. After an error none follow.
	Folders(ctx context.Context) iter.Seq2[string, error]
}

// A Nested is a bucket that can look into the prefixes above its own.
type Nested interface {
	Bucket

	// Above yields objects directly in each prefix or directory above, the nearest first,
	// of those whose names begin as snapshots' do: as many as one request for each shows.
	// Their names begin with ../ for each step. After an error none follow.
	Above(ctx context.Context) iter.Seq2[Object, error]
}

// TrialPrefix begins the names of the throw-away objects with which a bucket is
// tried out.
const TrialPrefix = "lifeboat-doctor-"

// As returns b, or the bucket that it wraps and its method Unwrap returns, as an
// optional interface such as Versioned, and false if none of them implements it.
func As[T any](b Bucket) (T, bool) {
	for {
		if found, ok := b.(T); ok {
			return found, true
		}
		wrapper, ok := b.(interface{ Unwrap() Bucket })
		if !ok {
			var none T
			return none, false
		}
		b = wrapper.Unwrap()
	}
}

// Tags are an object's tags. Setting them always replaces the whole set. Nil is the
// same as an empty set: no tags.
type Tags map[string]string

// PutOptions are the options of Put.
type PutOptions struct {
	// MaxSize is the largest number of bytes that the content can have. It
	// decides the part size: S3 takes at most 10,000 parts.
	MaxSize int64
	// LockLonger is added to the time for which Options.Lock protects the object,
	// if it protects it at all.
	LockLonger time.Duration
	// Tags are what the object has from its first moment on.
	Tags Tags
}

// A PutResult is what Put has stored, and what the store said about it.
type PutResult struct {
	// Object is as it is listed.
	Object
	// Expiration is when the object will expire, and by which of the bucket's
	// rules (S3: x-amz-expiration), "" if none will take it.
	Expiration string
	// NotEncrypted: Options.SSE asked for encryption, and the store does not say
	// that it was done.
	NotEncrypted bool
}

// A Blob reads ranges of one object. A ReadAt that returns less than asked
// returns an error, as io.ReaderAt demands. Any number of goroutines may call
// it at once.
type Blob interface {
	io.ReaderAt
	io.Closer
}

// A Bucket holds one series: the snapshots of one database, and nothing else
// that matters, under one bucket URL. All methods may be called concurrently.
// Their errors wrap one of those of this package where that is the reason.
type Bucket interface {
	// URL returns the bucket URL.
	URL() URL

	// Put stores what write produces as one new object, visible whole or not
	// at all. If write returns an error,
	// nothing becomes visible, what was sent is taken back (also when ctx is
	// done), and the error is returned. An object of that name is never
	// replaced: ErrExists. With ErrUntagged the result is valid: the object
	// is there, but its tags are not.
	Put(ctx context.Context, name string, options PutOptions, write func(io.Writer) error) (PutResult, error)

	// List yields the objects directly under the prefix whose names sort
	// after the given one ("" for all), in ascending order of name. What is
	// deeper, or not a regular object, is left out.
	List(ctx context.Context, after string) iter.Seq2[Object, error]

	// Open opens an object for ranged reads: exactly that one, by its ETag.
	// Reads after ctx is done fail.
	Open(ctx context.Context, object Object) (Blob, error)

	// Tags returns the object's tags: an empty set if it has none. Where they
	// are in a file beside it, they can be a DamagedTagsError.
	Tags(ctx context.Context, object Object) (Tags, error)

	// SetTags replaces the object's tags.
	SetTags(ctx context.Context, object Object, tags Tags) error

	// Delete removes the object (on a versioned bucket, without a Version in
	// it: puts a delete marker on it). Deleting what is not there is no error.
	Delete(ctx context.Context, object Object) error

	// NeverUsed reports whether there has never been anything under the prefix:
	// no object of whatever name or depth, no old version, no mark of a
	// deletion. In a store what begins with TrialPrefix does not count, in a
	// directory the folder lost+found of a new file system. A bucket or directory
	// that does not exist is an error.
	NeverUsed(ctx context.Context) (bool, error)

	// ClockOffset returns how far the store's clock, as last seen in an answer,
	// is ahead of this machine's, and false if there was no answer yet. Buckets
	// without a clock of their own go by this machine's.
	ClockOffset() (ahead time.Duration, known bool)
}
