package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/answer"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/worker"
	"github.com/lifeboat-sqlite/lifeboat/restore/query"
	"github.com/lifeboat-sqlite/lifeboat/restore/remote"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A session asks an open snapshot one statement after the other.
type session struct {
	command  *queryCmd
	console  *console
	snapshot series.Snapshot
	database *remote.Database
	inside   worker.Inside
	out      *display
	writer   answer.Writer
	document *answer.JSON // the writer, with --json
	asking   string       // the statement that is being asked
	rows     int64
	began    time.Time
}

// newSession opens the snapshot. The session must be closed.
func (q *queryCmd) newSession(ctx context.Context, c *console, b bucket.Bucket, found series.Snapshot) (*session, error) {
	s := &session{command: q, console: c, snapshot: found, began: time.Now()}
	s.out = &display{console: c}
	var err error
	if s.database, err = q.openInside(ctx, c, b, found, s.out.progress); err != nil {
		return nil, err
	}
	s.inside = worker.Inside{
		Pool: c.workers, Names: []string{"snapshot " + string(found.ID)},
		Sources: []worker.Source{{ReaderAt: s.database, Size: s.database.Size()}}, Limit: q.limit(),
	}
	if !q.JSON {
		s.writer = q.writer(c, s.out)
		return s, nil
	}
	*c.documented = true
	s.document, err = answer.NewJSON(s.out, queryHead{q.URL.String(), describeSnapshot(found)}, func() string { return s.asking })
	if err != nil {
		return nil, errors.Join(err, s.database.Close())
	}
	s.writer = s.document
	return s, nil
}

// ask prints the answers to all statements, up to the first that has none.
func (s *session) ask(ctx context.Context, statements []query.Statement) error {
	for i, statement := range statements {
		if err := s.one(ctx, statement.SQL, s.command.used(statement)); err != nil {
			what := ""
			if len(statements) > 1 {
				what = fmt.Sprintf(" statement %d", i+1)
			}
			return s.explained(fmt.Errorf("query%s: %w", what, err))
		}
	}
	return nil
}

// one prints the answer to one statement, as far as it comes.
func (s *session) one(ctx context.Context, sql string, parameters []query.Parameter) error {
	s.asking = sql
	most := s.command.maxRows(s.console)
	sink := &started{Writer: s.writer}
	more, err := s.inside.Query(ctx, query.Request{SQL: sql, Parameters: parameters, MaxRows: most}, sink)
	s.rows += sink.rows
	if sink.begun && !errors.Is(err, errNotPrinted) {
		err = errors.Join(err, sink.End())
	}
	if err == nil && more {
		err = tooMany(most)
	}
	return err
}

// explained adds the hint of a statement that is wrong.
func (s *session) explained(err error) error {
	var wrong *query.Error
	if errors.As(err, &wrong) && wrong.Hint != "" {
		return &hinted{err, terminal.Printable(wrong.Hint)}
	}
	return err
}

// close ends the document and prints the closing line. failure is why the session ends,
// nil if all was answered.
func (s *session) close(failure error) error {
	fetched, took := s.database.Fetched().Bytes, time.Since(s.began)
	err := s.database.Close()
	s.console.endProgress()
	if s.document != nil && !errors.Is(failure, errNotPrinted) {
		tail := queryTail{Rows: s.rows, Fetched: fetched, Seconds: took.Seconds()}
		if failure != nil {
			tail.Error = new(describeError(failure))
		}
		err = errors.Join(err, s.document.Close(tail))
	}
	if failure == nil && !s.console.Quiet && term.IsTerminal(int(s.console.stderr.Fd())) {
		line := closingLine(string(s.snapshot.ID), s.snapshot.ID.Time(), s.rows, fetched, took)
		_, _ = io.WriteString(s.console.stderr, terminal.Fit(line, terminal.Width(s.console.stderr)))
	}
	return err
}

// A started is a writer that knows whether its answer has begun.
type started struct {
	answer.Writer
	begun bool
	rows  int64
}

// Columns implements query.Sink.
func (s *started) Columns(names []string) error {
	s.begun = true
	return s.Writer.Columns(names)
}

// Row implements query.Sink.
func (s *started) Row(values []driver.Value) error {
	s.rows++
	return s.Writer.Row(values)
}

// A display is stdout. No progress bar is on the terminal while something is written.
type display struct {
	console *console
	mu      sync.Mutex
}

// Write implements io.Writer.
func (d *display) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.console.endProgress()
	if err := d.console.print(string(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// progress shows how much is fetched of all that could be.
func (d *display) progress(fetched, total int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.console.progress("fetch")(fetched, total)
}
