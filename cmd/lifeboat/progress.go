package main

import (
	"io"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bars are progress bars on a terminal. Lines written to them appear above the
// bars. They exist from the first call of set to end.
type bars struct {
	w io.Writer

	mu       sync.Mutex
	progress *mpb.Progress // nil if there are none
	parts    map[string]*mpb.Bar
}

func (b *bars) set(part string, done, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.progress == nil {
		b.progress = mpb.New(mpb.WithOutput(b.w), mpb.WithWidth(72))
		b.parts = map[string]*mpb.Bar{}
	}
	bar := b.parts[part]
	if bar == nil {
		bar = b.progress.AddBar(0,
			mpb.PrependDecorators(decor.Name(part, decor.WC{W: 8, C: decor.DindentRight}), decor.Percentage(decor.WC{W: 5})),
			mpb.AppendDecorators(decor.CountersKibiByte("% .0f of % .0f", decor.WCSyncSpace), decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace)))
		b.parts[part] = bar
	}
	bar.SetTotal(total, false)
	bar.SetCurrent(done)
}

// end takes the bars away.
func (b *bars) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.progress == nil {
		return
	}
	for _, bar := range b.parts {
		bar.Abort(true)
	}
	b.progress.Wait()
	b.progress = nil
}

// Write implements io.Writer for log lines.
func (b *bars) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.progress == nil {
		return b.w.Write(p)
	}
	return b.progress.Write(p)
}
