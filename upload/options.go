package upload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Options say how to talk to a bucket. The zero value is good. Where the store
// is and whose credentials to use comes from the AWS default chain: the
// environment, shared config files, web identity and instance roles.
type Options struct {
	// Log gets a line for each failure that is tried again. Nil discards.
	Log *slog.Logger
	// RetryFor is how long the store may fail without one good answer before
	// it counts as unreachable. 0 means two minutes.
	RetryFor time.Duration
	// PartSize is the smallest part of a multipart upload, in bytes; 0 or
	// too little for PutOptions.MaxSize means that it is chosen.
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

	// For tests: stands between the SDK and the network.
	intercept func(next aws.HTTPClient) aws.HTTPClient
	// For tests: a connection without progress is given up after this.
	stall time.Duration
}

// ServerSideEncryption says how the store encrypts new objects. The zero value
// leaves it to the store.
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

// Open returns the bucket of a bucket URL. It does not ask the store anything,
// except that finding credentials may need the network. A directory is not
// created before the first Put.
func Open(ctx context.Context, u bucket.URL, o Options) (bucket.Bucket, error) {
	o = o.withDefaults()
	if u.Dir != "" {
		if o.StorageClass != "" || o.SSE.isSet() || o.Lock != (ObjectLock{}) {
			return nil, fmt.Errorf("%s: a directory has no storage classes, no server-side encryption and no object lock", u)
		}
		return &directory{url: u}, nil
	}
	if err := errors.Join(o.SSE.check(), o.Lock.check()); err != nil {
		return nil, err
	}
	b, err := openS3(ctx, u, o)
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.RetryFor <= 0 {
		o.RetryFor = 2 * time.Minute
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 4
	}
	if o.TempDir == "" {
		o.TempDir = os.TempDir()
	}
	if o.stall <= 0 {
		o.stall = min(time.Minute, max(o.RetryFor, minAnswerTimeout))
	}
	return o
}

func (e ServerSideEncryption) isSet() bool {
	return e.Algorithm != "" || e.KMSKeyID != "" || len(e.CustomerKey) > 0
}

func (e ServerSideEncryption) check() error {
	switch {
	case len(e.CustomerKey) > 0 && (e.Algorithm != "" || e.KMSKeyID != ""):
		return errors.New("server-side encryption: a customer key excludes an algorithm and a KMS key")
	case len(e.CustomerKey) > 0 && len(e.CustomerKey) != 32:
		return fmt.Errorf("server-side encryption: a customer key has 32 bytes, not %d", len(e.CustomerKey))
	case e.Algorithm != "" && e.Algorithm != "AES256" && e.Algorithm != "aws:kms":
		return fmt.Errorf("server-side encryption: unknown algorithm %q: AES256 or aws:kms", e.Algorithm)
	case e.KMSKeyID != "" && e.Algorithm != "aws:kms":
		return errors.New("server-side encryption: a KMS key needs the algorithm aws:kms")
	}
	return nil
}

func (l ObjectLock) check() error {
	switch {
	case l == ObjectLock{}:
		return nil
	case l.Mode != "GOVERNANCE" && l.Mode != "COMPLIANCE":
		return fmt.Errorf("object lock: unknown mode %q: GOVERNANCE or COMPLIANCE", l.Mode)
	case l.For <= 0:
		return errors.New("object lock: it needs a time to lock for")
	}
	return nil
}
