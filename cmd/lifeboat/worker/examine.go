package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// An Examiner is a untrusted.Examiner whose SQLite runs in workers, with the
// program's own rights. A worker that dies, or comes to a limit, is the
// database's failure: an error that wraps untrusted.ErrCheck.
type Examiner struct {
	Pool *Pool
	// Limit is how long a check may take; 0 is DefaultCheckLimit.
	Limit time.Duration
}

var _ untrusted.Examiner = Examiner{}

const restored = "the restored database"

// Check implements untrusted.Examiner.
func (e Examiner) Check(ctx context.Context, path string, level snapshot.CheckLevel) (*untrusted.ForeignKeys, error) {
	limit := e.Limit
	if limit == 0 {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("check the temp file: %w", err)
		}
		limit = DefaultCheckLimit(info.Size(), level)
	}
	answer, err := e.call(ctx, request{Drill: &drillRequest{[]byte(path), level}}, limit)
	if err != nil {
		return nil, ofWorker(err, "the worker that checked", restored, untrusted.ErrCheck)
	}
	if level != snapshot.CheckNone && answer.ForeignKeys == nil {
		return nil, fmt.Errorf("check %s: the worker returned nothing", restored)
	}
	return answer.ForeignKeys, nil
}

// Ask implements untrusted.Examiner. SQLite ends a query that takes too long, but
// not before a function that it calls has returned. Then its worker is ended.
func (e Examiner) Ask(ctx context.Context, path, query string, limit time.Duration) (untrusted.QueryResult, error) {
	result := untrusted.QueryResult{SQL: query}
	answer, err := e.call(ctx, request{Ask: &askRequest{[]byte(path), []byte(query), limit}}, limit+grace)
	switch {
	case errors.Is(err, errTooLong):
		result.Answer = untrusted.NoAnswerWithin(limit)
	case err != nil:
		return result, ofWorker(err, "the worker that asked", restored, untrusted.ErrCheck)
	case answer.Answer == nil:
		return result, fmt.Errorf("ask %s: the worker returned nothing", restored)
	default:
		result.True, result.Answer = answer.Answer.True, answer.Answer.Answer
	}
	return result, nil
}

// call has a worker do one thing.
func (e Examiner) call(ctx context.Context, r request, limit time.Duration) (answer reply, err error) {
	c, err := e.Pool.acquire(ctx, ownIdentity())
	if err != nil {
		return reply{}, err
	}
	answer, err = c.call(ctx, r, bound{time: limit}, func(reply) {})
	if err != nil {
		e.Pool.discard(c) // how it ends adds nothing to err
		return answer, err
	}
	e.Pool.takeBack(c)
	return answer, nil
}
