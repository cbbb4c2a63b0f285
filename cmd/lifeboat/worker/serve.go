package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/check"
)

// argument makes the program a worker.
const argument = "__worker"

// Asked reports whether this process was started to be a worker.
func Asked() bool { return len(os.Args) == 2 && os.Args[1] == argument }

// Main is a worker's whole life. It returns the exit code.
func Main() int {
	// The program answers a signal to the whole process group or control group: it
	// cancels the worker's task.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGXFSZ)
	if err := limitMyself(); err != nil {
		fmt.Fprintln(os.Stderr, "panic: limit the worker:", err)
		return 1
	}
	s := &server{out: json.NewEncoder(os.Stdout), ranges: &rangeClient{socket: os.NewFile(rangesFile, "ranges")}}
	requests := make(chan request)
	go s.listen(requests)
	for r := range requests {
		s.answer(r)
	}
	return 0
}

// A server answers one request after the other.
type server struct {
	mu     sync.Mutex
	out    *json.Encoder
	cancel context.CancelFunc // what is being done
	ranges *rangeClient
}

// listen ends the process when the program closes its end or has died. SQLite
// may be busy meanwhile: it does not matter with what.
func (s *server) listen(requests chan<- request) {
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var r request
		if err := in.Decode(&r); err != nil {
			os.Exit(0)
		}
		if !r.Cancel {
			requests <- r
			continue
		}
		s.mu.Lock()
		if s.cancel != nil {
			s.cancel()
		}
		s.mu.Unlock()
	}
}

func (s *server) send(r reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.out.Encode(r); err != nil {
		os.Exit(1) // the program is gone
	}
}

func (s *server) answer(r request) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.mu.Lock()
	s.cancel = cancel
	s.mu.Unlock()
	end := reply{End: true}
	switch {
	case r.Take != nil:
		taken, err := s.take(ctx, *r.Take)
		end.Taken, end.Error = &taken, describe(overLimit(err, string(r.Take.Path), snapshot.ErrSource))
	case r.Read != nil:
		taken, digest, err := s.read(ctx, *r.Read)
		end.Taken, end.Digest, end.Error = &taken, digest, describe(overLimit(err, string(r.Read.Path), snapshot.ErrSource))
	case r.Hash != nil:
		taken, digest, err := snapshot.Hash(ctx, string(r.Hash.Path), s.options(*r.Hash))
		end.Taken, end.Digest, end.Error = &taken, digest, describe(overLimit(err, string(r.Hash.Path), snapshot.ErrSource))
	case r.Check != nil:
		err := check.File(ctx, string(r.Check.Path), string(r.Check.Name), r.Check.Level)
		end.Error = describe(overLimit(err, string(r.Check.Name), snapshot.ErrSource))
	case r.Drill != nil:
		found, err := untrusted.InProcess{}.Check(ctx, string(r.Drill.Path), r.Drill.Level)
		end.ForeignKeys, end.Error = found, describe(overLimit(err, restored, untrusted.ErrCheck))
	case r.Inside != nil:
		end.Error = describe(s.inside(ctx, *r.Inside))
	case r.Ask != nil:
		answer, err := ask(ctx, *r.Ask)
		end.Answer, end.Error = &answer, describe(err)
	}
	s.mu.Lock()
	s.cancel = nil
	s.mu.Unlock()
	s.send(end)
}

func (s *server) take(ctx context.Context, r takeRequest) (snapshot.Taken, error) {
	return snapshot.TakeInto(ctx, string(r.Path), s.options(r))
}

func (s *server) read(ctx context.Context, r readRequest) (snapshot.Taken, string, error) {
	base := snapshot.Base{Reference: r.Base.Reference, PageSize: r.Base.PageSize, PageCount: r.Base.PageCount}
	return snapshot.ReadInto(ctx, string(r.Path), base, snapshot.ReadOptions{
		CopyOptions: s.options(r.takeRequest), Check: r.Check, Known: r.Known,
		Checking: func() { s.send(reply{Checking: true}) },
	})
}

func (s *server) options(r takeRequest) snapshot.CopyOptions {
	return snapshot.CopyOptions{
		TempDir: string(r.Dir), Method: r.Method, MaxRate: r.MaxRate, Wait: r.Wait,
		Progress: func(done, total int64) { s.send(reply{Progress: &[2]int64{done, total}}) },
		Log:      slog.New(&logger{send: s.send}),
	}
}

// ask answers a query. That it needs too much memory is its answer.
func ask(ctx context.Context, r askRequest) (untrusted.QueryResult, error) {
	answer, err := untrusted.InProcess{}.Ask(ctx, string(r.Path), string(r.Query), r.Limit)
	if isOutOfMemory(err) {
		answer.Answer, err = "it "+tooMuchMemory, nil
	}
	return answer, err
}

var tooMuchMemory = fmt.Sprintf("needs more memory than a worker may use (%d MiB)", heapLimit>>20)

func isOutOfMemory(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code == sqlite3.ErrNomem
}

// overLimit returns an error that names the worker's memory limit, if SQLite ran
// into that, and else err itself. The limit is the database's fault: the error wraps
// reason.
func overLimit(err error, name string, reason error) error {
	if isOutOfMemory(err) {
		return &failed{fmt.Sprintf("%s %s: %v", name, tooMuchMemory, err), []error{reason}}
	}
	return err
}

// A logger sends what is logged to the program.
type logger struct {
	send       func(reply)
	attributes [][2][]byte
}

// Enabled implements slog.Handler: the program decides.
func (l *logger) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (l *logger) Handle(_ context.Context, r slog.Record) error {
	line := &logLine{Level: r.Level, Text: []byte(r.Message), Attributes: l.attributes}
	r.Attrs(func(a slog.Attr) bool {
		line.Attributes = append(line.Attributes, flat(a))
		return true
	})
	l.send(reply{Log: line})
	return nil
}

// WithAttrs implements slog.Handler.
func (l *logger) WithAttrs(more []slog.Attr) slog.Handler {
	all := append([][2][]byte{}, l.attributes...)
	for _, a := range more {
		all = append(all, flat(a))
	}
	return &logger{l.send, all}
}

// WithGroup implements slog.Handler. Package snapshot uses none.
func (l *logger) WithGroup(string) slog.Handler { return l }

func flat(a slog.Attr) [2][]byte { return [2][]byte{[]byte(a.Key), []byte(a.Value.String())} }
