package main

import (
	"context"
	"errors"
	"io"
	"os"
)

// program is the command line. Each verb has a file of its own, with a struct
// of its flags and a Run method.
type program struct {
	globals
	HelpAll helpAll `env:"-" help:"Explain every flag of a command."`

	Backup    backupCmd    `cmd:"" help:"Take a snapshot of a live database and ship it."`
	Series    seriesCmd    `cmd:"" help:"List the series below a bucket or a prefix."`
	List      listCmd      `cmd:"" help:"List the snapshots, newest last."`
	Show      showCmd      `cmd:"" help:"Show what is in a snapshot, and when it goes."`
	Restore   restoreCmd   `cmd:"" help:"Bring a snapshot back."`
	Verify    verifyCmd    `cmd:"" help:"Prove that a snapshot can be restored: a drill in a temp file."`
	Drills    drillsCmd    `cmd:"" help:"List the drills that were recorded, newest last."`
	Query     queryCmd     `cmd:"" help:"Ask a snapshot that stays in the bucket."`
	Extract   extractCmd   `cmd:"" help:"Take tables out of a snapshot, without a restore."`
	Diff      diffCmd      `cmd:"" help:"Show what changed between two snapshots, or since one."`
	Copy      copyCmd      `cmd:"" help:"Copy the snapshots to a second place."`
	Lifecycle lifecycleCmd `cmd:"" help:"Retention by the bucket's own rules."`
	Prune     pruneCmd     `cmd:"" help:"Delete snapshots whose time is over, where no rules do it."`
	Delete    deleteCmd    `cmd:"" help:"Delete one snapshot that is needed no more."`
	Pin       pinCmd       `cmd:"" help:"Keep a snapshot until it is unpinned."`
	Unpin     unpinCmd     `cmd:"" help:"Undo pin: retention applies to the snapshot again."`
	Config    configCmd    `cmd:"" help:"The file that names many databases."`
	Status    statusCmd    `cmd:"" help:"Is the newest snapshot young enough?"`
	Report    reportCmd    `cmd:"" help:"Make a page of what there is and what was proved."`
	Doctor    doctorCmd    `cmd:"" help:"Try out what a bucket and its credentials can do."`
	Version   versionCmd   `cmd:"" help:"Print the version."`

	Completion completionCmd `cmd:"" help:"Print the completion script of a shell."`
	Complete   completeCmd   `cmd:"" name:"__complete" hidden:"" passthrough:""`
	Manual     manualCmd     `cmd:"" name:"__manual" hidden:""`
}

// do parses and runs.
func (p *program) do(ctx context.Context, args []string, c *console) (err error) {
	defer recovered(&err)
	if err := errors.Join(enoughFiles(), unsetEmpty()); err != nil {
		return err
	}
	parser, err := newParser(ctx, c, p)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		io.WriteString(c.stderr, topHelp)
		return usage("a command is missing")
	}
	args = asCommand(args)
	args, ofFile, err := throughConfiguration(parser.Model.Node, args)
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	if errors.Is(err, errNotPrinted) { // it was the help
		return err
	}
	if err != nil {
		return mistyped(parser.Model.Node, args, err)
	}
	c.json = wantsJSON(parsed.Selected())
	c.start()
	if !parsed.Selected().Hidden {
		for _, warning := range unknownVariables(parser.Model, os.Environ()) {
			c.log.Warn(warning)
		}
	}
	if ofFile {
		return withHelp(parsed.Selected(), overConfiguration(ctx, c, parsed, args))
	}
	return withHelp(parsed.Selected(), parsed.Run())
}
