package worker

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/extract"
	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// A request asks a worker for one thing. Paths and texts are bytes, because
// names need not be UTF-8, which a JSON string is.
type request struct {
	Take   *takeRequest   `json:",omitempty"`
	Read   *readRequest   `json:",omitempty"`
	Hash   *takeRequest   `json:",omitempty"`
	Check  *checkRequest  `json:",omitempty"`
	Drill  *drillRequest  `json:",omitempty"`
	Ask    *askRequest    `json:",omitempty"`
	Inside *insideRequest `json:",omitempty"`
	Cancel bool           `json:",omitempty"` // what was asked for before
}

type takeRequest struct {
	Path    []byte
	Dir     []byte // where the copy goes, if there is one
	Method  snapshot.Method
	MaxRate int64
	Wait    time.Duration
}

// A readRequest is for snapshot.ReadInto. The page digests of Base are in Dir.
type readRequest struct {
	takeRequest
	Base  baseRequest
	Check snapshot.CheckLevel
	Known string
}

type baseRequest struct {
	snapshot.Reference
	PageSize, PageCount int
}

type checkRequest struct {
	Path  []byte // of the copy
	Name  []byte // for messages
	Level snapshot.CheckLevel
}

// A drillRequest is for untrusted.Examiner's Check.
type drillRequest struct {
	Path  []byte
	Level snapshot.CheckLevel
}

// An askRequest is for untrusted.Examiner's Ask.
type askRequest struct {
	Path, Query []byte
	Limit       time.Duration
}

// A reply is progress, a log line, or the end of what was asked for.
type reply struct {
	Progress    *[2]int64              `json:",omitempty"` // bytes done and to do
	Log         *logLine               `json:",omitempty"`
	End         bool                   `json:",omitempty"`
	Checking    bool                   `json:",omitempty"` // a check begins, within a read
	Taken       *snapshot.Taken        `json:",omitempty"`
	Digest      string                 `json:",omitempty"` // of a database that was read
	ForeignKeys *untrusted.ForeignKeys `json:",omitempty"`
	Answer      *untrusted.QueryResult `json:",omitempty"`
	Message     int                    `json:",omitempty"` // of a task: so many bytes follow the line
	Error       *failure               `json:",omitempty"`

	message []byte
}

// maxLine is the largest reply, in bytes: a worker is not trusted.
const maxLine = 1 << 20

type logLine struct {
	Level      slog.Level
	Text       []byte
	Attributes [][2][]byte // keys and values
}

// A failure is an error on its way to the program.
type failure struct {
	Text    []byte
	Reasons []string // the texts of those among reasons that it wraps
	Base    *string  `json:",omitempty"` // the reason of a snapshot.BaseError
}

// reasons are the errors that keep their identity on the way.
var reasons = []error{
	snapshot.ErrSource, snapshot.ErrCutShort, snapshot.ErrUncheckable, snapshot.ErrCannotVacuum, snapshot.ErrLocked, snapshot.ErrNoRoom, snapshot.ErrTempDir,
	snapshot.ErrDamaged, snapshot.ErrNewerFormat, untrusted.ErrCheck, ErrLimit,
	extract.ErrRequest, extract.ErrMissing, extract.ErrStatement,
	fs.ErrPermission, fs.ErrNotExist, context.Canceled, context.DeadlineExceeded,
}

func describe(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{Text: []byte(err.Error())}
	for _, r := range reasons {
		if errors.Is(err, r) {
			f.Reasons = append(f.Reasons, r.Error())
		}
	}
	var base *snapshot.BaseError
	if errors.As(err, &base) {
		f.Base = &base.Reason
	}
	return f
}

// A failed is a failure as an error again.
type failed struct {
	text    string
	reasons []error
}

func (f *failed) Error() string   { return f.text }
func (f *failed) Unwrap() []error { return f.reasons }

func (f *failure) err() error {
	if f == nil {
		return nil
	}
	e := &failed{text: string(f.Text)}
	for _, r := range reasons {
		for _, name := range f.Reasons {
			if name == r.Error() {
				e.reasons = append(e.reasons, r)
			}
		}
	}
	if f.Base != nil {
		e.reasons = append(e.reasons, &snapshot.BaseError{Reason: *f.Base})
	}
	return e
}
