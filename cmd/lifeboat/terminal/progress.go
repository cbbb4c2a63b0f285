package terminal

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/cupwriter"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// Bars are progress bars on a terminal. Lines written to them appear above the
// bars. They exist from the first call of Set to End.
type Bars struct {
	tty *os.File

	mu       sync.Mutex
	progress *mpb.Progress     // nil if there are none
	cursor   *cupwriter.Writer // what it writes to
	parts    map[string]*part
	gone     bool                     // the terminal has hung up, and no bar can be drawn
	noted    []*mpb.Bar               // the lines of the note, below the bars
	lines    atomic.Pointer[[]string] // what they show
}

// A part is the part of the work that a bar stands for.
type part struct {
	bar   *mpb.Bar
	began time.Time
	took  atomic.Int64 // nanoseconds until it was done, 0: it is not
}

// NewBars returns progress bars on a terminal that can show them.
func NewBars(tty *os.File) *Bars { return &Bars{tty: tty} }

// CanShowBars reports whether f is a terminal that can move its cursor and has a
// size.
func CanShowBars(f *os.File) bool {
	if kind := os.Getenv("TERM"); kind == "" || kind == "dumb" {
		return false
	}
	width, height, err := term.GetSize(int(f.Fd()))
	return err == nil && width > 0 && height > 0
}

// Set shows how much of a part is done, in bytes. A total of 0 is one that is not
// known.
func (b *Bars) Set(name string, done, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return
	}
	b.begin()
	p := b.parts[name]
	if p == nil {
		if p = b.add(name); p == nil {
			b.gone = true
			return
		}
		b.parts[name] = p
	}
	if done < total || total == 0 {
		p.took.Store(0) // also of a copy that begins anew
	} else {
		p.took.CompareAndSwap(0, int64(max(time.Since(p.began), 1)))
	}
	p.bar.SetTotal(total, false)
	p.bar.SetCurrent(done)
}

// begin draws, if there are no bars yet.
func (b *Bars) begin() {
	if b.progress != nil {
		return
	}
	b.cursor = cupwriter.New(fromFirstColumn{b.tty}, false)
	b.cursor.SetTermFd(int(b.tty.Fd()))
	b.progress, b.parts = mpb.New(mpb.WithConsoleWriter(b.cursor), mpb.WithAutoRefresh()), map[string]*part{}
}

// add draws the bar of a part. It returns nil if an earlier one could not be
// drawn, because the terminal has hung up: then mpb takes no more.
func (b *Bars) add(name string) *part {
	p := &part{began: time.Now()}
	bar, err := b.progress.Add(0, mpb.BarStyle().Build(), mpb.BarWidth(30), mpb.BarFillerMiddleware(unlessNarrow),
		mpb.PrependDecorators(decor.Any(func(s decor.Statistics) string { return heading(name, s.Current, s.Total) })),
		mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string {
			return status(s.Current, s.Total, time.Since(p.began), time.Duration(p.took.Load()), s.AvailableWidth)
		})))
	if err != nil {
		return nil
	}
	p.bar = bar
	return p
}

// heading returns what stands at the left of every bar. A total of 0 is one
// that is not known.
func heading(name string, done, total int64) string {
	if total == 0 {
		return fmt.Sprintf("%-12s", name)
	}
	return fmt.Sprintf("%-8s%3.0f%%", name, 100*float64(done)/float64(total))
}

// status returns what stands right of a bar: as much as there is room for, the
// time that remains above all. took is 0 until everything is done.
func status(done, total int64, since, took time.Duration, room int) string {
	var sizes, rate, wait string
	switch {
	case total == 0:
		wait = Clock(since) + " so far"
	case took > 0:
		since, wait = took, "in "+Clock(took)
	case done > 0:
		wait = Clock(time.Duration(float64(since)*float64(total-done)/float64(done))) + " left"
	}
	if total > 0 {
		sizes = fmt.Sprintf("%s of %s", Size(done), Size(total))
	}
	// A bar begins with its first bytes, which may be the last: no rate, then.
	if total > 0 && (took == 0 || took >= 100*time.Millisecond) {
		rate = Size(int64(float64(done)/max(since, time.Millisecond).Seconds())) + "/s"
	}
	for _, text := range []string{
		fmt.Sprintf("%20s  %10s  %11s", sizes, rate, wait),
		fmt.Sprintf("%10s  %11s", rate, wait),
		fmt.Sprintf("%11s", wait),
	} {
		if len(text)+3 <= room { // a space on both sides of the bar, and one at the edge
			return text
		}
	}
	return ""
}

// unlessNarrow leaves the bar itself out where it would be a few cells wide.
func unlessNarrow(bar mpb.BarFiller) mpb.BarFiller {
	return mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error {
		if s.AvailableWidth < 12 {
			return nil
		}
		return bar.Fill(w, s)
	})
}

// fromFirstColumn returns the cursor to the first column before every write: a
// terminal echoes an interrupt as ^C, and bars would be drawn beside it.
type fromFirstColumn struct{ io.Writer }

func (f fromFirstColumn) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(append([]byte("\r"), p...))
	return max(n-1, 0), err
}

// End takes the bars away.
func (b *Bars) End() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.progress == nil {
		return
	}
	for _, p := range b.parts {
		p.bar.Abort(true)
	}
	b.leaveLines(0)
	b.progress.Wait()
	b.progress = nil
	// Where no bar is left to be taken away, mpb does not draw any more, and keeps the
	// lines since it last did.
	if b.cursor.Len() > 0 {
		_ = b.cursor.Flush(0) // a terminal that has hung up shows nothing
	}
}

// Write implements io.Writer for log lines.
func (b *Bars) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.progress == nil {
		return b.tty.Write(p)
	}
	return b.progress.Write(p)
}
