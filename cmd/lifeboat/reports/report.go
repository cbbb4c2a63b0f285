// Package reports reports how a run went: as metrics for Prometheus, in a file
// or by a Pushgateway, and as notices of its start and its end.
package reports

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// Flags are where a run reports how it went.
type Flags struct {
	MetricsFile string `type:"path" placeholder:"FILE" group:"Reports" help:"Write metrics for node_exporter's textfile collector."`
	Pushgateway URL    `placeholder:"URL" group:"Reports" help:"Push metrics to a Prometheus Pushgateway."`
	PingURL     URL    `name:"ping-url" placeholder:"URL" group:"Reports" help:"Send notices in the format of healthchecks.io. The URL is a secret: prefer LIFEBOAT_PING_URL."`
}

// Check returns what is wrong with the flags.
func (f *Flags) Check() error {
	return errors.Join(f.Pushgateway.check("--pushgateway"), f.PingURL.check("--ping-url"))
}

// WantsMetrics reports whether metrics go anywhere.
func (f *Flags) WantsMetrics() bool { return f.MetricsFile != "" || !f.Pushgateway.isZero() }

// ErrNotReported: a run has done its work, but no metrics report it.
var ErrNotReported = errors.New("the work is done, but its metrics could not be written")

// A report, metrics first and then the notice, takes at most reportWithin. After
// a signal the time until the kill is running: then it takes reportAfterSignal.
const (
	reportWithin      = 10 * time.Second
	reportAfterSignal = 5 * time.Second
)

// A Run is what a report is about.
type Run struct {
	Verb     string // such as backup
	Database string // its name in the series, "" where the verb does not know it
	URL      string // the bucket URL
}

// A Program is what a report needs to know of the program.
type Program struct {
	Version string
	Exit    func(error) int    // the exit code for the error of a run
	Hint    func(error) string // the hint for it, "" for none
}

// A Report is the report of one run.
type Report struct {
	// Succeeded: the main thing was done, whatever the exit code means beside
	// it.
	Succeeded bool
	// Did is what was done, in lines for people: the notice has it.
	Did string

	run      Run
	program  Program
	measured []Measure

	began, ended time.Time
	exit         int

	to   *Flags // nil: nowhere
	log  *slog.Logger
	tail *tail // of the log
	ping *ping
}

// Add adds what a run has measured.
func (r *Report) Add(m ...Measure) { r.measured = append(r.measured, m...) }

// Start starts the report of a run. The run logs to the logger that is returned:
// a notice has the end of its log. The caller defers End.
func (f *Flags) Start(ctx context.Context, run Run, p Program, log *slog.Logger) (*Report, *slog.Logger) {
	r := &Report{run: run, program: p}
	if !f.WantsMetrics() && f.PingURL.isZero() {
		return r, log
	}
	r.to, r.tail = f, &tail{}
	r.log = slog.New(slog.NewMultiHandler(log.Handler(), slog.NewTextHandler(r.tail, &slog.HandlerOptions{Level: slog.LevelInfo})))
	r.ping = startPing(ctx, f.PingURL, "lifeboat/"+p.Version, r.log)
	r.began = time.Now()
	return r, r.log
}

// End sends the report of a run that ended with err, and returns the error of
// the command. A report that fails does not change the exit code of a run that
// failed itself.
func (r *Report) End(ctx context.Context, err error) error {
	if r.to == nil {
		return err
	}
	r.ended, r.exit = time.Now(), r.program.Exit(err)
	within := reportWithin
	if ctx.Err() != nil {
		within = reportAfterSignal
	}
	ctx = context.WithoutCancel(ctx)
	if failed := r.sendMetrics(ctx, within); failed != nil {
		if err == nil {
			err = fmt.Errorf("%w: %w", ErrNotReported, failed)
			r.exit = r.program.Exit(err)
		} else {
			r.log.Warn("metrics could not be written", "cause", failed)
		}
	}
	r.ping.end(ctx, within, r.exit, r.words(err))
	return err
}

// words returns the body of the last notice.
func (r *Report) words(err error) string {
	text := fmt.Sprintf("exit %d\n%s", r.exit, r.Did)
	if err != nil {
		text += fmt.Sprintf("error: %v\n", err)
		if hint := r.program.Hint(err); hint != "" {
			text += "hint: " + hint + "\n"
		}
	}
	return text + r.tail.String()
}

// sendMetrics writes and pushes the metrics of the run, both within the time.
func (r *Report) sendMetrics(ctx context.Context, within time.Duration) error {
	if !r.to.WantsMetrics() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var errs []error
	if r.to.MetricsFile != "" {
		errs = append(errs, writeMetrics(ctx, r.to.MetricsFile, r.metrics()))
	}
	if !r.to.Pushgateway.isZero() {
		errs = append(errs, pushMetrics(ctx, r.to.Pushgateway, r.metrics()))
	}
	return errors.Join(errs...)
}

// metrics returns the run's metrics. A failed run has no last success, so the
// one that was written before stays.
func (r *Report) metrics() metrics {
	labels := prometheus.Labels{labelURL: r.run.URL}
	if r.run.Database != "" {
		labels[labelDatabase] = terminal.ValidText(r.run.Database)
	}
	unix := func(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
	all := append([]Measure{
		{Name: r.run.Verb + "_last_attempt_timestamp_seconds", Help: "When the last run ended, well or not.", Value: unix(r.ended)},
		{Name: r.run.Verb + "_last_exit_code", Help: "Exit code of the last run.", Value: float64(r.exit)},
		{Name: r.run.Verb + "_duration_seconds", Help: "How long the last run took.", Value: r.ended.Sub(r.began).Seconds()},
	}, r.measured...)
	if r.Succeeded {
		all = append(all, Measure{Name: r.run.Verb + "_last_success_timestamp_seconds",
			Help: "When the last run ended that did the main thing, whatever failed beside it.", Value: unix(r.ended)})
	}
	return metrics{verb: r.run.Verb, version: r.program.Version, labels: labels, measures: all}
}
