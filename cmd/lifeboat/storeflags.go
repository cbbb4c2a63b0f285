package main

import (
	"errors"

	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// newObjectFlags say how a store keeps what a command uploads.
type newObjectFlags struct {
	lockFlags

	StorageClass string   `placeholder:"CLASS" group:"Store" help:"Storage class, by the name that the store has for it."`
	SSE          string   `name:"sse" enum:",AES256,aws:kms" default:"" placeholder:"AES256|aws:kms" group:"Store" help:"Encryption by the store. Your own key: LIFEBOAT_SSE_CUSTOMER_KEY."`
	SSEKMSKeyID  string   `name:"sse-kms-key-id" placeholder:"ID" group:"Store" help:"The KMS key of --sse aws:kms."`
	PartSize     byteSize `default:"8MiB" placeholder:"8MiB" group:"Store" help:"Smallest part of a multipart upload."`
}

// check returns what is wrong with the flags. concurrency is how many parts are uploaded at
// once, of which each command has a default of its own.
func (f newObjectFlags) check(concurrency oneOrMore) error {
	switch {
	case f.PartSize < 5<<20 || f.PartSize > 5<<30:
		return errors.New("--part-size must be from 5MiB to 5GiB")
	case concurrency > 64:
		return errors.New("--concurrency must be from 1 to 64")
	}
	return f.checkLock()
}

// options returns the options of the bucket that takes the objects.
func (f newObjectFlags) options(concurrency oneOrMore) upload.Options {
	return upload.Options{
		PartSize: int64(f.PartSize), Concurrency: int(concurrency), StorageClass: f.StorageClass,
		SSE:  bucket.ServerSideEncryption{Algorithm: f.SSE, KMSKeyID: f.SSEKMSKeyID},
		Lock: f.lock(),
	}
}
