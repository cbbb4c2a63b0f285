package worker

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
)

// A Pool starts workers as they are needed, at most so many at a time, and
// keeps them for the next database. It must be closed.
type Pool struct {
	log   *slog.Logger
	slots chan struct{} // one for each worker that is at work

	mu   sync.Mutex
	idle []*child
}

// NewPool returns a pool of at most size workers. None is started yet.
func NewPool(size int, log *slog.Logger) *Pool {
	return &Pool{log: log, slots: make(chan struct{}, size)}
}

// Close ends the idle workers. No copy may be open.
func (p *Pool) Close() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		err = errors.Join(err, c.end())
	}
	p.idle = nil
	return err
}

// ownIdentity returns the program's own.
func ownIdentity() identity { return identity{user: os.Geteuid(), group: os.Getegid()} }

// acquire returns a worker with an identity's rights: an idle one, or a new one.
func (p *Pool) acquire(ctx context.Context, who identity) (*child, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c, other := p.pick(who)
	if c != nil && c.alive() {
		return c, nil
	}
	for _, gone := range []*child{c, other} {
		if gone != nil {
			if err := gone.end(); err != nil {
				p.log.Debug("an idle worker did not end well", "error", err)
			}
		}
	}
	c, err := start(who)
	if err != nil {
		<-p.slots
		return nil, err
	}
	p.log.Debug("worker started", "pid", c.process.Process.Pid, "user", who.user)
	return c, nil
}

// Prepare starts a worker with the program's own rights, unless one is idle: it gets
// ready while the program does something else.
func (p *Pool) Prepare(ctx context.Context) error {
	c, err := p.acquire(ctx, ownIdentity())
	if err != nil {
		return err
	}
	p.takeBack(c)
	return nil
}

// pick takes an idle worker with the identity out of the pool. If there is none
// and the pool is full, it takes out another one, which has to go.
func (p *Pool) pick(who identity) (fit, other *child) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.idle, func(c *child) bool { return c.who == who })
	switch {
	case i >= 0:
		fit = p.idle[i]
		p.idle = slices.Delete(p.idle, i, i+1)
	case len(p.idle)+len(p.slots) > cap(p.slots) && len(p.idle) > 0:
		other = p.idle[0]
		p.idle = slices.Delete(p.idle, 0, 1)
	}
	return fit, other
}

// takeBack takes a worker back that has done its work.
func (p *Pool) takeBack(c *child) {
	p.mu.Lock()
	p.idle = append(p.idle, c)
	p.mu.Unlock()
	<-p.slots
}

// discard ends a worker that has failed: what is left in it must not meet the next
// database.
func (p *Pool) discard(c *child) error {
	err := c.end()
	p.log.Debug("worker ended", "pid", c.process.Process.Pid, "stderr", c.words)
	<-p.slots
	return err
}
