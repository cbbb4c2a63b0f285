package main

import (
	"context"

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
		Hint:    hintFor,
	}, c.log)
	own.log = log
	return report, &own, nil
}
