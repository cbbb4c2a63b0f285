package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"reflect"
	"time"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/hooks"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// hookFlags are the commands that a backup runs around the read of a database.
type hookFlags struct {
	RunBefore hooks.Command `placeholder:"COMMAND" group:"Commands" help:"Run a program before the database is read; if it fails, nothing is backed up."`
	RunAfter  hooks.Command `placeholder:"COMMAND" group:"Commands" help:"Run a program when the database has been read, or could not be."`
	RunLimit  limit         `default:"1m" placeholder:"1m" group:"Commands" help:"Time limit of each."`
}

// commandKeys are the settings that name commands.
var commandKeys = []string{"run-before", "run-after"}

// hooks returns the commands for one database.
func (b *backupCmd) hooks(ctx context.Context, c *console) *hooks.Hooks {
	path, err := filepath.Abs(b.DB)
	if err != nil {
		path = b.DB
	}
	level := terminal.LevelNotice
	if c.Quiet {
		level = slog.LevelInfo
	}
	return &hooks.Hooks{
		Before: b.RunBefore, After: b.RunAfter, Limit: time.Duration(b.RunLimit),
		About: []string{
			hooks.VariablePrefix + "_DB=" + path,
			hooks.VariablePrefix + "_NAME=" + b.name(),
			hooks.VariablePrefix + "_BUCKET_URL=" + b.URL.String(),
		},
		Exit: func(err error) int { return exitCode(withSignal(ctx, err)) },
		Log:  c.log, Level: level,
	}
}

// decodeCommand gives kong a command: a text, or a list of words from a file of databases.
var decodeCommand = kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("command")
	if err != nil {
		return err
	}
	command := target.Addr().Interface().(*hooks.Command)
	words, isList := token.Value.([]any)
	if !isList {
		return command.UnmarshalText([]byte(token.String()))
	}
	*command = nil
	for _, word := range words {
		*command = append(*command, word.(string))
	}
	return command.Check()
})

// mayCommand returns an error if the file names commands and another user could have
// written them.
func mayCommand(file databases.File) error {
	if ownersAlone(file.Info) {
		return nil
	}
	for _, e := range file.Entries {
		for _, key := range commandKeys {
			if s, names := e.Settings[key]; names {
				err := databases.Problem(s.Line, "%s: another user could have written this, and it would be run as this one", key)
				return &hinted{usage("%w", databases.InFile(file.Path, err)), "let the file belong to this user or root, and take from others the right to write: chmod go-w " + terminal.Quote(file.Path)}
			}
		}
	}
	return nil
}
