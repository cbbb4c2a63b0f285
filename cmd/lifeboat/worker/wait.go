package worker

import (
	"errors"
	"sync"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// A bound is how long a worker may take to answer.
type bound struct {
	time time.Duration
	// whole is for all of a call whose time counts anew with each progress, or 0.
	whole time.Duration
	// check is for a check within the call, which makes no progress.
	check time.Duration
	// pausing: the time that the program takes for a reply does not count.
	pausing bool
}

// forEver is ten years, which a Duration can hold many times.
const forEver = 10 * 365 * 24 * time.Hour

// slack is how much longer than its time without progress a copy may take in
// all. Copying may begin anew a few times.
const slack = 20

// copyBound returns the bound of a copy of so many bytes. Before the first
// progress SQLite may have to read all of a WAL or journal, and a database that
// is written as one statement makes no progress that can be relied on.
func copyBound(size int64, limit time.Duration, o snapshot.CopyOptions) bound {
	b := bound{time: o.Wait + max(limit, DefaultCheckLimit(size, snapshot.CheckQuick))}
	if o.Method == snapshot.MethodVacuum {
		return b
	}
	b.whole = slack * b.time
	if o.MaxRate > 0 {
		seconds := min(slack*float64(size)/float64(o.MaxRate), forEver.Seconds())
		b.whole += time.Duration(seconds * float64(time.Second))
	}
	return b
}

// readBound is copyBound for a read, which includes the check.
func readBound(size int64, limit time.Duration, o snapshot.ReadOptions) bound {
	b := copyBound(size, limit, o.CopyOptions)
	if b.check = limit; limit == 0 {
		b.check = DefaultCheckLimit(size, o.Check)
	}
	return b
}

// maxLogLines bounds what one call logs: a copy that is sound logs a few lines.
const maxLogLines = 100

// A wait is the time that a call has left. A worker under a database's control
// may say anything at any time, and must not get more time for it.
type wait struct {
	child *child
	bound
	end   time.Time     // of the whole call
	limit time.Duration // the one that comes first
	until time.Time     // when that is over
	done  int64         // of the last progress

	mu        sync.Mutex
	cancelled bool
}

// answer returns the reply that ends a call, and hands on the others.
func (w *wait) answer(note func(reply)) (reply, error) {
	if err := w.renew(w.time); err != nil {
		return reply{}, err
	}
	for logged := 0; ; {
		r, err := w.child.read()
		if err != nil || r.End {
			return r, err
		}
		if r.Log != nil {
			logged++
		}
		if logged > maxLogLines {
			return reply{}, errors.New("log lines without end")
		}
		began := time.Now()
		note(r)
		if w.pausing {
			if err := w.extend(time.Since(began)); err != nil {
				return reply{}, err
			}
			continue
		}
		if r.Checking && w.check > 0 {
			err = w.renew(w.check)
		} else {
			err = w.progress(r.Progress)
		}
		if err != nil {
			return reply{}, err
		}
	}
}

// progress counts the time anew if the worker has done more than it had before.
// A copy that begins anew has done less.
func (w *wait) progress(p *[2]int64) error {
	if p == nil || w.whole == 0 {
		return nil
	}
	more := p[0] > w.done
	w.done = p[0]
	if !more {
		return nil
	}
	return w.renew(w.time)
}

// extend puts off the end by the time that the worker has waited.
func (w *wait) extend(waited time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancelled {
		return nil
	}
	w.until = w.until.Add(waited)
	return w.child.out.SetReadDeadline(w.until)
}

// renew lets the worker take that much longer, within the time for the whole call.
func (w *wait) renew(more time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancelled {
		return nil
	}
	w.limit = more
	until := time.Now().Add(more)
	if w.whole > 0 && until.After(w.end) {
		w.limit, until = w.whole, w.end
	}
	w.until = until
	return w.child.out.SetReadDeadline(until)
}

// cancel has the worker end what it does, within the grace.
func (w *wait) cancel() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancelled = true
	// What fails here, reading sees.
	_ = w.child.send(request{Cancel: true})
	_ = w.child.out.SetReadDeadline(time.Now().Add(grace))
}
