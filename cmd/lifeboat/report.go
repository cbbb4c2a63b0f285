package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// reportFlags are where a run reports how it went.
type reportFlags struct {
	metricsFlags
	PingURL httpURL `name:"ping-url" placeholder:"URL" group:"Reports" help:"Send notices as healthchecks.io takes them. The URL is a secret: better set LIFEBOAT_PING_URL."`
}

// The report of a run, metrics first and then the notice, takes at most
// reportWithin. After a signal the time until the kill is running: then it takes
// reportAfterSignal.
const (
	reportWithin      = 10 * time.Second
	reportAfterSignal = 5 * time.Second
)

// A runReport is the report of one run of a verb.
type runReport struct {
	verb     string // such as backup
	database string // its name in the series, "" where the verb does not know it
	url      string // the bucket URL

	began, ended time.Time
	exit         int
	// succeeded: the main thing was done, whatever the exit code means beside
	// it.
	succeeded bool
	measured  []measure

	to   *reportFlags // nil: nowhere
	c    *console
	log  *tail
	ping *ping
}

// add adds what a run has measured.
func (r *runReport) add(m ...measure) { r.measured = append(r.measured, m...) }

// start starts the report of a run, which logs to the console that is returned:
// the notice has the end of its log. The caller defers end.
func (f *reportFlags) start(ctx context.Context, c *console, r runReport) (*runReport, *console, error) {
	if err := errors.Join(f.Pushgateway.check("--pushgateway"), f.PingURL.check("--ping-url")); err != nil {
		return nil, nil, err
	}
	if !f.wantsMetrics() && f.PingURL.isZero() {
		return &r, c, nil
	}
	own := *c
	r.to, r.c, r.log = f, &own, &tail{}
	own.log = slog.New(slog.NewMultiHandler(c.log.Handler(), slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	r.ping = startPing(ctx, &own, f.PingURL)
	r.began = time.Now()
	return &r, &own, nil
}

// end sends the report of a run that ended with err, and returns the error of
// the command. A report that fails does not change the exit code of a run that
// failed itself.
func (r *runReport) end(ctx context.Context, err error) error {
	if r.to == nil {
		return err
	}
	r.ended, r.exit = time.Now(), exitCode(withSignal(ctx, err))
	within := reportWithin
	if ctx.Err() != nil {
		within = reportAfterSignal
	}
	ctx = context.WithoutCancel(ctx)
	if failed := r.to.sendMetrics(ctx, within, r); failed != nil {
		if err == nil {
			err = fmt.Errorf("%w: %w", errNotReported, failed)
			r.exit = exitCode(err)
		} else {
			r.c.log.Warn("metrics could not be written", "cause", failed)
		}
	}
	r.ping.end(ctx, within, r.exit, err, r.log)
	return err
}
