package main

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
)

// endings are the exit codes of each verb, in its own words or, where they are
// empty, in those of the table of codes.
var endings = map[string]map[int]string{
	"backup": atStore(map[int]string{
		exitDone:       "uploaded, or unchanged",
		exitIncomplete: "the snapshot is safe; a release, --sse, metrics or --run-after failed",
		exitSource:     "the database is missing, bad or no database, or --run-before failed",
		exitTarget:     "no room for the copy, or the temp directory is not usable",
		exitLocked:     "the database stayed locked for --wait",
		exitUsage:      "wrong usage; or only the application can check or compact this database",
	}),
	"list": atStore(map[int]string{exitNoSnapshot: "there is no such directory"}),
	"show": atStore(map[int]string{
		exitNoSnapshot: "", exitDamaged: "the snapshot is damaged; the hint names the next older one", exitUsage: wrongOrKey,
	}),
	"restore": atStore(map[int]string{
		exitDone:       "restored; or nothing to do (--if-missing, --allow-empty)",
		exitIncomplete: "restored, but something beside it could not be cleared away or printed",
		exitNoSnapshot: "",
		exitDamaged:    "the snapshot is damaged; the hint names the next older one",
		exitTarget:     "no room, or the target exists, is open, or is not usable",
		exitLocked:     "the database stayed locked for --wait",
		exitUsage:      wrongOrKey,
	}),
	"verify": atStore(map[int]string{
		exitDone:       "all that was asked for has passed",
		exitIncomplete: "passed, but --record, metrics or clearing away failed",
		exitNoSnapshot: "",
		exitDamaged:    "the snapshot is damaged, or its database fails its check",
		exitTarget:     "no room, or the temp directory is not usable",
		exitNotTrue:    "a --sql query was false",
		exitUsage:      wrongOrKey,
	}),
	"drills": atStore(map[int]string{exitNoSnapshot: "there is no such directory"}),
	"query": atStore(map[int]string{
		exitDone:       "all statements are answered",
		exitNoSnapshot: "",
		exitDamaged:    "the snapshot is damaged; the hint names the next older one",
		exitTarget:     "no room, or the temp directory is not usable",
		exitUsage:      "wrong usage or SQL, a limit was reached, or an identity is missing",
	}),
	"extract": atStore(map[int]string{
		exitDone:       "the new file has all that was asked for",
		exitIncomplete: "done, but an index or a trigger is left out",
		exitNoSnapshot: "",
		exitDamaged:    "the snapshot is damaged; the hint names the next older one",
		exitTarget:     "no room, or the file exists, or its place is not usable",
		exitUsage:      "wrong usage, no such table, a statement failed, or something is missing",
	}),
	"diff": atStore(map[int]string{
		exitDone: "the same", exitNotTrue: "different",
		exitSource: "the database is missing, is not one, or is corrupt", exitNoSnapshot: "", exitDamaged: "a snapshot is damaged; the hint names the next older one",
		exitTarget: "no room for what is fetched, or the temp directory is not usable", exitLocked: "the database stayed locked for --wait",
		exitUsage: "wrong usage, no such table, a limit, or another --age-identity needed",
	}),
	"copy": atStore(map[int]string{
		exitDone:       "all is at the target",
		exitIncomplete: "some snapshots were refused, or tags or metrics failed; the rest is copied",
		exitNoSnapshot: "the source has no snapshot",
		exitDamaged:    "no snapshot was copied: they are damaged",
		exitTarget:     "no room at the target",
		exitUsage:      "wrong usage; or the target is the source, or another database's",
	}),
	"lifecycle":         nil,
	"lifecycle plan":    atStore(nil),
	"lifecycle apply":   atStore(map[int]string{exitUsage: "wrong usage; or existing snapshots would expire sooner (see --yes)"}),
	"lifecycle show":    atStore(nil),
	"lifecycle freeze":  atStore(map[int]string{exitUsage: "wrong usage, or there are no rules"}),
	"lifecycle thaw":    atStore(map[int]string{exitUsage: "wrong usage, or there are no rules"}),
	"lifecycle release": atStore(map[int]string{exitIncomplete: "released, but some tags are damaged, or metrics or the result failed", exitNoSnapshot: "there is no such directory"}),
	"lifecycle retire": atStore(map[int]string{
		exitIncomplete: "retired, but some tags are damaged, or the result could not be printed", exitNoSnapshot: "there is no snapshot",
		exitRefused: "the bucket refuses, or a clock is wrong: nothing is retired", exitUsage: "wrong usage; or the database may not be gone",
	}),
	"prune": atStore(map[int]string{
		exitIncomplete: "pruned, but some tags are damaged, or metrics or the result failed", exitNoSnapshot: "there is no such directory",
		exitRefused: "the bucket refuses, or a clock is wrong: nothing is deleted",
	}),
	"delete": atStore(map[int]string{
		exitIncomplete: "its tags are damaged, so it stays; or the result could not be printed", exitNoSnapshot: "",
		exitRefused: "the bucket refuses, or a clock is wrong: nothing is deleted", exitUsage: "wrong usage; or the snapshot must stay (newest, pinned, a base, too soon)",
	}),
	"series":        atStore(map[int]string{exitNoSnapshot: "there is no such directory"}),
	"pin":           atStore(map[int]string{exitNoSnapshot: ""}),
	"unpin":         atStore(map[int]string{exitNoSnapshot: "", exitUsage: "wrong usage, or the snapshot is not pinned"}),
	"config":        nil,
	"config check":  {exitUsage: "the file is wrong"},
	"config schema": {},
	"status": atStore(map[int]string{
		exitDone: "fresh", exitSource: "--config names no database",
		exitNotFresh: "too old, broken, none, database gone, wrong time, copies behind or differ",
	}),
	"report": atStore(map[int]string{
		exitDone: "the page is written", exitIncomplete: "written, but a copy, drills or one of several databases could not be read", exitSource: "--config names no database",
		exitNotFresh: "written, but there is no snapshot: is the bucket URL right?",
	}),
	"doctor": atStore(map[int]string{
		exitDone: "backup and restore would work", exitIncomplete: "one of backup and restore would work with these credentials",
		exitRefused: "neither would work: credentials, permission, no such bucket, clock",
	}),
	"version":    {},
	"completion": {},
}

const (
	wrongUsage = "wrong usage or configuration"
	wrongOrKey = "wrong usage, or the snapshot needs another --age-identity"
)

// atStore adds the codes of all verbs that ask a store.
func atStore(own map[int]string) map[int]string {
	all := map[int]string{exitUnreachable: "", exitRefused: ""}
	maps.Copy(all, own)
	return all
}

// exitsOf returns the exit codes of a verb, none for a verb that only has others
// below it.
func exitsOf(verb string) []code {
	own := endings[verb]
	if own == nil {
		return nil
	}
	all := map[int]string{
		exitDone: "done", exitFailed: "failed for another reason", exitIncomplete: "done, but the result could not be printed", exitUsage: wrongUsage,
	}
	maps.Copy(all, own)
	exits := []code{{exit: exitDone, means: all[exitDone]}}
	for _, c := range codes {
		if text, can := all[c.exit]; can && c.exit != exitFailed {
			exits = append(exits, code{exit: c.exit, means: cmp.Or(text, c.means)})
		}
	}
	return append(exits, code{exit: exitFailed, means: all[exitFailed] + "; 130 interrupted, 143 terminated"})
}

// exitStatus returns the section of a verb's help, "" for a verb that has no exit
// codes of its own.
func exitStatus(verb string) string {
	var b strings.Builder
	for _, e := range exitsOf(verb) {
		fmt.Fprintf(&b, "  %-4d%s\n", e.exit, e.means)
	}
	if b.Len() == 0 {
		return ""
	}
	return "\nEXIT STATUS\n" + b.String()
}
