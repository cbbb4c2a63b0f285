package s3store

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// settings are what a store is opened with.
type settings struct {
	bucket.Options
	// For tests: stands between the SDK and the network.
	intercept func(next aws.HTTPClient) aws.HTTPClient
	// A connection without progress is given up after this; 0 means that it is
	// chosen.
	stall time.Duration
}

func (o settings) withDefaults() settings {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	switch o.RetryFor {
	case 0:
		o.RetryFor = 2 * time.Minute
	case bucket.NoRetry:
		o.RetryFor = 0
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

func checkEncryption(e bucket.ServerSideEncryption) error {
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

func checkLock(l bucket.ObjectLock) error {
	switch {
	case l == bucket.ObjectLock{}:
		return nil
	case l.Mode != "GOVERNANCE" && l.Mode != "COMPLIANCE":
		return fmt.Errorf("object lock: unknown mode %q: GOVERNANCE or COMPLIANCE", l.Mode)
	case l.For <= 0:
		return errors.New("object lock: it needs a time to lock for")
	}
	return nil
}

// patience returns how long an answer is waited for. Who retries for a short
// time does not wait much longer either.
func (o settings) patience() time.Duration {
	return min(answerTimeout, o.stall, max(o.RetryFor, minAnswerTimeout))
}
