package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// reporting are the flags by which a run tells others how it went.
type reporting struct {
	metricsFlags
	PingURL httpURL `name:"ping-url" placeholder:"URL" group:"Reports" help:"Send notices as healthchecks.io takes them. The URL is a secret: better set LIFEBOAT_PING_URL."`
}

// tellWithin bounds what is told after a run, and that after a signal, when
// the time until the kill is running: the metrics first, then the notice.
const (
	tellWithin      = 10 * time.Second
	tellWithinAfter = 5 * time.Second
)

// A runReport is what is told of one run of a verb.
type runReport struct {
	verb     string // such as backup
	database string // its name in the series, "" where the verb does not know it
	url      string // the bucket URL

	began, ended time.Time
	exit         int
	// succeeded: the main thing was done, whatever the exit code says of what
	// is beside it.
	succeeded bool
	measured  []measure
}

// add notes what a run has measured.
func (r *runReport) add(m ...measure) { r.measured = append(r.measured, m...) }

// around runs a verb and tells others of it. What the verb measured, and that
// it succeeded, it notes in the report. A failure to tell never changes the
// exit code of a run that failed itself.
func (f *reporting) around(ctx context.Context, c *console, r runReport, run func(context.Context, *console, *runReport) error) error {
	if err := errors.Join(f.Pushgateway.check("--pushgateway"), f.PingURL.check("--ping-url")); err != nil {
		return err
	}
	if !f.wantsMetrics() && f.PingURL.isZero() {
		return run(ctx, c, &r)
	}
	var log tail
	own := *c // with a log that is kept for the notice
	own.log = slog.New(slog.NewMultiHandler(c.log.Handler(), slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	c = &own

	p := startPing(ctx, c, f.PingURL)
	r.began = time.Now()
	err := caught(func() error { return run(ctx, c, &r) })
	r.ended, r.exit = time.Now(), exitCode(broken(ctx, err))
	within := tellWithin
	if ctx.Err() != nil {
		within = tellWithinAfter
	}
	ctx = context.WithoutCancel(ctx)
	if failed := f.tellMetrics(ctx, within, &r); failed != nil {
		if err == nil {
			err = fmt.Errorf("%w: %w", errNotReported, failed)
			r.exit = exitCode(err)
		} else {
			c.log.Warn("metrics could not be written", "cause", failed)
		}
	}
	p.end(ctx, within, r.exit, err, &log)
	return err
}

// caught is run, with a panic as an error.
func caught(run func() error) (err error) {
	defer recovered(&err)
	return run()
}
