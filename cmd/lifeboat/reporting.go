package main

import (
	"context"
	"path/filepath"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
)

// reportFlags are where a run reports how it went.
type reportFlags struct{ reports.Flags }

// start starts the report of a run, which logs to the console that is returned.
// The caller defers End of the report.
func (f *reportFlags) start(ctx context.Context, c *console, run reports.Run) (*reports.Report, *console, error) {
	if err := f.Check(); err != nil {
		return nil, nil, usage("%w", err)
	}
	own := *c
	report, log := f.Start(ctx, run, reports.Program{
		Version: programVersion(),
		Exit:    func(err error) int { return exitCode(withSignal(ctx, err)) },
		Reason:  func(err error) string { _, word := verdict(withSignal(ctx, err)); return word },
		Hint:    hintFor,
	}, c.batch, c.log)
	own.log = log
	return report, &own, nil
}

// ofRun returns where the run over several databases reports, and leaves to the report
// of each what is not the run's: with --metrics-each its metrics. The notice is the run's.
func (f *reportFlags) ofRun() reportFlags {
	run := *f
	f.Notices = reports.Notices{}
	if !f.MetricsEach {
		f.Flags = reports.Flags{}
	}
	return run
}

// ofOne leaves to the report of one database what its settings in a configuration say,
// and with --metrics-each the metrics where the run reports.
func (f *reportFlags) ofOne(settings map[string]databases.Setting) error {
	own := reports.Flags{MetricsFile: settings["metrics-file"].Text()}
	if f.MetricsEach {
		own.MetricsFile, own.Pushgateway = f.MetricsFile, f.Pushgateway
	}
	own.NotifyOn, own.NotifyTemplate = f.NotifyOn, f.NotifyTemplate
	for name, value := range map[string]*reports.URL{
		"pushgateway": &own.Pushgateway, "ping-url": &own.PingURL, "notify-url": &own.NotifyURL,
	} {
		if text := settings[name].Text(); text != "" {
			if err := value.UnmarshalText([]byte(text)); err != nil {
				return err
			}
		}
	}
	f.Flags = own
	return f.Check()
}

// startRun starts the report of a run over the databases of a configuration. What their
// own reports measure is written at its end.
func (f *reportFlags) startRun(ctx context.Context, c *console, verb string, over configFlags) (*reports.Report, *console, error) {
	own := *c
	own.batch = &reports.Batch{}
	path, err := filepath.Abs(over.file())
	if err != nil {
		path = over.file()
	}
	return f.start(ctx, &own, reports.Run{Verb: verb, Config: path, Shard: over.Shard.String()})
}

// measuresOfRun returns how many databases of a run had which result. Every result has
// a value, so that none of an earlier run stays.
func measuresOfRun(verb string, results map[string]int) reports.Measure {
	m := reports.Measure{Name: verb + "_run_databases", Help: "Databases by what the last run did with them.", Label: "result", Values: map[string]float64{}}
	for name, n := range results {
		m.Values[name] = float64(n)
	}
	return m
}
