package s3store

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

const (
	maxBackoff  = 8 * time.Second
	maxAttempts = 1000 // in effect none: the outage decides
)

// standard decides what may be tried again and how long to wait before.
var standard = retry.NewStandard(func(o *retry.StandardOptions) {
	o.MaxAttempts = maxAttempts
	o.MaxBackoff = maxBackoff
	o.BaseDelay = 200 * time.Millisecond
	o.RateLimiter = ratelimit.None // the outage limits by time
	o.Retryables = append([]retry.IsErrorRetryable{
		retry.IsErrorRetryableFunc(neverRetried),
	}, append(o.Retryables,
		retry.IsErrorRetryableFunc(cutAnswer),
		retry.IsErrorRetryableFunc(foreignAgain),
		retry.RetryableErrorCode{Codes: map[string]struct{}{
			"InternalError": {}, "ServiceUnavailable": {}, "ConditionalRequestConflict": {}, "OperationAborted": {},
		}},
		retry.RetryableErrorCode{Codes: altered})...)
})

// altered are the error codes for content that does not match its signature or
// checksum when it arrives.
var altered = map[string]struct{}{
	"XAmzContentSHA256Mismatch": {}, "XAmzContentChecksumMismatch": {}, "BadDigest": {},
}

func retryable(err error) bool { return standard.IsErrorRetryable(err) }

// neverRetried: errors of the connection that the next try would meet too.
func neverRetried(err error) aws.Ternary {
	if wrong, _ := misconfigured(failure{}, err); wrong != "" || isUnsendable(err) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// cutAnswer: the connection was lost in the middle of a good answer.
func cutAnswer(err error) aws.Ternary {
	var deserialization *smithy.DeserializationError
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) && errors.As(err, &deserialization) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

// isGarbled: the store has answered, but not in the form that S3's answers have.
func isGarbled(err error) bool {
	var deserialization *smithy.DeserializationError
	return (errors.As(err, &deserialization) || foreign(err) != nil) && statusOf(err)/100 == 2
}

// A retryer tries again with growing waits until the outage has lasted too
// long. It replaces the SDK's limits in attempts and tokens, which end after a
// second or two.
type retryer struct {
	*retry.Standard
	outage *outage
	log    *slog.Logger
}

func newRetryer(o *outage, log *slog.Logger) aws.Retryer {
	return &retryer{Standard: standard, outage: o, log: log}
}

// IsErrorRetryable implements aws.Retryer.
func (r *retryer) IsErrorRetryable(err error) bool {
	return r.Standard.IsErrorRetryable(err) && !r.outage.tooLong(time.Now())
}

// GetAttemptToken implements aws.RetryerV2: its result gets each attempt's
// outcome.
func (r *retryer) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	if count, ok := ctx.Value(attemptsKey{}).(*atomic.Int32); ok {
		count.Add(1)
	}
	began := time.Now()
	return func(err error) error {
		if ctx.Err() != nil {
			return nil
		}
		now := time.Now()
		if lasted := r.outage.observe(err != nil && r.Standard.IsErrorRetryable(err), began, now); lasted > 0 {
			r.log.Info("the store answers again", "outage", lasted.Round(time.Second), "cause", r.outage.trouble())
		}
		return nil
	}, nil
}

// RetryDelay implements aws.Retryer.
func (r *retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	delay, delayErr := r.Standard.RetryDelay(attempt, err)
	r.outage.name(trouble(err))
	r.log.Warn(trouble(err)+", trying again", "for", r.outage.remains(time.Now()), "attempt", attempt, "wait", delay)
	return delay, delayErr
}

// An outage is the time in which the store has failed without one good answer
// to any request of this bucket.
type outage struct {
	limit    time.Duration
	patience time.Duration // how long a silent store is waited for

	mu         sync.Mutex
	since      time.Time // begin of the first failure, zero if the last answer was good
	good       time.Time // the last good answer
	last       time.Time // the last failure
	operations int       // in progress
	named      string    // the last failure, in words
}

// name keeps the words for a failure; trouble returns them.
func (o *outage) name(trouble string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.named = trouble
}

func (o *outage) trouble() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.named
}

// observe takes the outcome of one attempt. It returns how long an outage lasted that
// has ended, or 0. A refusal is a good answer here:
// the store is there. An outage starts when the first failed attempt
// started. If that attempt ran longer than patience, it was making progress until
// it broke, so the outage starts now.
func (o *outage) observe(failed bool, began, now time.Time) (lasted time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case !failed:
		if !o.since.IsZero() {
			lasted = now.Sub(o.since)
		}
		o.since, o.good = time.Time{}, now
		return lasted
	case o.since.IsZero() && now.Sub(began) > o.patience+time.Second:
		o.since = now
	case o.since.IsZero():
		o.since = began
		if o.good.After(began) {
			o.since = o.good
		}
	}
	o.last = now
	return 0
}

// remains returns how much longer the store may fail.
func (o *outage) remains(now time.Time) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return o.limit
	}
	return max(0, o.limit-now.Sub(o.since)).Round(time.Second)
}

func (o *outage) tooLong(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.since.IsZero() && now.Sub(o.since) >= o.limit
}

// begin counts an operation in. If no other operation is under way, failures
// further back than the limit do not count against it.
func (o *outage) begin(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.operations == 0 && now.Sub(o.last) > o.limit {
		o.since = time.Time{}
	}
	o.operations++
}

func (o *outage) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.operations--
}

// watchOperations makes every operation of a client count in and out.
func (o *outage) watchOperations(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("LifeboatOutage",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			o.begin(time.Now())
			defer o.end()
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
}

type attemptsKey struct{}

// countAttempts returns a context whose operations count their attempts. More
// than one means that an earlier one may have done its work unseen.
func countAttempts(ctx context.Context) (context.Context, *atomic.Int32) {
	count := new(atomic.Int32)
	return context.WithValue(ctx, attemptsKey{}, count), count
}
