package bucket

import (
	"log/slog"
	"time"
)

// NoRetry as Options.RetryFor means: a store that fails once is unreachable.
const NoRetry time.Duration = -1

// Options say how to talk to a bucket. The zero value is good. Where the store
// is and whose credentials to use comes from the AWS default chain: the
// environment, shared config files, web identity and instance roles.
type Options struct {
	// Profile is the profile of the AWS configuration files that names the store
	// (endpoint_url, region, ca_bundle) and the credentials: then AWS_PROFILE and the
	// variables for endpoint and keys are another store's. "" leaves all to the
	// AWS default chain.
	Profile string
	// Log gets a line for each failure that is tried again. Nil discards.
	Log *slog.Logger
	// RetryFor is how long the store may fail without one good answer before
	// it counts as unreachable. 0 means two minutes, NoRetry no time.
	RetryFor time.Duration
	// PartSize is the smallest part of a multipart upload, in bytes, of 5 MiB
	// or more. 0 means 8 MiB. Parts are larger where PutOptions.MaxSize needs it.
	PartSize int64
	// Concurrency is how many parts are uploaded at once. 0 means 4.
	Concurrency int
	// TempDir is where parts over 32 MiB are spooled. "" means os.TempDir().
	TempDir string
	// StorageClass of new objects. "" leaves it to the store.
	StorageClass string
	// SSE asks the store to encrypt new objects.
	SSE ServerSideEncryption
	// Lock protects new objects by the store's Object Lock.
	Lock ObjectLock
}

// ServerSideEncryption is how the store encrypts new objects. The zero value leaves
// it to the store.
type ServerSideEncryption struct {
	// Algorithm is "", "AES256" (the store's own keys) or "aws:kms".
	Algorithm string
	// KMSKeyID names the key for "aws:kms". "" means the account's default.
	KMSKeyID string
	// CustomerKey is a 32-byte key that the store uses and forgets. Every
	// read needs it again. It excludes the other two, and plain HTTP.
	CustomerKey []byte
}

// ObjectLock keeps every version of a new object from being deleted for a
// while. The bucket must have been made with Object Lock. The zero value asks
// for none.
type ObjectLock struct {
	// Mode is "", "GOVERNANCE" or "COMPLIANCE".
	Mode string
	// For is how long, from the upload on.
	For time.Duration
}

// IsSet reports whether anything is asked for.
func (e ServerSideEncryption) IsSet() bool {
	return e.Algorithm != "" || e.KMSKeyID != "" || len(e.CustomerKey) > 0
}
