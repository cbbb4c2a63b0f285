package terminal

import (
	"fmt"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	table := Table{
		Columns: []Column{{Title: "ID"}, {Title: "AGE", Right: true, Drop: 1}, {Title: "NAME", Min: 6}, {Title: "WHY", Min: 10, Wrap: true}},
		Paint:   func(colour int, text string) string { return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, text) },
	}
	if got := table.Text(80); got != "" {
		t.Errorf("without rows: %q", got)
	}
	table.Row("a1", "3h", "tenants/acme/data.db", "the newest of all that are there")
	table.Colour(3, Red)
	table.Row("b2", "12d", "数据.db\n")
	table.Note("broken: its base is not there")
	for width, want := range map[int]string{
		0: `
ID  AGE  NAME                  WHY
a1   3h  tenants/acme/data.db  [the newest of all that are there]
b2  12d  数据.db\n
    broken: its base is not there
`,
		40: `
ID  AGE  NAME            WHY
a1   3h  tenant...ta.db  [the newest of]
                         [all that are]
                         [there]
b2  12d  数据.db\n
    broken: its base is not there
`,
		24: `
ID  NAME      WHY
a1  ten...db  [the newest]
              [of all]
              [that are]
              [there]
b2  数...\n
    broken: its base is
      not there
`,
	} {
		got := strings.NewReplacer("\x1b[31m", "[", "\x1b[0m", "]").Replace(table.Text(width))
		if got != strings.TrimPrefix(want, "\n") {
			t.Errorf("%d columns:\n%s", width, got)
		}
	}
}

// No line is wider than asked for, unless an unbreakable column is.
func TestTableFits(t *testing.T) {
	for width := 20; width < 130; width++ {
		table := Table{Columns: []Column{{}, {Min: 1, Wrap: true}, {Min: 5}}}
		table.Row("four", strings.Repeat("数 and ", 20), strings.Repeat("x", 50))
		table.Row("", strings.Repeat("w", 300), "")
		table.Note(strings.Repeat("word ", 40))
		for line := range strings.Lines(table.Text(width)) {
			if got := cells(strings.TrimSuffix(line, "\n")); got > width {
				t.Fatalf("%d columns: %d in %q", width, got, line)
			}
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"a b\n", 0, "a b\n"},
		{"short\n\n", 10, "short\n\n"},
		{"one two three four five\n", 10, "one two\n  three\n  four\n  five\n"},
		{"  to: /a/very/long/path\n", 16, "  to:\n    /a/very/long\n    /path\n"},
		{"\x1b[31mwarning:\x1b[0m it is\n", 14, "\x1b[31mwarning:\x1b[0m it is\n"},
		{"no end of it", 8, "no end\n  of it"},
	} {
		if got := Fit(c.text, c.width); got != c.want {
			t.Errorf("%q in %d columns: %q", c.text, c.width, got)
		}
	}
	for width, want := range map[int]string{0: "s3://bucket/web1/app", 20: "s3://bucket/web1/app", 13: "s3://...1/app", 2: "s3"} {
		if got := Shorten("s3://bucket/web1/app", width); got != want {
			t.Errorf("%d columns: %s", width, got)
		}
	}
}
