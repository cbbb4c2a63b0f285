package terminal

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// stepEvery is how often a part of the work that goes on is told of.
const stepEvery = 200 * time.Millisecond

// A Step is a line of progress for programs.
type Step struct {
	Time     time.Time `json:"time"`
	Progress string    `json:"progress"` // the part of the work, such as upload
	Done     int64     `json:"done"`     // bytes
	Total    int64     `json:"total"`    // bytes; 0 is not known
	Database string    `json:"database,omitempty"`
}

// Steps write progress as lines of JSON: when a part of the work begins, up to five times
// a second while it goes on, and when it is done.
type Steps struct {
	w        *stepWriter
	database string

	mu   sync.Mutex
	last map[string]Step // that was told of, by part
}

type stepWriter struct {
	mu sync.Mutex
	io.Writer
}

// NewSteps returns steps that are written to w.
func NewSteps(w io.Writer) *Steps {
	return &Steps{w: &stepWriter{Writer: w}, last: map[string]Step{}}
}

// Of returns the steps of one of several databases.
func (s *Steps) Of(database string) *Steps {
	return &Steps{w: s.w, database: ValidText(database), last: map[string]Step{}}
}

// Set notes how much of a part is done, in bytes, and tells of it if it is time.
func (s *Steps) Set(part string, done, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := Step{time.Now().UTC().Truncate(time.Millisecond), part, done, total, s.database}
	last, begun := s.last[part]
	complete := total > 0 && done >= total
	switch {
	case begun && complete && last.Done >= last.Total && last.Total > 0, begun && !complete && now.Time.Sub(last.Time) < stepEvery && done >= last.Done:
		return
	}
	s.last[part] = now
	s.w.write(now)
}

// write writes a line. One that cannot be written fails no command, as with a log.
func (w *stepWriter) write(s Step) {
	line, err := json.Marshal(s)
	if err != nil {
		return // a Step always has a line
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = io.WriteString(w.Writer, PrintableJSON(string(line)+"\n"))
}
