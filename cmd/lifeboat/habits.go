package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// habits are words that people bring along from restic, litestream, sqlite3, aws and
// others, and what they may mean here, the likeliest first: commands, flags, or what
// takes the place of a flag.
var habits = map[string][]string{
	"backups": {"list"}, "generations": {"list"}, "ls": {"list"}, "ltx": {"list"}, "snapshots": {"list"}, "wal": {"list"}, "history": {"list"}, "log": {"list"},
	"buckets": {"series"}, "databases": {"series"}, "find": {"series"}, "tree": {"series"},
	"cat": {"show"}, "describe": {"show"}, "info": {"show"}, "inspect": {"show"}, "stat": {"show"}, "stats": {"show"},
	"dump": {"backup"}, "create": {"backup"}, "init": {"backup"}, "push": {"backup"}, "replicate": {"backup"}, "save": {"backup"}, "snapshot": {"backup"}, "upload": {"backup"},
	"download": {"restore"}, "export": {"restore"}, "extract-all": {"restore"}, "fetch": {"restore"}, "get": {"restore"}, "pull": {"restore"}, "recover": {"restore"},
	"check": {"verify"}, "drill": {"verify"}, "integrity-check": {"verify"}, "test": {"verify"}, "validate": {"verify"},
	"clean": {"prune"}, "cleanup": {"prune"}, "expire": {"prune"}, "forget": {"prune"}, "gc": {"prune"}, "purge": {"prune"},
	"del": {"delete"}, "remove": {"delete"}, "rm": {"delete"},
	"hold": {"pin"}, "keep": {"pin"}, "lock": {"pin"}, "tag": {"pin"}, "unlock": {"unpin"},
	"policy": {"lifecycle"}, "retention": {"lifecycle"}, "rules": {"lifecycle"}, "ilm": {"lifecycle"},
	"age": {"status"}, "health": {"status"}, "monitor": {"status"},
	"diagnose": {"doctor"}, "ping": {"doctor"},
	"mount": {"query"}, "sql": {"query"}, "sqlite3": {"query"}, "tables": {"query"}, "compare": {"diff"},

	"--force": {"--replace", "--yes", "--always"}, "-f": {"--replace", "--yes"}, "--overwrite": {"--replace"}, "--delete": {"--discard-old"},
	"--confirm": {"--yes"}, "--no-dry-run": {"--yes"}, "-y": {"--yes"}, "--dry-run": {"it is what this command does without --yes"}, "-n": {"--dry-run", "--last"}, "--limit": {"--last"}, "--latest": {"--last"}, "--compress": {"--level"},
	"--timestamp": {"--at"}, "--time": {"--at"}, "--as-of": {"--at"}, "--until": {"--at"}, "--point-in-time": {"--at"}, "--to-time": {"--at"}, "--date": {"--at"},
	"--id": {"--snapshot"}, "--generation": {"--snapshot"}, "--index": {"--snapshot"}, "--txid": {"--snapshot"}, "--version": {"--version-id", "lifeboat version"},
	"--if-db-not-exists": {"--if-missing"}, "--if-not-exists": {"--if-missing"}, "--if-replica-exists": {"--allow-empty"},
	"--output": {"the file as the last argument, or - for stdout"}, "-o": {"the file as the last argument, or - for stdout"}, "--target": {"the file as the last argument"}, "-t": {"the file as the last argument"},
	"--output-json": {"--json"}, "--format": {"--json"}, "--verbose": {"--debug"}, "-v": {"--debug"}, "--silent": {"--quiet"}, "--no-color": {"NO_COLOR=1"},
	"--endpoint": {"AWS_ENDPOINT_URL_S3"}, "--endpoint-url": {"AWS_ENDPOINT_URL_S3"}, "--profile": {"AWS_PROFILE"}, "--region": {"AWS_REGION"},
	"--access-key": {"AWS_ACCESS_KEY_ID"}, "--secret-key": {"AWS_SECRET_ACCESS_KEY"}, "--no-verify-ssl": {"AWS_CA_BUNDLE"}, "--ca-bundle": {"AWS_CA_BUNDLE"},
	"--encrypt": {"--age-recipient"}, "--recipient": {"--age-recipient"}, "--password-file": {"--age-recipient-file", "--age-identity"}, "--identity": {"--age-identity"}, "--key": {"--age-identity"},
	"--limit-upload": {"--max-rate"}, "--bwlimit": {"--max-rate"}, "--rate": {"--max-rate"}, "--compression": {"--level"}, "--jobs": {"--parallel"}, "-j": {"--parallel"},
	"--timeout": {"--retry-for", "--wait"}, "--retries": {"--retry-for"}, "--busy-timeout": {"--wait"}, "--tmpdir": {"--temp-dir"}, "--tmp-dir": {"--temp-dir"},
	"--keep-last": {"--keep-recent"}, "--keep-within": {"--keep-recent"}, "--older-than": {"--keep-recent"}, "--days": {"--keep-daily"},
}

// meantCommand returns a hint for a word that is no command, "" if nothing is near.
func meantCommand(parent *kong.Node, word string) string {
	var names []string
	for _, child := range parent.Children {
		if !child.Hidden {
			names = append(names, child.Name)
		}
	}
	prefix := "lifeboat "
	if parent.Type == kong.CommandNode {
		prefix += commandOf(parent) + " "
	}
	for _, meant := range habits[strings.ToLower(word)] {
		if slices.Contains(names, meant) {
			return "did you mean " + prefix + meant + "?"
		}
	}
	if near := nearest(word, names); near != "" {
		return "did you mean " + prefix + near + "?"
	}
	return ""
}

// meantFlag returns a hint for a flag that the command does not have, "" if nothing
// is near.
func meantFlag(command *kong.Node, word string) string {
	word = "--" + strings.TrimLeft(strings.ToLower(word), "-")
	if len(word) == len("--")+1 {
		word = word[1:]
	}
	var names []string
	for _, flag := range slices.Concat(command.AllFlags(true)...) {
		names = append(names, "--"+flag.Name)
	}
	if slices.Contains(names, word) {
		return "did you mean " + word + ", with two dashes?"
	}
	for _, meant := range habits[word] {
		switch {
		case slices.Contains(names, meant):
			return "did you mean " + meant + "?"
		case !strings.HasPrefix(meant, "-"):
			return "instead of " + word + ": " + meant
		}
	}
	if near := nearest(word, names); near != "" {
		return "did you mean " + near + "?"
	}
	longer := slices.DeleteFunc(names, func(name string) bool { return len(word) < 5 || !strings.HasPrefix(name, word) })
	if len(longer) == 1 {
		return "did you mean " + longer[0] + "?"
	}
	return ""
}
