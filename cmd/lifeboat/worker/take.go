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
	l := &lease{pool: p, path: path, room: room, limit: limit}
	c, err := l.take(ctx, real, o)
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	return c, nil
}

// A lease is a worker that serves one database.
type lease struct {
	pool   *Pool
	child  *child // nil before it is there and when it has failed
	path   string
	room   *room
	limit  time.Duration
	size   int64 // of the copy, bytes
	failed bool
}

func (l *lease) take(ctx context.Context, real string, o snapshot.CopyOptions) (_ *snapshot.Copy, err error) {
	if l.child, err = l.pool.acquire(ctx, l.room.who); err != nil {
		return nil, err
	}
	began := time.Now()
	b := copyBound(bytesOf(real, "", "-wal", "-journal"), l.limit, o)
	answer, err := l.call(ctx, "the worker that read", request{Take: &takeRequest{
		Path: []byte(l.path), Dir: []byte(l.room.path), Method: o.Method, MaxRate: o.MaxRate, Wait: o.Wait,
	}}, b, o)
	if err != nil {
		return nil, err
	}
	if answer.Taken == nil {
		return nil, fmt.Errorf("copy %s: the worker returned nothing", l.path)
	}
	t := *answer.Taken
	t.Method = o.Method
	if t.TakenAt.Before(began) || t.TakenAt.After(time.Now()) { // it is not to be believed, and names the snapshot
		t.TakenAt = began.UTC()
	}
	c, err := snapshot.Adopt(snapshot.Adoption{
		Source: l.path, Dir: l.room.dir, User: l.room.who.user, Taken: t, Check: l.check, Close: l.close,
	})
	if err != nil {
		l.failed = true
		return nil, err
	}
	l.size = c.Header.Size()
	return c, nil
}

// check has the copy checked.
func (l *lease) check(ctx context.Context, level snapshot.CheckLevel) error {
	b := bound{time: l.limit}
	if b.time == 0 {
		b.time = DefaultCheckLimit(l.size, level)
	}
	_, err := l.call(ctx, "the worker that checked", request{Check: &checkRequest{
		Path: []byte(filepath.Join(l.room.path, snapshot.CopyName)), Name: []byte(l.path), Level: level,
	}}, b, snapshot.CopyOptions{})
	return err
}

// call asks the worker. A failure that is the worker's own is the database's.
func (l *lease) call(ctx context.Context, what string, r request, b bound, o snapshot.CopyOptions) (reply, error) {
	if l.failed {
		return reply{}, fmt.Errorf("%w: %s %s has failed before", snapshot.ErrSource, what, l.path)
	}
	answer, err := l.child.call(ctx, r, b, func(r reply) { pass(ctx, r, o) })
	l.failed = err != nil
	return answer, ofWorker(err, what, l.path, snapshot.ErrSource)
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
func (l *lease) close() (err error) {
	if l.child != nil {
		err = l.pool.release(l.child, !l.failed)
		l.child = nil
	}
	return errors.Join(err, l.room.close())
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
