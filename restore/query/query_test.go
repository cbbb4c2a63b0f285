package query

import (
	"context"
	"database/sql/driver"
	"errors"
	"math"
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
)

func TestSplit(t *testing.T) {
	for text, want := range map[string][]string{
		"":                            nil,
		" ;; -- nothing\n; /* ; */ ":  nil,
		"SELECT 1":                    {"SELECT 1"},
		"SELECT 1; SELECT 2;":         {"SELECT 1", "SELECT 2"},
		"SELECT ';' ; SELECT \";\"":   {"SELECT ';'", "SELECT \";\""},
		"SELECT 'it''s;' x;SELECT[;]": {"SELECT 'it''s;' x", "SELECT[;]"},
		"SELECT 1 -- a; b\n+ 2; x":    {"SELECT 1 -- a; b\n+ 2", "x"},
		"SELECT /* ; ' */ 1; /* open": {"SELECT /* ; ' */ 1"},
		"SELECT 'open; x":             {"SELECT 'open; x"},
		"SELECT `a``;`; é;":           {"SELECT `a``;`", "é"},
	} {
		var got []string
		for _, s := range Split(text) {
			got = append(got, s.SQL)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q", text, got)
		}
	}
	for text, want := range map[string]string{
		"SELECT :a, @b, $c, :a":      ":a @b $c",
		"SELECT ?, ?7":               "? ?7",
		"SELECT ':a', \":b\", [:c]":  "",
		"SELECT a$b, 1 -- :x\n":      "",
		"SELECT x'00', :größe1 + ::": ":größe1",
	} {
		if got := strings.Join(Split(text)[0].Parameters, " "); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	for text, want := range map[string]bool{"": false, "SELECT 1": false, "SELECT 1;": true, "SELECT 1; -- end\n": true, "SELECT ';": false, "SELECT 1; x": false} {
		if got := Complete(text); got != want {
			t.Errorf("%q is complete: %v", text, got)
		}
	}
}

// Whatever the text, no byte of it is lost but space, comments and semicolons.
func FuzzSplit(f *testing.F) {
	f.Add("SELECT ';' /* ; */, :a; SELECT 2 -- x")
	f.Fuzz(func(t *testing.T, text string) {
		at := 0
		for _, s := range Split(text) {
			found := strings.Index(text[at:], s.SQL)
			if found < 0 || s.SQL == "" {
				t.Fatalf("%q: %q", text, s.SQL)
			}
			at += found + len(s.SQL)
		}
	})
}

func TestParameters(t *testing.T) {
	for text, want := range map[string]driver.Value{
		"7": int64(7), "-9223372036854775808": int64(math.MinInt64), "9223372036854775808": "9223372036854775808",
		"007": "007", "+1": "+1", "-0": "-0", "1.5": 1.5, "-2.5e-3": -2.5e-3, "1e5": "1e5", "Inf": "Inf", "": "", "NULL": "NULL",
		"x'00ff'": []byte{0, 0xff}, "X''": []byte{}, "x'0'": "x'0'", "x'": "x'", "x": "x",
	} {
		if got := (Parameter{Text: text}).value(); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %T %v", text, got, got)
		}
	}
	statements := Split("SELECT :id, @name; SELECT $id")
	for _, c := range []struct {
		given []Parameter
		want  string
	}{
		{[]Parameter{{"id", "1"}, {"name", "x"}}, ""},
		{[]Parameter{{"id", "1"}}, "parameter @name has no value"},
		{[]Parameter{{"id", "1"}, {"name", "x"}, {"id", "2"}}, "parameter id has two values"},
		{[]Parameter{{"id", "1"}, {"name", "x"}, {"nam", "2"}}, "there is no parameter :nam in a statement"},
	} {
		if err := CheckParameters(statements, c.given); (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%v: %v", c.given, err)
		}
	}
	if err := CheckParameters(Split("SELECT ?1"), nil); err == nil || !strings.Contains(err.Error(), "give it a name") {
		t.Error(err)
	}
}

// A recorder keeps what it is given, and fails at the row that it is told.
type recorder struct {
	columns []string
	rows    [][]driver.Value
	failAt  int
}

var errSink = errors.New("no place")

func (r *recorder) Columns(names []string) error {
	r.columns = names
	return nil
}

func (r *recorder) Row(values []driver.Value) error {
	if r.rows = append(r.rows, append([]driver.Value{}, values...)); len(r.rows) == r.failAt {
		return errSink
	}
	return nil
}

func open(t *testing.T, schema string) *sqlite.Conn {
	path := filepath.Join(t.TempDir(), "a.db")
	sqlitetest.Exec(t, path, schema)
	c, err := sqlite.Open(path, 0, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestRun(t *testing.T) {
	c := open(t, "CREATE TABLE t(at DATETIME, ok BOOLEAN, v); INSERT INTO t VALUES ('no date', 7, x''), (1700000000, 'x', CAST(x'61ff00' AS TEXT)), (NULL, NULL, 0.5)")
	var got recorder
	more, err := Run(t.Context(), c, Request{SQL: "SELECT at, ok, v, :x AS x, v FROM t;", Parameters: []Parameter{{"x", "7"}}}, &got)
	if want := [][]driver.Value{{"no date", int64(7), []byte{}, int64(7), []byte{}}, {int64(1700000000), "x", "a\xff\x00", int64(7), "a\xff\x00"}, {nil, nil, 0.5, int64(7), 0.5}}; err != nil || more || !reflect.DeepEqual(got.rows, want) {
		t.Errorf("%#v, %v, %v", got.rows, more, err)
	}
	if want := []string{"at", "ok", "v", "x", "v"}; !reflect.DeepEqual(got.columns, want) {
		t.Errorf("columns %q", got.columns)
	}
	for max, want := range map[int64]bool{1: true, 2: true, 3: false, 4: false} {
		var got recorder
		if more, err := Run(t.Context(), c, Request{SQL: "VALUES (1), (2), (3)", MaxRows: max}, &got); err != nil || more != want || int64(len(got.rows)) != min(max, 3) {
			t.Errorf("at most %d: %d, %v, %v", max, len(got.rows), more, err)
		}
	}
	if _, err := Run(t.Context(), c, Request{SQL: "VALUES (1), (2), (3)"}, &recorder{failAt: 2}); !errors.Is(err, errSink) {
		t.Error(err)
	}
	limited, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Run(limited, c, Request{SQL: "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n) SELECT max(i) FROM n"}, &recorder{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	c := open(t, `CREATE TABLE orders(id, customer, total); CREATE TABLE customers(id, name); CREATE TABLE "odd`+"\n"+`name"(x);
		CREATE TABLE ours(a COLLATE NOCASE); CREATE INDEX i ON ours(a); INSERT INTO ours VALUES (1), (2);
		PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, 'NOCASE', 'OURS') WHERE name='ours'`)
	for sql, want := range map[string][2]string{
		"SELECT * FROM order_s":                      {"no such table: order_s", "is orders meant?"},
		"SELECT * FROM zzzzzzzz":                     {"no such table: zzzzzzzz", "the tables are orders, customers, odd\nname, ours"},
		"SELECT custmer FROM orders":                 {"no such column: custmer", "is customer meant?"},
		"SELECT o.zzzzzzzz FROM orders o":            {"no such column: o.zzzzzzzz", "the columns are id, customer, total"},
		"SELECT ourfunction(1)":                      {"no such function: ourfunction", "SQLite itself does not have that"},
		"SELECT a FROM ours ORDER BY a":              {"no such collation sequence: OURS", "COLLATE BINARY"},
		"SELECT abs(-9223372036854775807 - 1)":       {"integer overflow", ""},
		"SELECT zeroblob(1000000001)":                {"string or blob too big", ""},
		"SELECT":                                     {"incomplete input", ""},
		"SELECT 1 FORM orders":                       {"near \"orders\": syntax error", ""},
		"DELETE FROM orders":                         {"it must be one SELECT", ""},
		"WITH x AS (SELECT 1) DELETE FROM orders":    {"it must be one SELECT", ""},
		"PRAGMA query_only = OFF":                    {"it must be one SELECT", ""},
		"EXPLAIN SELECT 1":                           {"it must be one SELECT", ""},
		"ATTACH '/tmp/x' AS x":                       {"it must be one SELECT", ""},
		"SELECT load_extension('x')":                 {"no such function: load_extension", ""},
		"SELECT 1) SELECT 1; PRAGMA page_size; (":    {"syntax error", ""},
		"SELECT \x00":                                {"incomplete input", ""},
		"SELECT * FROM " + strings.Repeat("(", 5000): {"Recursion limit", ""},
	} {
		_, err := Run(t.Context(), c, Request{SQL: sql}, &recorder{})
		var wrong *Error
		if !errors.As(err, &wrong) || !errors.Is(err, ErrStatement) || !strings.Contains(wrong.Message, want[0]) || !strings.Contains(wrong.Hint, want[1]) || (want[1] == "") != (wrong.Hint == "") && want[0] != "no such function: load_extension" {
			t.Errorf("%.60q: %v, %+v", sql, err, wrong)
		}
	}
}

// What is right before an error is handed on.
func TestErrorAfterRows(t *testing.T) {
	c := open(t, "CREATE TABLE t(v)")
	var got recorder
	_, err := Run(t.Context(), c, Request{SQL: "SELECT abs(column1) FROM (VALUES (-1), (-9223372036854775807 - 1))"}, &got)
	if !errors.Is(err, ErrStatement) || len(got.rows) != 1 {
		t.Errorf("%v, %v", got.rows, err)
	}
}

// The driver returns ten million rows one by one.
func TestManyRows(t *testing.T) {
	c := open(t, "CREATE TABLE t(v)")
	n := &counter{}
	if _, err := Run(t.Context(), c, Request{SQL: "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i < 100000) SELECT i FROM n"}, n); err != nil || n.rows != 100000 {
		t.Errorf("%d, %v", n.rows, err)
	}
}

type counter struct{ rows int }

func (*counter) Columns([]string) error { return nil }
func (c *counter) Row([]driver.Value) error {
	c.rows++
	return nil
}
