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

// A Reader reads live databases in workers, which check them as well. A worker
// that dies, or comes to a limit, is an error that wraps snapshot.ErrSource.
type Reader struct {
	Pool *Pool
	// Limit is how long a check may take; 0 is DefaultCheckLimit.
	Limit time.Duration
}

// Take is snapshot.Take in a worker.
func (r Reader) Take(ctx context.Context, path string, o snapshot.CopyOptions) (*snapshot.Copy, error) {
	s, err := r.service(path, o.TempDir)
	if err != nil {
		return nil, err
	}
	c, err := s.take(ctx, o)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return c, nil
}

// Read is snapshot.Read in a worker. base.Pages is read by this process alone.
func (r Reader) Read(ctx context.Context, path string, base snapshot.Base, o snapshot.ReadOptions) (*snapshot.Reading, error) {
	s, err := r.service(path, o.TempDir)
	if err != nil {
		return nil, err
	}
	reading, err := s.read(ctx, base, o)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return reading, nil
}

// Hash is snapshot.Hash in a worker.
func (r Reader) Hash(ctx context.Context, path string, o snapshot.CopyOptions) (snapshot.Taken, string, error) {
	s, err := r.serviceWithoutRoom(path)
	if err != nil {
		return snapshot.Taken{}, "", err
	}
	answer, err := s.reads(ctx, request{Hash: s.takeRequest(o)}, copyBound(s.bytes(), s.limit, o), snapshot.ReadOptions{CopyOptions: o})
	if err = errors.Join(err, s.close()); err != nil {
		return snapshot.Taken{}, "", err
	}
	return *answer.Taken, answer.Digest, nil
}

// service returns one for the database at path. It has no worker yet.
func (r Reader) service(path, tempDir string) (*service, error) {
	s, err := r.serviceWithoutRoom(path)
	if err != nil {
		return nil, err
	}
	s.room, err = newRoom(tempDir, s.who)
	return s, err
}

// serviceWithoutRoom returns one whose worker leaves nothing.
func (r Reader) serviceWithoutRoom(path string) (*service, error) {
	real, err := sqlite.Locate(path)
	if err != nil {
		return nil, err
	}
	who, err := ownerOf(real)
	if err != nil {
		return nil, err
	}
	return &service{pool: r.Pool, path: path, real: real, who: who, limit: r.Limit}, nil
}

// A service is what a worker does for one database.
type service struct {
	pool   *Pool
	child  *child // nil before it is there and when it has failed
	path   string
	real   string // behind all symlinks
	who    identity
	room   *room // nil if the worker leaves nothing
	limit  time.Duration
	size   int64 // of the copy, bytes
	failed bool
}

// bytes returns how much of the disk is to be read.
func (s *service) bytes() int64 { return bytesOf(s.real, "", "-wal", "-journal") }

func (s *service) take(ctx context.Context, o snapshot.CopyOptions) (*snapshot.Copy, error) {
	answer, err := s.reads(ctx, request{Take: s.takeRequest(o)}, copyBound(s.bytes(), s.limit, o), snapshot.ReadOptions{CopyOptions: o})
	if err != nil {
		return nil, err
	}
	a := s.adoption(*answer.Taken)
	a.Taken.Method = o.Method
	c, err := a.Copy()
	if err != nil {
		s.failed = true
		return nil, err
	}
	s.size = c.Header.Size()
	return c, nil
}

func (s *service) read(ctx context.Context, base snapshot.Base, o snapshot.ReadOptions) (*snapshot.Reading, error) {
	if err := s.adoption(snapshot.Taken{}).LeaveBase(base); err != nil {
		return nil, err
	}
	answer, err := s.reads(ctx, request{Read: &readRequest{
		takeRequest: *s.takeRequest(o.CopyOptions), Check: o.Check, Known: o.Known,
		Base: baseRequest{base.Reference, base.PageSize, base.PageCount},
	}}, readBound(s.bytes(), s.limit, o), o)
	if err != nil {
		return nil, err
	}
	a := s.adoption(*answer.Taken)
	a.Taken.Method = snapshot.MethodBackup
	r, err := a.Reading(ctx, base, answer.Digest, o.TempDir)
	s.failed = err != nil
	return r, err
}

func (s *service) takeRequest(o snapshot.CopyOptions) *takeRequest {
	r := &takeRequest{Path: []byte(s.path), Method: o.Method, MaxRate: o.MaxRate, Wait: o.Wait}
	if s.room != nil {
		r.Dir = []byte(s.room.path)
	}
	return r
}

// reads has a worker read the database. The answer has Taken.
func (s *service) reads(ctx context.Context, r request, b bound, o snapshot.ReadOptions) (answer reply, err error) {
	if s.child, err = s.pool.acquire(ctx, s.who); err != nil {
		return reply{}, err
	}
	began := time.Now()
	answer, err = s.call(ctx, "the worker that read", r, b, o)
	if err != nil {
		return reply{}, err
	}
	if answer.Taken == nil {
		s.failed = true
		return reply{}, fmt.Errorf("read %s: the worker returned nothing", s.path)
	}
	if t := answer.Taken; t.TakenAt.Before(began) || t.TakenAt.After(time.Now()) { // it is not to be believed, and names the snapshot
		t.TakenAt = began.UTC()
	}
	return answer, nil
}

// adoption returns one of what the worker has left.
func (s *service) adoption(t snapshot.Taken) snapshot.Adoption {
	return snapshot.Adoption{Source: s.path, Dir: s.room.dir, User: s.who.user, Taken: t, Check: s.check, Close: s.close}
}

// check has the copy checked, which is that file.
func (s *service) check(ctx context.Context, file string, level snapshot.CheckLevel) error {
	b := bound{time: s.limit}
	if b.time == 0 {
		b.time = DefaultCheckLimit(s.size, level)
	}
	_, err := s.call(ctx, "the worker that checked", request{Check: &checkRequest{
		Path: []byte(filepath.Join(s.room.path, file)), Name: []byte(s.path), Level: level,
	}}, b, snapshot.ReadOptions{})
	return err
}

// call asks the worker. A failure that is the worker's own is the database's.
func (s *service) call(ctx context.Context, what string, r request, b bound, o snapshot.ReadOptions) (reply, error) {
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
func pass(ctx context.Context, r reply, o snapshot.ReadOptions) {
	if r.Checking && o.Checking != nil {
		o.Checking()
	}
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
	switch {
	case s.child == nil:
	case s.failed:
		err = s.pool.discard(s.child)
	default:
		s.pool.takeBack(s.child)
	}
	s.child = nil
	if s.room == nil {
		return err
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
