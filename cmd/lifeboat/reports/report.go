// Package reports reports how a run went: as metrics for Prometheus, in a file
// or by a Pushgateway, and as notices of its start and its end.
package reports

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// Flags are where a run reports how it went.
type Flags struct {
	MetricsFile string `type:"path" placeholder:"FILE" group:"Reports" help:"Write metrics for node_exporter's textfile collector."`
	MetricsEach bool   `group:"Reports" help:"Of several databases write the metrics of each, too, not only those of the run."`
	Pushgateway URL    `placeholder:"URL" group:"Reports" help:"Push metrics to a Prometheus Pushgateway."`
	Notices
}

// Check returns what is wrong with the flags, or with the secrets that go with them.
func (f *Flags) Check() error {
	var login error
	if !f.Pushgateway.isZero() {
		_, _, login = pushgatewayLogin()
	}
	return errors.Join(f.Pushgateway.check("--pushgateway"), login, f.PingURL.check("--ping-url"), f.NotifyURL.check("--notify-url"))
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

// A Run is what a report is about: one database, or those of a configuration.
type Run struct {
	Verb     string // such as backup
	Database string // its name in the series, "" where the verb does not know it
	URL      string // the bucket URL

	Config      string // the file of many databases, "" for a run of one
	Host, Shard string // what tells runs with one file apart, as far as they are given
}

// labels returns what identifies the run's metrics.
func (r Run) labels() map[string]string {
	labels := map[string]string{}
	for name, value := range map[string]string{labelDatabase: r.Database, labelURL: r.URL, labelConfig: r.Config, labelHost: r.Host, labelShard: r.Shard} {
		if value != "" {
			labels[name] = terminal.ValidText(value)
		}
	}
	return labels
}

// ofMany reports whether the run is one over the databases of a configuration.
func (r Run) ofMany() bool { return r.Config != "" }

// prefix returns the beginning of the names of the run's own metrics.
func (r Run) prefix() string {
	if r.ofMany() {
		return r.Verb + "_run"
	}
	return r.Verb
}

// A Program is what a report needs to know of the program.
type Program struct {
	Version string
	Exit    func(error) int    // the exit code for the error of a run
	Reason  func(error) string // the word for its reason
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
	with *Batch // of the reports of several databases; nil for one
	log  *slog.Logger
	tail *tail // of the log
	ping *ping
}

// OnHost says what {host} stands for in the configuration of a run over many.
func (r *Report) OnHost(host string) { r.run.Host = host }

// Add adds what a run has measured.
func (r *Report) Add(m ...Measure) { r.measured = append(r.measured, m...) }

// Start starts the report of a run. The run logs to the logger that is returned:
// a notice has the end of its log. With a batch the metrics of one of several
// databases wait in it until the report of the run over all ends. The caller defers End.
func (f *Flags) Start(ctx context.Context, run Run, p Program, with *Batch, log *slog.Logger) (*Report, *slog.Logger) {
	r := &Report{run: run, program: p, with: with}
	if !f.WantsMetrics() && f.PingURL.isZero() && f.NotifyURL.isZero() && !run.ofMany() {
		return r, log
	}
	r.to, r.tail = f, &tail{}
	r.log = slog.New(slog.NewMultiHandler(log.Handler(), slog.NewTextHandler(r.tail, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: terminal.LevelName})))
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
	failed := r.sendMetrics(ctx, within)
	ctx = context.WithoutCancel(ctx)
	if failed != nil {
		if err == nil {
			err = fmt.Errorf("%w: %w", ErrNotReported, failed)
			r.exit = r.program.Exit(err)
		} else {
			r.log.Warn("metrics could not be written", "cause", failed)
		}
	}
	var sent sync.WaitGroup
	sent.Go(func() { r.ping.end(ctx, within, r.exit, r.words(err)) })
	sent.Go(func() { r.notify(ctx, within, err) })
	sent.Wait()
	return err
}

// words returns the body of the last notice.
func (r *Report) words(err error) string {
	return fmt.Sprintf("exit %d\n%s%s", r.exit, r.outcome(err), r.tail)
}

// outcome returns what was done, and what was not.
func (r *Report) outcome(err error) string {
	text := r.Did
	if err != nil {
		text += fmt.Sprintf("error: %v\n", err)
		if hint := r.program.Hint(err); hint != "" {
			text += "hint: " + hint + "\n"
		}
	}
	return text
}

// sendMetrics writes and pushes the metrics of the run, each within the time. Those of
// one of several databases wait for the report of all.
func (r *Report) sendMetrics(ctx context.Context, within time.Duration) error {
	batch := r.with
	if batch == nil {
		batch = &Batch{}
	}
	batch.add(r.to, r.metrics())
	if r.with != nil && !r.run.ofMany() {
		return nil
	}
	return batch.send(ctx, within)
}

// metrics returns the run's metrics. A failed run has no last success, so the
// one that was written before stays.
func (r *Report) metrics() metrics {
	unix := func(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
	all := append([]Measure{
		{Name: r.run.prefix() + "_last_attempt_timestamp_seconds", Help: "When the last run ended, well or not.", Value: unix(r.ended)},
		{Name: r.run.prefix() + "_last_exit_code", Help: "Exit code of the last run.", Value: float64(r.exit)},
		{Name: r.run.prefix() + "_duration_seconds", Help: "How long the last run took.", Value: r.ended.Sub(r.began).Seconds()},
	}, r.measured...)
	if r.Succeeded {
		all = append(all, Measure{Name: r.run.prefix() + "_last_success_timestamp_seconds",
			Help: "When the last run ended that did the main thing, whatever failed beside it.", Value: unix(r.ended)})
	}
	return metrics{verb: r.run.Verb, version: r.program.Version, labels: r.run.labels(), measures: all}
}
