package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore/diff"
	"github.com/lifeboat-sqlite/lifeboat/restore/diff/btree"
)

// text returns what is compared with what.
func (d diffHead) text(now time.Time) string {
	text := terminal.Sprintf("from snapshot %s, taken %s\n", d.From.ID, terminal.Ago(d.From.Taken, now))
	if d.To != nil {
		return text + terminal.Sprintf("to   snapshot %s, taken %s\n", d.To.ID, terminal.Ago(d.To.Taken, now))
	}
	return text + terminal.Sprintf("to   %s, as it is now\n", d.Database)
}

// signs stand in front of a row: what it is now, what it was, and what became of it.
var signs = map[diff.Change]string{diff.Added: "+", diff.Removed: "-", diff.Changed: "~"}

// rowText returns a row in one line.
func rowText(t *diff.TableDiff, r diff.Row) string {
	var key, rest []string
	if len(t.Key) == 0 {
		key = append(key, fmt.Sprintf("rowid=%d", r.Rowid))
	}
	for i, name := range t.Columns {
		values := r.New
		if values == nil {
			values = r.Old
		}
		switch {
		case slices.Contains(t.Key, i):
			key = append(key, terminal.Printable(name)+"="+valueText(values[i]))
		case r.Change != diff.Changed:
			rest = append(rest, terminal.Printable(name)+"="+valueText(values[i]))
		}
		if r.Change == diff.Changed && r.Differ[i] {
			rest = append(rest, terminal.Printable(name)+" "+valueText(r.Old[i])+" -> "+valueText(r.New[i]))
		}
	}
	text := fmt.Sprintf("%s %s %s", terminal.Printable(t.Name), signs[r.Change], strings.Join(key, ", "))
	if len(rest) > 0 {
		text += ": " + strings.Join(rest, ", ")
	}
	return text + "\n"
}

// valueText returns a value as SQL would write it, printable, and the beginning of a long
// one.
func valueText(v btree.Value) string {
	const someCharacters, someBytes = 60, 16
	switch v.Kind {
	case btree.Null:
		return "NULL"
	case btree.Integer:
		return fmt.Sprint(v.Int)
	case btree.Real:
		return diff.FormatReal(v.Float)
	case btree.Blob:
		if v.Cut || len(v.Bytes) > someBytes {
			return fmt.Sprintf("x'%x...' (%s)", v.Bytes[:min(len(v.Bytes), someBytes)], bytesText(v))
		}
		return fmt.Sprintf("x'%x'", v.Bytes)
	}
	text := string(v.Bytes)
	cut := v.Cut
	if utf8.RuneCountInString(text) > someCharacters {
		text, cut = string([]rune(text)[:someCharacters]), true
	}
	text = terminal.Printable(strings.ReplaceAll(text, "'", "''"))
	if cut {
		return fmt.Sprintf("'%s...' (%s)", text, bytesText(v))
	}
	return "'" + text + "'"
}

func bytesText(v btree.Value) string { return humanize.Comma(v.Length) + " bytes" }

// rowJSON returns a row as a JSON object.
func rowJSON(t *diff.TableDiff, r diff.Row) string {
	var key, from, to []string
	field := func(name string, v btree.Value) string { return jsonText(name) + ": " + valueJSON(v) }
	if len(t.Key) == 0 {
		key = append(key, fmt.Sprintf(`"rowid": %d`, r.Rowid))
	}
	for i, name := range t.Columns {
		values := r.New
		if values == nil {
			values = r.Old
		}
		if slices.Contains(t.Key, i) {
			key = append(key, field(name, values[i]))
		}
		if r.Change == diff.Changed && !r.Differ[i] {
			continue
		}
		if r.Old != nil {
			from = append(from, field(name, r.Old[i]))
		}
		if r.New != nil {
			to = append(to, field(name, r.New[i]))
		}
	}
	text := fmt.Sprintf(`{"table": %s, "change": "%s", "key": {%s}`, jsonText(t.Name), r.Change, strings.Join(key, ", "))
	if r.Old != nil {
		text += ", \"from\": {" + strings.Join(from, ", ") + "}"
	}
	if r.New != nil {
		text += ", \"to\": {" + strings.Join(to, ", ") + "}"
	}
	return text + "}"
}

// jsonText returns a text as a JSON string.
func jsonText(text string) string {
	encoded, err := json.Marshal(terminal.ValidText(text))
	if err != nil { // strings can be encoded
		return `""`
	}
	return string(encoded)
}

// valueJSON returns a value in JSON: a blob as a text such as "x'00ff'", and a value that
// is cut as an object with its beginning and its length.
func valueJSON(v btree.Value) string {
	switch v.Kind {
	case btree.Null:
		return "null"
	case btree.Integer:
		return fmt.Sprint(v.Int)
	case btree.Real:
		encoded, err := json.Marshal(v.Float)
		switch {
		case err == nil:
			return string(encoded)
		case v.Float < 0: // infinite
			return "-9e999"
		}
		return "9e999"
	}
	text := string(v.Bytes)
	if v.Kind == btree.Blob {
		text = fmt.Sprintf("x'%x'", v.Bytes)
	}
	if v.Cut {
		return fmt.Sprintf(`{"begins": %s, "bytes": %d}`, jsonText(text), v.Length)
	}
	return jsonText(text)
}

// resultText returns what differs, for people.
func resultText(r *diff.Result, summary, rows bool, maxRows int64) string {
	var b strings.Builder
	for _, s := range r.Settings {
		fmt.Fprintf(&b, "%s: %d -> %d\n", s.Name, s.Old, s.New)
	}
	for _, c := range r.Schema {
		b.WriteString(schemaText(c))
	}
	for _, internal := range []bool{false, true} {
		for _, t := range r.Tables {
			if t.Internal == internal && t.Differs(summary) {
				b.WriteString(tableText(t, summary))
			}
		}
	}
	if r.LoosePages > 0 {
		fmt.Fprintf(&b, "%s of long values differ; which table has them shows without --summary\n", countText(int64(r.LoosePages), "page", "pages"))
	}
	cut := rows && maxRows > 0 && slices.ContainsFunc(r.Tables, func(t *diff.TableDiff) bool { return t.Added+t.Removed+t.Changed > maxRows })
	if cut {
		fmt.Fprintf(&b, "of each table, %s are shown above; --max-rows sets how many\n", countText(maxRows, "row", "rows"))
	}
	if r.Same {
		b.WriteString("the same")
		if r.Pages > 0 {
			fmt.Fprintf(&b, " rows and schema, though %s: free pages, indexes, or rows in other places", countText(int64(r.Pages), "page differs", "pages differ"))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func countText(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(n) + " " + many
}

// schemaText returns a change of the schema in one line. The tables with rows have lines
// of their own.
func schemaText(c diff.SchemaChange) string {
	on := ""
	if c.Kind == "index" || c.Kind == "trigger" {
		on = terminal.Sprintf(" on %s", c.Table)
	}
	text := terminal.Sprintf("%s %s%s: %s", c.Kind, c.Name, on, string(c.Change))
	if len(c.Columns) > 0 {
		text += terminal.Sprintf(" (columns %s)", strings.Join(c.Columns, ", "))
	}
	return text + "\n"
}

// tableText returns what differs in a table, in one line.
func tableText(t *diff.TableDiff, summary bool) string {
	name := terminal.Printable(t.Name)
	switch {
	case t.ShadowOf != "":
		name += terminal.Sprintf(" (of virtual table %s)", t.ShadowOf)
	case t.Internal:
		name += " (SQLite's own)"
	}
	if summary {
		return fmt.Sprintf("%s: %s with rows that may differ\n", name, countText(int64(max(t.OldPages, t.NewPages)), "page", "pages"))
	}
	var counts []string
	for _, c := range []struct {
		n    int64
		what diff.Change
	}{{t.Added, diff.Added}, {t.Removed, diff.Removed}, {t.Changed, diff.Changed}} {
		if c.n > 0 {
			counts = append(counts, fmt.Sprintf("%s %s", humanize.Comma(c.n), c.what))
		}
	}
	if len(counts) == 0 {
		counts = []string{"no rows"}
	}
	return fmt.Sprintf("%s: %s\n", name, strings.Join(counts, ", "))
}

// fetchedText is the last line.
func fetchedText(fetched int64, took time.Duration) string {
	return fmt.Sprintf("%s fetched in %s\n", terminal.Size(fetched), terminal.Clock(took))
}
