package reports

import (
	"cmp"
	"context"
	"log/slog"
	"strconv"
	"time"
)

// pingTimeout is that of the first notice, for which the run waits only at its end.
const pingTimeout = 10 * time.Second

// A ping sends the notices of one run in the way of healthchecks.io
// (https://healthchecks.io/docs/http_api/): a POST to URL/start, then one to URL for
// success or to URL/<exit code> for failure, with what happened as its body. Without a
// URL it does nothing. Its failures are warnings.
type ping struct {
	sender
	url URL
	// started is closed when the first notice is out of the way, so that the
	// second is not overtaken by it.
	started chan struct{}
}

// startPing sends the notice of a start, and does not wait for the answer. agent
// is the program's name and version.
func startPing(ctx context.Context, to URL, agent string, log *slog.Logger) *ping {
	p := &ping{sender{agent, log}, to, make(chan struct{})}
	if to.isZero() {
		close(p.started)
		return p
	}
	go func() {
		defer close(p.started)
		ctx, cancel := context.WithTimeout(ctx, pingTimeout)
		defer cancel()
		p.tell(ctx, "start", "")
	}()
	return p
}

// end sends the notice of a run's exit code, within the time.
func (p *ping) end(ctx context.Context, within time.Duration, exit int, body string) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	<-p.started // soon: it has its own deadline, and ends with the run's context
	if p.url.isZero() {
		return
	}
	how := ""
	if exit != 0 {
		how = strconv.Itoa(exit)
	}
	p.tell(ctx, how, body)
}

func (p *ping) tell(ctx context.Context, how, body string) {
	to := p.url.to
	if how != "" {
		to = to.JoinPath(how)
	}
	p.send(ctx, "the notice of "+cmp.Or(how, "success"), to, "text/plain; charset=utf-8", body)
}
