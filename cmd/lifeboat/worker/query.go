package worker

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/query"
	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
)

// taskQuery runs one statement. Its request is a queryRequest in JSON.
const taskQuery = "query"

func init() { tasks[taskQuery] = runQuery }

// A queryRequest is a query.Request. Texts are bytes, because a JSON string is UTF-8.
type queryRequest struct {
	SQL        []byte
	Parameters [][2][]byte
	MaxRows    int64
}

// The first byte of a message says what follows.
const (
	messageColumns = 'c' // their names, as one row
	messageRows    = 'r'
	messageMore    = 'm' // nothing: there are more rows than were asked for
	messageWrong   = 'w' // a query.Error, as a row
)

// Query runs a statement on the only source, and gives its answer to sink, as query.Run
// does. The worker is not trusted with the number of rows, nor with their form.
func (i Inside) Query(ctx context.Context, r query.Request, sink query.Sink) (more bool, err error) {
	q := queryRequest{SQL: []byte(r.SQL), MaxRows: r.MaxRows}
	for _, p := range r.Parameters {
		q.Parameters = append(q.Parameters, [2][]byte{[]byte(p.Name), []byte(p.Text)})
	}
	text, err := json.Marshal(q)
	if err != nil {
		return false, err
	}
	a := &answer{sink: sink, most: r.MaxRows}
	err = i.Run(ctx, taskQuery, text, a.receive)
	if a.wrong != nil {
		err = a.wrong
	}
	return a.more, err
}

// An answer is what comes of a query, in the program.
type answer struct {
	sink  query.Sink
	row   []driver.Value // nil before the columns have come
	rows  int64          // that have come
	most  int64          // that may come, 0: any number
	more  bool
	wrong *query.Error
}

var errMessage = errors.New("invalid message of a worker")

func (a *answer) receive(message []byte) error {
	switch kind, rest := message[0], message[1:]; {
	case kind == messageColumns && a.row == nil:
		return a.columns(rest)
	case kind == messageRows && a.row != nil:
		return a.receiveRows(rest)
	case kind == messageMore:
		a.more = true
	case kind == messageWrong:
		row := make([]driver.Value, 2)
		if _, err := decodeRow(rest, row); err != nil {
			return err
		}
		a.wrong = &query.Error{Message: fmt.Sprint(row[0]), Hint: fmt.Sprint(row[1])}
	default:
		return errMessage
	}
	return nil
}

func (a *answer) columns(rest []byte) error {
	var names []string
	for len(rest) > 0 {
		value, size, err := decode(rest)
		name, isText := value.(string)
		if err != nil || !isText {
			return errMessage
		}
		names, rest = append(names, name), rest[size:]
	}
	if len(names) == 0 {
		return errMessage
	}
	a.row = make([]driver.Value, len(names))
	return a.sink.Columns(names)
}

func (a *answer) receiveRows(rest []byte) (err error) {
	for len(rest) > 0 {
		if rest, err = decodeRow(rest, a.row); err != nil {
			return err
		}
		if a.rows++; a.most > 0 && a.rows > a.most {
			return errMessage
		}
		if err := a.sink.Row(a.row); err != nil {
			return err
		}
	}
	return nil
}

// runQuery is the task, in the worker.
func runQuery(ctx context.Context, databases []*untrusted.Conn, request []byte, send func([]byte) error) error {
	var q queryRequest
	if err := json.Unmarshal(request, &q); err != nil {
		return err
	}
	r := query.Request{SQL: string(q.SQL), MaxRows: q.MaxRows}
	for _, p := range q.Parameters {
		r.Parameters = append(r.Parameters, query.Parameter{Name: string(p[0]), Text: string(p[1])})
	}
	rows := &rowSender{send: send}
	more, err := query.Run(ctx, databases[0].Conn, r, rows)
	if err := rows.flush(); err != nil {
		return err
	}
	var wrong *query.Error
	if errors.As(err, &wrong) && databases[0].Cause() == nil {
		return send(encodeRow([]byte{messageWrong}, []driver.Value{wrong.Message, wrong.Hint}))
	}
	if err == nil && more {
		return send([]byte{messageMore})
	}
	return err
}

// A rowSender sends rows together, for a while: a message for each takes time.
type rowSender struct {
	send   func([]byte) error
	buf    []byte
	latest time.Time
}

const (
	// rowsTogether is when a message is full, in bytes.
	rowsTogether = 64 << 10
	// rowsWait is how long a row waits for others.
	rowsWait = 50 * time.Millisecond
)

// Columns implements query.Sink.
func (s *rowSender) Columns(names []string) error {
	row := make([]driver.Value, len(names))
	for i, name := range names {
		row[i] = name
	}
	s.latest = time.Now()
	return s.send(encodeRow([]byte{messageColumns}, row))
}

// Row implements query.Sink.
func (s *rowSender) Row(values []driver.Value) error {
	if len(s.buf) == 0 {
		s.buf = append(s.buf, messageRows)
	}
	before := len(s.buf)
	s.buf = encodeRow(s.buf, values)
	if size := len(s.buf) - before + 1; size > MaxMessage {
		s.buf = s.buf[:before]
		return &query.Error{Message: fmt.Sprintf("a row of %d MiB is too large: %d MiB are the limit", size>>20, MaxMessage>>20), Hint: "substr() of a long value returns a part of it"}
	}
	if len(s.buf) > MaxMessage { // with those before it
		last := append([]byte{messageRows}, s.buf[before:]...)
		s.buf = s.buf[:before]
		if err := s.flush(); err != nil {
			return err
		}
		s.buf = last
	}
	if len(s.buf) < rowsTogether && time.Since(s.latest) < rowsWait {
		return nil
	}
	return s.flush()
}

func (s *rowSender) flush() error {
	if len(s.buf) <= 1 {
		return nil
	}
	err := s.send(s.buf)
	s.buf, s.latest = s.buf[:0], time.Now()
	return err
}
