package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
)

// A Task is what a worker does with databases that the program reads for it. request
// and what send takes are the task's own to encode. A context that is done ends it; so
// does an error of send.
type Task func(ctx context.Context, databases []*untrusted.Conn, request []byte, send func(message []byte) error) error

// tasks are the tasks by name, the same in the program and its worker.
var tasks = map[string]Task{}

// MaxMessage is the largest message that a task can send, in bytes: a row of a
// result must fit into one.
const MaxMessage = 16 << 20

// ErrLimit: a task has come to a limit on the time or memory that it may take.
var ErrLimit = errors.New("a limit on time or memory is reached")

// An Inside runs tasks in workers, with the program's own rights. The program reads
// the databases; the worker has SQLite read what the program gives it.
type Inside struct {
	Pool *Pool
	// Names are those of the databases, for messages.
	Names []string
	// Sources are the databases. A read must end when the context of Run is done.
	Sources []Source
	// Limit is how long a task may take, without the time that receive takes; 0 sets
	// no limit.
	Limit time.Duration
}

// An insideRequest is for a task.
type insideRequest struct {
	Task    string
	Names   [][]byte
	Sizes   []int64
	Request []byte
}

// Run runs the task with that name, and calls receive with each message that it
// sends, in a slice that is used again. The error is that of a source, if it made the
// task fail; that of receive; or the task's own. A worker that dies is the
// databases' failure: an error that wraps untrusted.ErrCheck. A limit is ErrLimit.
func (i Inside) Run(ctx context.Context, task string, request []byte, receive func(message []byte) error) (err error) {
	r := insideRequest{Task: task, Request: request}
	for n, s := range i.Sources {
		r.Names, r.Sizes = append(r.Names, []byte(i.Names[n])), append(r.Sizes, s.Size)
	}
	c, err := i.Pool.acquire(ctx, ownIdentity())
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			i.Pool.takeBack(c)
		} else {
			i.Pool.discard(c) // how it ends adds nothing to err
		}
	}()
	return i.run(ctx, c, r, receive)
}

func (i Inside) run(ctx context.Context, c *child, r insideRequest, receive func([]byte) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ranges, err := serveRanges(c.ranges, i.Sources)
	if err != nil {
		return err
	}
	b := bound{time: i.Limit, pausing: true}
	if b.time == 0 {
		b.time = forEver
	}
	_, err = c.call(ctx, request{Inside: &r}, b, func(answer reply) {
		if answer.message == nil || ctx.Err() != nil {
			return
		}
		if err := receive(answer.message); err != nil {
			cancel(err)
		}
	})
	// A source that fails is never without consequence, whatever the worker says.
	unread := ranges.stop()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case unread != nil:
		return unread
	case errors.Is(err, errTooLong):
		return &failed{fmt.Sprintf("no answer within %s", i.Limit), []error{ErrLimit}}
	}
	return ofWorker(err, "the worker that read", strings.Join(i.Names, " and "), untrusted.ErrCheck)
}

// inside runs a task in the worker.
func (s *server) inside(ctx context.Context, r insideRequest) (err error) {
	task, known := tasks[r.Task]
	if !known || len(r.Names) != len(r.Sizes) {
		return fmt.Errorf("no such task: %q", r.Task)
	}
	var databases []*untrusted.Conn
	defer func() {
		for _, d := range databases {
			err = d.Explain(err)
		}
		for _, d := range databases {
			err = errors.Join(err, d.Close())
		}
		if isOutOfMemory(err) {
			err = &failed{fmt.Sprintf("it %s: %v", tooMuchMemory, err), []error{ErrLimit}}
		}
	}()
	for i, name := range r.Names {
		d, err := untrusted.Open(ctx, string(name), &rangeReader{client: s.ranges, source: i}, r.Sizes[i])
		if err != nil {
			return err
		}
		databases = append(databases, d)
	}
	return task(ctx, databases, r.Request, s.sendMessage)
}

// sendMessage sends a message of a task.
func (s *server) sendMessage(message []byte) error {
	if len(message) == 0 {
		return nil
	}
	if len(message) > MaxMessage {
		return fmt.Errorf("a row of %d MiB is too large: the limit is %d MiB", len(message)>>20, MaxMessage>>20)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.out.Encode(reply{Message: len(message)})
	if err == nil {
		_, err = os.Stdout.Write(message)
	}
	if err != nil {
		os.Exit(1) // the program is gone
	}
	return nil
}
