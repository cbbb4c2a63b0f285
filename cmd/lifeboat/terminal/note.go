package terminal

import (
	"math"
	"strings"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// note shows a text below the bars, in place of the one before; "" takes it away. It
// does nothing without bars.
func (b *Bars) note(text string) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone || text == "" && len(b.noted) == 0 {
		return
	}
	var lines []string
	if text != "" {
		// A line as wide as the terminal would wrap on some.
		lines = strings.Split(Fit(text, Width(b.tty)-1), "\n")
	}
	b.begin()
	b.lines.Store(&lines)
	for i := len(b.noted); i < len(lines); i++ {
		bar, err := b.progress.Add(0, nil, mpb.BarFillerTrim(), mpb.BarPriority(math.MaxInt32+i), mpb.PrependDecorators(decor.Any(func(decor.Statistics) string {
			if shown := *b.lines.Load(); i < len(shown) {
				return shown[i]
			}
			return ""
		})))
		if err != nil {
			b.gone = true
			return
		}
		b.noted = append(b.noted, bar)
	}
	b.leaveLines(len(lines))
}

// leaveLines takes the lines of the note away, but for the first n.
func (b *Bars) leaveLines(n int) {
	for _, bar := range b.noted[min(n, len(b.noted)):] {
		bar.Abort(true)
	}
	b.noted = b.noted[:min(n, len(b.noted))]
}
