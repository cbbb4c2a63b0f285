package remote

import (
	"context"
	"iter"
	"log/slog"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

const (
	// What is needed now waits for none of those that are fetched ahead, and memory is
	// bounded by both: a frame takes up to 9 MiB while it is fetched.
	demandsAtOnce = 2
	aheadAtOnce   = 3
	fetchesAtOnce = demandsAtOnce + aheadAtOnce
)

// frames are the frames of a snapshot's chain: which of them are there, and which on
// their way. Each is fetched once.
type frames struct {
	ctx   context.Context
	pages *snapshot.PageReader
	meter *meter
	keep  func(off int64, pages []byte) error
	log   *slog.Logger

	demands, ahead chan struct{} // a slot for each fetch
	fetches        sync.WaitGroup

	mu     sync.Mutex
	closed bool
	rest   bool      // the rest is fetched, or will not be
	states [][]state // by archive and frame
	count  int       // frames that are there
	needed int       // frames that were needed
	useful int       // frames that have pages of the database; 0 is not known yet
	scans  scans
}

// A state is what is known of a frame.
type state struct {
	there, needed, useful bool
	flight                *flight // nil unless it is being fetched
}

// A flight is a fetch that is under way, or waits for a slot.
type flight struct {
	done   chan struct{}
	err    error         // valid when done
	wanted chan struct{} // closed when it is needed now, and waits no longer behind others that are not
	urgent bool          // wanted is closed
}

// hurry marks a flight as needed now. It is called with the lock.
func (f *flight) hurry() {
	if !f.urgent {
		f.urgent = true
		close(f.wanted)
	}
}

func newFrames(ctx context.Context, pages *snapshot.PageReader, m *meter, keep func(int64, []byte) error, log *slog.Logger) *frames {
	f := &frames{ctx: ctx, pages: pages, meter: m, keep: keep, log: log,
		demands: make(chan struct{}, demandsAtOnce), ahead: make(chan struct{}, aheadAtOnce)}
	for i := range pages.Archives() {
		f.states = append(f.states, make([]state, pages.Frames(i)))
	}
	return f
}

// close waits for all fetches, whose context must be done.
func (f *frames) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.fetches.Wait()
	f.pages.Close()
}

func (f *frames) at(p snapshot.Place) *state { return &f.states[p.Archive][p.Frame] }

// need returns when the pages from first to last are in the file.
func (f *frames) need(first, last int) error {
	var before snapshot.Place
	known := false
	for page := first; page <= last; page++ {
		p, found := f.pages.Find(page)
		if !found || known && p == before {
			continue
		}
		before, known = p, true
		if err := f.needFrame(p); err != nil {
			return err
		}
	}
	return f.ctx.Err()
}

func (f *frames) needFrame(p snapshot.Place) error {
	f.mu.Lock()
	s := f.at(p)
	first := !s.needed
	s.needed = true
	if s.there && !first {
		f.mu.Unlock()
		return nil
	}
	var flying *flight
	if !s.there {
		flying = f.start(p)
		flying.hurry()
	}
	if first {
		f.needed++
		f.readAhead(p, f.scans.note(p))
		f.fetchRest()
	}
	f.mu.Unlock()
	return f.wait(f.ctx, flying)
}

// readAhead starts to fetch the frames behind p, as far as they are some.
func (f *frames) readAhead(p snapshot.Place, window int) {
	left := f.meter.left()
	for range window {
		p.Frame++
		if p.Frame >= f.pages.Frames(p.Archive) {
			return
		}
		if f.findUseful(); f.at(p).there || !f.at(p).useful {
			continue
		}
		if left -= int64(f.pages.Size(p)); left < 0 {
			return
		}
		f.start(p)
	}
}

// fetchRest starts to fetch all that is missing, once three quarters of the frames have
// been needed one by one: what needs so many needs nearly all.
func (f *frames) fetchRest() {
	const fewest = 16
	if f.needed < fewest || f.rest {
		return
	}
	if f.findUseful(); f.needed < f.useful*3/4 {
		return
	}
	f.rest = true
	missing, size := f.missing(), int64(0)
	for _, p := range missing {
		size += int64(f.pages.Size(p))
	}
	if len(missing) == 0 || size > f.meter.left() || f.closed {
		return
	}
	f.log.Info("most of the snapshot is needed, so the rest is fetched, too", "bytes", size)
	f.fetches.Go(func() {
		_ = f.fetchAll(f.ctx, missing) // what is needed and could not be fetched, is tried again
	})
}

// findUseful finds out which frames have pages of the database: not those whose pages
// have all been replaced by differentials, or cut off.
func (f *frames) findUseful() {
	if f.useful > 0 {
		return
	}
	for page := 1; page <= f.pages.Pages(); page++ {
		if p, found := f.pages.Find(page); found && !f.at(p).useful {
			f.at(p).useful = true
			f.useful++
		}
	}
}

// start starts to fetch a frame ahead, unless that is under way. It is called with the
// lock.
func (f *frames) start(p snapshot.Place) *flight {
	s := f.at(p)
	if s.flight != nil {
		return s.flight
	}
	s.flight = &flight{done: make(chan struct{}), wanted: make(chan struct{})}
	if f.closed {
		s.flight.err = context.Canceled
		close(s.flight.done)
		return s.flight
	}
	flying := s.flight
	f.fetches.Go(func() { f.fetch(p, flying) })
	return flying
}

func (f *frames) fetch(p snapshot.Place, flying *flight) {
	slots, err := f.takeSlot(flying.wanted)
	if err == nil {
		if err = f.ctx.Err(); err == nil {
			err = f.pages.Read(p, f.keep)
		}
		<-slots
	}
	flying.err = err
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.at(p)
	s.flight = nil // one that failed is tried again when it is needed
	if flying.err == nil {
		s.there = true
		f.count++
	}
	close(flying.done)
}

// takeSlot waits until a fetch may begin: for one of the slots ahead, and from when it
// is wanted for one of those on demand instead. The slot must be given back.
func (f *frames) takeSlot(wanted <-chan struct{}) (slots chan struct{}, err error) {
	select {
	case <-wanted: // select chooses at random
	default:
		select {
		case f.ahead <- struct{}{}:
			return f.ahead, nil
		case <-wanted:
		case <-f.ctx.Done():
			return nil, f.ctx.Err()
		}
	}
	select {
	case f.demands <- struct{}{}:
		return f.demands, nil
	case <-f.ctx.Done():
		return nil, f.ctx.Err()
	}
}

// wait waits for a flight; nil has arrived.
func (f *frames) wait(ctx context.Context, flying *flight) error {
	if flying == nil {
		return nil
	}
	select {
	case <-flying.done:
		return flying.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// there returns how many of the pages from first to last are in the file, without a gap.
func (f *frames) there(first, last int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for page := first; page <= last; page++ {
		if p, found := f.pages.Find(page); found && !f.at(p).there {
			return page - first
		}
	}
	return last - first + 1
}

func (f *frames) fetched() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// of returns the frames of pages, each once.
func (f *frames) of(pages iter.Seq[int]) []snapshot.Place {
	var places []snapshot.Place
	seen := map[snapshot.Place]bool{}
	for page := range pages {
		if p, found := f.pages.Find(page); found && !seen[p] {
			seen[p] = true
			places = append(places, p)
		}
	}
	return places
}

// missing returns the useful frames that are not there. It is called with the lock.
func (f *frames) missing() []snapshot.Place {
	f.findUseful()
	var places []snapshot.Place
	for i := range f.states {
		for j, s := range f.states[i] {
			if s.useful && !s.there {
				places = append(places, snapshot.Place{Archive: i, Frame: j})
			}
		}
	}
	return places
}

// all returns missing.
func (f *frames) all() []snapshot.Place {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.missing()
}

// fetchAll fetches frames that are not there.
func (f *frames) fetchAll(ctx context.Context, places []snapshot.Place) error {
	group, all := errgroup.WithContext(ctx)
	group.SetLimit(aheadAtOnce)
	for _, p := range places {
		group.Go(func() error {
			if all.Err() != nil {
				return all.Err()
			}
			f.mu.Lock()
			var flying *flight
			if !f.at(p).there {
				flying = f.start(p)
			}
			f.mu.Unlock()
			return f.wait(all, flying)
		})
	}
	return group.Wait()
}
