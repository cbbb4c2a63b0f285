package main

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
)

// otherSettings are the settings of a database that backup has no flag for. The verbs
// that have one use them.
type otherSettings struct {
	MaxAge duration
	identityFlag
	policyFlags
	Noncurrent keepFlag `default:"30d"`
}

// shared are the settings that a verb other than backup and status uses, where it has
// such a flag: what the file says of a series, and not of how a backup is made.
var shared = []string{
	"hold", "cache-dir", "age-identity", "max-age", "object-lock", "lock-for", "keep-recent", "keep-hourly", "keep-daily", "keep-weekly", "keep-monthly", "keep-yearly", "noncurrent",
}

// usedBy reports which settings of a database backup or status use. What the other
// commands need, such as a directory or a secret in a variable, need not exist where
// they run.
func usedBy(verb string) func(key string) bool {
	if verb == "backup" {
		return func(key string) bool { return key != "age-identity" }
	}
	return func(key string) bool { return slices.Contains([]string{"name", "hold", "max-age", "cache-dir"}, key) }
}

// usedByCommand reports which settings another command uses.
func usedByCommand(command *kong.Node) func(key string) bool {
	return func(key string) bool {
		has := slices.ContainsFunc(command.Flags, func(flag *kong.Flag) bool { return flag.Name == key })
		return key == "name" || has && slices.Contains(shared, key)
	}
}

// fileKeys returns the flags that a database may set in a configuration: all of
// backup's own but those for the run as a whole, and otherSettings. Those that
// the command does not use are nil.
func fileKeys(ctx context.Context, c *console, uses func(key string) bool) (map[string]*kong.Flag, error) {
	parser, err := newParser(ctx, c, &perDatabase{})
	if err != nil {
		return nil, err
	}
	keys := map[string]*kong.Flag{}
	for _, command := range parser.Model.Children {
		for _, flag := range command.Flags {
			if command.Name == "status" || slices.Contains([]string{"config", "host", "only", "parallel", "shard", "metrics-each", "json", "dry-run"}, flag.Name) {
				continue
			}
			keys[flag.Name] = flag
			if !uses(flag.Name) {
				keys[flag.Name] = nil
			}
		}
	}
	return keys, nil
}

// checkOthers checks the settings of an entry that backup has no flag for.
func checkOthers(parser *kong.Kong, e databases.Entry) error {
	for _, command := range parser.Model.Children {
		for _, flag := range command.Flags {
			if _, set := e.Settings[flag.Name]; !set || command.Name != "other" {
				continue
			}
			if _, err := parser.Parse([]string{command.Name}); err != nil {
				return inEntry(e, command.Name, err)
			}
			return nil
		}
	}
	return nil
}

// inEntry returns kong's error of a verb as one about the entry's line.
func inEntry(e databases.Entry, verb string, err error) error {
	text := withoutSecret(strings.TrimPrefix(err.Error(), verb+": "))
	return databases.Problem(lineOf(e, text), "%s", text)
}

// settingsOf gives kong the values of an entry, except where the environment
// overrides them.
func settingsOf(e databases.Entry) kong.ResolverFunc {
	return func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		s, ok := e.Settings[flag.Name]
		if !ok || overridden(flag) != "" {
			return nil, nil
		}
		if !s.List {
			return s.Text(), nil
		}
		values := []any{}
		for _, v := range s.Values {
			values = append(values, v)
		}
		return values, nil
	}
}

// overridden returns the environment variable that sets a flag, "" for none.
func overridden(flag *kong.Flag) string {
	if flag == nil { // not used
		return ""
	}
	for _, name := range append(slices.Clone(flag.Envs), secretFile(flag)) {
		if os.Getenv(name) != "" {
			return name
		}
	}
	return ""
}

// lineOf returns the line of the setting that kong's error begins with, or
// that of the entry.
func lineOf(e databases.Entry, text string) int {
	first, _, _ := strings.Cut(text, " ")
	if s, ok := e.Settings[strings.Trim(strings.TrimPrefix(first, "--"), ":")]; ok {
		return s.Line
	}
	return e.Line
}
