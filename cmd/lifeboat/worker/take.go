package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// Take is snapshot.Take in a worker, which checks the copy as well. A worker
// that dies, or comes to a limit, is an error that wraps snapshot.ErrSource. The
// check may take as long as limit; 0 is DefaultCheckLimit.
func (p *Pool) Take(ctx context.Context, path string, o snapshot.CopyOptions, limit time.Duration) (*snapshot.Copy, error) {
	real, err := sqlite.Locate(path)
	if err != nil {
		return nil, err
	}
	who, err := ownerOf(real)
	if err != nil {
		return nil, err
	}
	room, err := newRoom(o.TempDir, who)
	if err != nil {
		return nil, err
	}
	s := &service{pool: p, path: path, room: room, limit: limit}
	c, err := s.take(ctx, real, o)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return c, nil
}

// A service is what a worker does for one database.
type service struct {
	pool   *Pool
	child  *child // nil before it is there and when it has failed
	path   string
	room   *room
	limit  time.Duration
	size   int64 // of the copy, bytes
	failed bool
}

func (s *service) take(ctx context.Context, real string, o snapshot.CopyOptions) (_ *snapshot.Copy, err error) {
	if s.child, err = s.pool.acquire(ctx, s.room.who); err != nil {
		return nil, err
	}
	began := time.Now()
	b := copyBound(bytesOf(real, "", "-wal", "-journal"), s.limit, o)
	answer, err := s.call(ctx, "the worker that read", request{Take: &takeRequest{
		Path: []byte(s.path), Dir: []byte(s.room.path), Method: o.Method, MaxRate: o.MaxRate, Wait: o.Wait,
	}}, b, o)
	if err != nil {
		return nil, err
	}
	if answer.Taken == nil {
		return nil, fmt.Errorf("copy %s: the worker returned nothing", s.path)
	}
	t := *answer.Taken
	t.Method = o.Method
	if t.TakenAt.Before(began) || t.TakenAt.After(time.Now()) { // it is not to be believed, and names the snapshot
		t.TakenAt = began.UTC()
	}
	c, err := snapshot.Adopt(snapshot.Adoption{
		Source: s.path, Dir: s.room.dir, User: s.room.who.user, Taken: t, Check: s.check, Close: s.close,
	})
	if err != nil {
		s.failed = true
		return nil, err
	}
	s.size = c.Header.Size()
	return c, nil
}

// check has the copy checked.
func (s *service) check(ctx context.Context, level snapshot.CheckLevel) error {
	b := bound{time: s.limit}
	if b.time == 0 {
		b.time = DefaultCheckLimit(s.size, level)
	}
	_, err := s.call(ctx, "the worker that checked", request{Check: &checkRequest{
		Path: []byte(filepath.Join(s.room.path, snapshot.CopyName)), Name: []byte(s.path), Level: level,
	}}, b, snapshot.CopyOptions{})
	return err
}

// call asks the worker. A failure that is the worker's own is the database's.
func (s *service) call(ctx context.Context, what string, r request, b bound, o snapshot.CopyOptions) (reply, error) {
	if s.failed {
		return reply{}, fmt.Errorf("%w: %s %s has failed before", snapshot.ErrSource, what, s.path)
	}
	answer, err := s.child.call(ctx, r, b, func(r reply) { pass(ctx, r, o) })
	s.failed = err != nil
	return answer, ofWorker(err, what, s.path, snapshot.ErrSource)
}

// ofWorker returns an error that names how a worker ended, if err is about that. It
// is the fault of the database with that name, and wraps reason.
func ofWorker(err error, what, name string, reason error) error {
	switch {
	case errors.Is(err, errDied):
		return &failed{fmt.Sprintf("%s %s %v", what, name, err), []error{reason}}
	case errors.Is(err, errTooLong):
		return &failed{fmt.Sprintf("%s %s was ended: it %v", what, name, err), []error{reason, ErrTooLong}}
	}
	return err
}

// ErrTooLong is one of the reasons of a database that took more time than its
// limit.
var ErrTooLong = errors.New("the database takes longer than it may")

// pass passes on the progress and the log of a worker.
func pass(ctx context.Context, r reply, o snapshot.CopyOptions) {
	if r.Progress != nil && o.Progress != nil {
		o.Progress(r.Progress[0], r.Progress[1])
	}
	if r.Log != nil && o.Log != nil {
		var attributes []slog.Attr
		for _, a := range r.Log.Attributes {
			attributes = append(attributes, slog.String(string(a[0]), string(a[1])))
		}
		o.Log.LogAttrs(ctx, r.Log.Level, string(r.Log.Text), attributes...)
	}
}

// close gives the worker back and removes what it has left.
func (s *service) close() (err error) {
	if s.child != nil {
		err = s.pool.release(s.child, !s.failed)
		s.child = nil
	}
	return errors.Join(err, s.room.close())
}

// bytesOf returns how much a file and those beside it take on the disk.
func bytesOf(path string, suffixes ...string) (sum int64) {
	for _, suffix := range suffixes {
		if info, err := os.Stat(path + suffix); err == nil {
			sum += allocated(info)
		}
	}
	return sum
}
