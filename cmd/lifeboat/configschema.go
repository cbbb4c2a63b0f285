package main

import (
	"context"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
)

type configSchemaCmd struct{}

// Run implements the command.
func (configSchemaCmd) Run(ctx context.Context, c *console) error {
	flags, err := fileKeys(ctx, c, func(string) bool { return true })
	if err != nil {
		return err
	}
	return c.result(true, databases.Schema(flags), "")
}

// Schema implements databases.Describer.
func (duration) Schema() map[string]any { return durations("0", 0) }

// Schema implements databases.Describer.
func (limit) Schema() map[string]any { return durations() }

// durations returns the schema of a duration, or of one of other values.
func durations(others ...any) map[string]any {
	schema := databases.Text(`^([0-9]+w)?([0-9]+d)?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*$`)
	schema["minLength"] = 2
	if others == nil {
		return schema
	}
	return map[string]any{"anyOf": []any{schema, map[string]any{"enum": others}}}
}

// Schema implements databases.Describer.
func (byteSize) Schema() map[string]any {
	return wholeNumbers(`^[0-9.,]+ *([kKmMgGtTpPeE][iI]?)?[bB]?$`)
}

// Schema implements databases.Describer.
func (oneOrMore) Schema() map[string]any { return wholeNumbers(`^[0-9]+$`) }

// wholeNumbers returns the schema of a whole number from 1 up, or of a text.
func wholeNumbers(pattern string) map[string]any {
	return map[string]any{"anyOf": []any{map[string]any{"type": "integer", "minimum": 1}, databases.Text(pattern)}}
}

// Schema implements databases.Describer.
func (keepFlag) Schema() map[string]any { return databases.Text(`^([0-9]+d|none|forever)$`) }
