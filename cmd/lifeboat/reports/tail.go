package reports

import (
	"bytes"
	"sync"
)

// tailBytes is how much of a log a notice has.
const tailBytes = 8 << 10

// A tail keeps the last lines that were written to it.
type tail struct {
	mu    sync.Mutex
	lines []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, p...)
	if over := len(t.lines) - tailBytes; over > 0 {
		end := bytes.IndexByte(t.lines[over:], '\n') // a line that was cut goes
		t.lines = append([]byte(nil), t.lines[over+max(end, 0)+1:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.lines)
}
