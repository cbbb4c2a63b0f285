package answer

import (
	"bytes"
	"database/sql/driver"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

func plain(_ int, text string) string { return text }
func exactly(text string) string      { return text }

// nasty are values that a hostile database may hold.
var nasty = []driver.Value{
	nil, int64(7), int64(math.MinInt64), 0.1, 1e300, math.Inf(1), math.Inf(-1), 0.0,
	"", "NULL", "x'00'", "a,b", `say "hi"`, "two\r\nlines", "|", " space ",
	"\x1b[2J\x1b]0;title\x07", "caf\xe9", "\u202egnp", "数据库备份🙂", "a\x00b", strings.Repeat("数", 500), strings.Repeat("\xff", 1<<18),
	[]byte{}, []byte{0, 0xff}, bytes.Repeat([]byte{0xab}, 1<<18),
}

// write writes each value as a row of its own, beside its number.
func write(t *testing.T, w Writer, values []driver.Value) {
	t.Helper()
	if err := w.Columns([]string{"n", "value\x1b[31m"}); err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		if err := w.Row([]driver.Value{int64(i), v}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	table := NewTable(&b, 40, func(colour int, text string) string { return fmt.Sprintf("<%d>%s", colour, text) })
	for _, rows := range [][][]driver.Value{
		{{int64(1), "Ann", nil}, {int64(20), "NULL", 0.5}},
		{{nil, "数据库备份和恢复的名字很长很长", bytes.Repeat([]byte{1}, 99)}},
		nil,
	} {
		if err := table.Columns([]string{"id", "name", "sum\n"}); err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if err := table.Row(row); err != nil {
				t.Fatal(err)
			}
		}
		if err := table.End(); err != nil {
			t.Fatal(err)
		}
	}
	const want = `id  name    sum\n
 1  Ann      <33>NULL
20  'NULL'    0.5
  id  name              sum\n
<33>NULL  数据库...长很长   x'01010...(99 B)
`
	if got := b.String(); got != want {
		t.Errorf("%q", got)
	}
}

// Nothing that a table or lines print steers a terminal, and no line of a table is wider.
func TestForPeople(t *testing.T) {
	for _, width := range []int{40, 60, 80, 120} {
		var b strings.Builder
		write(t, NewTable(&b, width, plain), nasty)
		for _, line := range strings.Split(b.String(), "\n") {
			if got := runewidth.StringWidth(line); got > width {
				t.Errorf("%d columns: %d in %q", width, got, line)
			}
		}
		if got := strings.Count(b.String(), "\n"); got != len(nasty)+1 {
			t.Errorf("%d columns: %d lines", width, got)
		}
		if terminal.PrintableLines(b.String()) != b.String() || strings.Contains(b.String(), "\x1b") {
			t.Errorf("%d columns: not printable", width)
		}
	}
	var b strings.Builder
	write(t, NewLines(&b), nasty)
	if terminal.PrintableLines(b.String()) != b.String() || strings.Contains(b.String(), "\x1b") {
		t.Error("lines: not printable")
	}
	for _, want := range []string{"\n            n  = 6\nvalue\\x1b[31m  = -Inf\n\n", "= caf\\xe9\n", "= 'x'00''\n", "= two\\r\\nlines\n", "= NULL\n", "= 'NULL'\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lines have no %q", want)
		}
	}
}

// Numbers are never cut: a table that does not fit otherwise has lines in its place.
func TestWideTable(t *testing.T) {
	names, row := make([]string, 30), make([]driver.Value, 30)
	for i := range names {
		names[i], row[i] = fmt.Sprintf("c%d", i), int64(i)
	}
	var b strings.Builder
	table := NewTable(&b, 80, plain)
	if err := errors.Join(table.Columns(names), table.Row(row), table.End()); err != nil || !strings.Contains(b.String(), "\n c7  = 7\n") {
		t.Errorf("%v: %s", err, b.String())
	}
	b.Reset()
	table = NewTable(&b, 20, plain)
	if err := errors.Join(table.Columns([]string{"number", "text"}), table.Row([]driver.Value{int64(math.MinInt64), strings.Repeat("x", 1<<20)}), table.End()); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != "number  = -9223372036854775808\n  text  = xxxxxxxxx...xxxxxxxx\n" {
		t.Errorf("%q", got)
	}
}

// A table writes its rows in batches, each with its head: memory is bounded.
func TestLongTable(t *testing.T) {
	var b strings.Builder
	table := NewTable(&b, 80, plain)
	if err := table.Columns([]string{"n"}); err != nil {
		t.Fatal(err)
	}
	for i := range 2*batch + 1 {
		if err := table.Row([]driver.Value{int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(b.String(), "\n"); got != 2*batch+2 {
		t.Errorf("%d lines", got)
	}
	if err := table.End(); err != nil || strings.Count(b.String(), "n\n") != 3 {
		t.Errorf("%v: %s", err, b.String())
	}
}

// A reader of CSV gets every byte back.
func TestCSV(t *testing.T) {
	var b bytes.Buffer
	w := NewCSV(&b, exactly)
	write(t, w, nasty)
	if got := b.String(); !strings.HasPrefix(got, "n,value\x1b[31m\r\n0,\r\n1,7\r\n2,-9223372036854775808\r\n3,0.1\r\n") || !strings.Contains(got, "\r\n8,\"\"\r\n") {
		t.Errorf("%.200q", got)
	}
	// encoding/csv takes a line end within quotes for its own.
	rows, err := csv.NewReader(bytes.NewReader(bytes.ReplaceAll(b.Bytes(), []byte("two\r\n"), []byte("two\n")))).ReadAll()
	if err != nil || len(rows) != len(nasty)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, v := range nasty {
		want := strings.ReplaceAll(exact(v), "\r\n", "\n")
		if rows[i+1][1] != want {
			t.Errorf("%d: %.50q, want %.50q", i, rows[i+1][1], want)
		}
	}
	write(t, w, nil)
	if !strings.HasSuffix(b.String(), "\r\n\r\nn,value\x1b[31m\r\n") {
		t.Error("no empty line between two answers")
	}
	b.Reset()
	write(t, NewCSV(&b, terminal.Printable), nasty)
	if strings.ContainsAny(b.String(), "\x1b\x00\u202e") {
		t.Error("not printable on a terminal")
	}
}

func TestList(t *testing.T) {
	var b strings.Builder
	write(t, NewList(&b, exactly), []driver.Value{nil, "a|b", 1.0, []byte{1}})
	if got := b.String(); got != "0|\n1|a|b\n2|1.0\n3|x'01'\n" {
		t.Errorf("%q", got)
	}
}

type head struct {
	URL string `json:"url"`
}

type tail struct {
	Error string `json:"error"`
}

type document struct {
	head
	Answers []Answer `json:"answers"`
	tail
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	j, err := NewJSON(&b, head{"file:///<a>"}, func() string { return "SELECT '\x1b'" })
	if err != nil {
		t.Fatal(err)
	}
	write(t, j, nasty)
	write(t, j, nil)
	if err := errors.Join(j.Columns([]string{"open"}), j.Row([]driver.Value{int64(1)}), j.Close(tail{"it \u202e broke"})); err != nil {
		t.Fatal(err)
	}
	if terminal.PrintableLines(b.String()) != b.String() {
		t.Error("not printable")
	}
	var got document
	d := json.NewDecoder(bytes.NewReader(bytes.ReplaceAll(b.Bytes(), []byte("9e999"), []byte("9e99"))))
	d.UseNumber()
	if err := d.Decode(&got); err != nil {
		t.Fatalf("%v: %.2000s", err, b.String())
	}
	if got.URL != "file:///<a>" || got.Error != "it \u202e broke" || len(got.Answers) != 3 || got.Answers[0].SQL != "SELECT '\x1b'" || len(got.Answers[1].Rows) != 0 || got.Answers[1].Rows == nil {
		t.Errorf("%+v", got.Answers[1:])
	}
	rows := got.Answers[0].Rows
	for i, want := range map[int]any{
		0: nil, 1: json.Number("7"), 2: json.Number("-9223372036854775808"), 3: json.Number("0.1"), 4: json.Number("1e300"), 5: json.Number("9e99"), 6: json.Number("-9e99"), 7: json.Number("0.0"),
		8: "", 9: "NULL", 17: `caf\xe9`, 20: "a\x00b", 23: "x''", 24: "x'00ff'",
	} {
		if !reflect.DeepEqual(rows[i][1], want) {
			t.Errorf("%d: %v, want %v", i, rows[i][1], want)
		}
	}
	b.Reset()
	if j, err = NewJSON(&b, head{"u"}, nil); err != nil || j.Close(tail{"none"}) != nil || json.Unmarshal(b.Bytes(), &got) != nil || len(got.Answers) != 0 {
		t.Errorf("without an answer: %s", b.String())
	}
}

// What cannot be written is an error, now or at the end.
func TestFullStdout(t *testing.T) {
	j, err := NewJSON(full{}, head{}, func() string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]Writer{"table": NewTable(full{}, 80, plain), "lines": NewLines(full{}), "list": NewList(full{}, exactly), "csv": NewCSV(full{}, exactly), "json": j} {
		err := errors.Join(w.Columns([]string{"a"}), w.Row([]driver.Value{"b"}), w.End())
		if !errors.Is(err, errFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
