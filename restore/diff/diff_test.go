package diff

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
)

// A history is a database in two states.
type history struct{ old, new string }

// newHistory makes a database and changes it.
func newHistory(t testing.TB, made, change string) history {
	t.Helper()
	dir := t.TempDir()
	h := history{filepath.Join(dir, "old.db"), filepath.Join(dir, "new.db")}
	sqlitetest.Exec(t, h.old, "PRAGMA synchronous = OFF; "+made)
	content, err := os.ReadFile(h.old)
	if err == nil {
		err = os.WriteFile(h.new, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	sqlitetest.Exec(t, h.new, "PRAGMA synchronous = OFF; "+change)
	return h
}

func numbered(rows int) string {
	return fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d)", rows)
}

// SQLite changes the end of a long value in place: only an overflow page differs, to
// which nothing leads that does.
func TestLongValuesInPlace(t *testing.T) {
	made := "CREATE TABLE a (id INTEGER PRIMARY KEY, x, y); CREATE TABLE b (id TEXT PRIMARY KEY, x) WITHOUT ROWID; CREATE TABLE c (x);" +
		numbered(300) + "INSERT INTO a SELECT i, hex(zeroblob(i * 20)), 10000 + i FROM n;" +
		numbered(300) + "INSERT INTO b SELECT 'key ' || i, hex(zeroblob(i * 20)) || (10000 + i) FROM n;" +
		numbered(50) + "INSERT INTO c SELECT hex(zeroblob(9000)) FROM n"
	for change, want := range map[string]string{
		"UPDATE a SET y = 20000 WHERE id IN (200, 299)":                                "a 0 0 2",
		"UPDATE b SET x = hex(zeroblob(5000)) || 20000 WHERE id = 'key 250'":           "b 0 0 1",
		"UPDATE a SET y = 20000 WHERE id = 200; UPDATE a SET x = 'short' WHERE id = 1": "a 0 0 2",
		// Their leaf differs, but for another row of it.
		"UPDATE a SET y = 20000 WHERE id = 110; UPDATE a SET x = 'Z' || substr(x, 2) WHERE id = 111":                   "a 0 0 2",
		"UPDATE a SET x = substr(x, 1, length(x)/2) || 'X' || substr(x, length(x)/2 + 2) WHERE id BETWEEN 290 AND 294": "a 0 0 5",
		// What comes and goes beside it explains other overflow pages, not that one.
		"UPDATE a SET y = 20000 WHERE id = 299; DELETE FROM c WHERE rowid < 9; INSERT INTO c SELECT hex(randomblob(4000)) FROM a LIMIT 3": "a 0 0 1, c 3 8 0",
		"DELETE FROM c; UPDATE b SET x = hex(zeroblob(5000)) || 20000 WHERE id = 'key 250'":                                               "b 0 0 1, c 0 50 0",
	} {
		for _, setting := range []string{"", "PRAGMA auto_vacuum = 2; ", "PRAGMA secure_delete = ON; "} {
			h := newHistory(t, setting+made, setting+change)
			for _, fromOld := range []bool{false, true} {
				if got := counts(compareFiles(t, h.old, h.new, Options{FromOld: fromOld})); got != want {
					t.Errorf("%s%s: %s, want %s", setting, change, got, want)
				}
			}
		}
	}
}

// counts returns how many rows differ in which table.
func counts(r *Result) string {
	var all []string
	for _, d := range r.Tables {
		if d.Differs(false) {
			all = append(all, fmt.Sprintf("%s %d %d %d", d.Name, d.Added, d.Removed, d.Changed))
		}
	}
	return strings.Join(all, ", ")
}

// A key that only one side has can be that of many rows on the other, of which none is
// lost.
func TestKeysThatDiffer(t *testing.T) {
	for _, c := range []struct{ made, change, want string }{
		{"CREATE TABLE t (a, b, PRIMARY KEY (a, b)); INSERT INTO t VALUES (1, 1), (1, 2), (1, 3)",
			"DROP TABLE t; CREATE TABLE t (a PRIMARY KEY, b) WITHOUT ROWID; INSERT INTO t VALUES (1, 1)", "t 0 2 0"},
		{"CREATE TABLE k (a TEXT PRIMARY KEY); INSERT INTO k VALUES ('x'), ('X'), ('y')",
			"DROP TABLE k; CREATE TABLE k (a TEXT PRIMARY KEY COLLATE NOCASE); INSERT INTO k VALUES ('x'), ('y')", "k 0 1 0"},
		{"CREATE TABLE d (a); INSERT INTO d VALUES (1), (2), (3)",
			"CREATE TABLE d2 (id INT NOT NULL DEFAULT 0 PRIMARY KEY, a); INSERT INTO d2 VALUES (0, 1); DROP TABLE d; ALTER TABLE d2 RENAME TO d", "d 0 2 0"},
		{"CREATE TABLE n (a PRIMARY KEY, b); INSERT INTO n VALUES (1, NULL), (NULL, 5), (NULL, 5)",
			"DROP TABLE n; CREATE TABLE n (a, b, c INT PRIMARY KEY); INSERT INTO n VALUES (NULL, 5, NULL), (1, NULL, NULL), (1, 1, 1)", "n 1 1 0"},
		{"CREATE TABLE o (a, b, c, PRIMARY KEY (a, b)); INSERT INTO o VALUES (1, 1, 1), (1, 2, 2)",
			"DROP TABLE o; CREATE TABLE o (a, b, c, PRIMARY KEY (b, a)) WITHOUT ROWID; INSERT INTO o VALUES (1, 1, 1), (1, 2, 3)", "o 0 0 1"},
	} {
		h := newHistory(t, c.made, c.change)
		for _, fromOld := range []bool{false, true} {
			if got := counts(compareFiles(t, h.old, h.new, Options{FromOld: fromOld})); got != c.want {
				t.Errorf("%s: %s, want %s", c.change, got, c.want)
			}
		}
	}
}

// A key that a database has twice, though it should not, is two rows.
func TestKeysTwice(t *testing.T) {
	h := newHistory(t, "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 1), (1, 2), (1, 3)", "DELETE FROM t WHERE b > 1")
	old, _ := side(t, h.old)
	new, _ := side(t, h.new)
	for _, s := range []Schema{old.Schema, new.Schema} {
		s.Tables[0].Key = []KeyColumn{{Column: 0, Collation: "BINARY"}}
	}
	r, err := Compare(t.Context(), old, new, AllPages(2), Options{})
	if err != nil || counts(r) != "t 0 2 0" {
		t.Errorf("%v, %v", counts(r), err)
	}
}

// An integer and the floating-point number of the same value are two values, but in a
// column that has no integers.
func TestKindsOfNumbers(t *testing.T) {
	for _, c := range []struct{ kind, made, change, want string }{
		{"", "1", "UPDATE a SET x = 1.0", "a 0 0 1"},
		{"BLOB", "1.0", "UPDATE a SET x = 1", "a 0 0 1"},
		{"REAL", "1", "UPDATE a SET x = 1.0", ""},
		{"INT", "1", "UPDATE a SET x = 1.0", ""},
		{"INT", "1", "DROP TABLE a; CREATE TABLE a (id INTEGER PRIMARY KEY, x REAL); INSERT INTO a VALUES (1, 1)", ""},
		{"INT", "1", "ALTER TABLE a ADD COLUMN y INT DEFAULT 5.0; UPDATE a SET y = y", ""},
		{"INT", "1", "ALTER TABLE a ADD COLUMN y DEFAULT 5.0; UPDATE a SET y = 5", "a 0 0 1"},
	} {
		h := newHistory(t, fmt.Sprintf("CREATE TABLE a (id INTEGER PRIMARY KEY, x %s); INSERT INTO a VALUES (1, %s)", c.kind, c.made), c.change)
		if got := counts(compareFiles(t, h.old, h.new, Options{})); got != c.want {
			t.Errorf("%s: %s: %s, want %s", c.kind, c.change, got, c.want)
		}
	}
}

// A summary of one table says nothing of another one's long values.
func TestSummaryOfOneTable(t *testing.T) {
	h := newHistory(t, "CREATE TABLE a (id INTEGER PRIMARY KEY, x, y); CREATE TABLE b (id INTEGER PRIMARY KEY, x);"+
		numbered(300)+"INSERT INTO a SELECT i, hex(zeroblob(i * 20)), 10000 + i FROM n; INSERT INTO b SELECT id, x FROM a",
		"UPDATE a SET y = 20000 WHERE id = 299")
	for table, same := range map[string]bool{"a": false, "b": true} {
		if r := compareFiles(t, h.old, h.new, Options{Summary: true, Tables: []string{table}}); r.Same != same || r.LoosePages > 0 {
			t.Errorf("%s: %+v", table, r)
		}
	}
}

// A counter counts the bytes that are read of either side.
type counter struct {
	io.ReaderAt
	pages map[int64]bool
}

func (c counter) ReadAt(p []byte, off int64) (int, error) {
	c.pages[off>>12] = true
	return c.ReaderAt.ReadAt(p, off)
}

// What is equal is not read: of a large table in which one range of rows has changed,
// only few pages besides those that differ.
func TestReadsLittle(t *testing.T) {
	h := newHistory(t, "PRAGMA page_size = 4096; CREATE TABLE a (id INTEGER PRIMARY KEY, x, y TEXT); CREATE INDEX ax ON a (x); CREATE TABLE b (id INTEGER PRIMARY KEY, x TEXT, y TEXT);"+
		"CREATE TABLE w (k TEXT COLLATE NOCASE, i INT, x TEXT, PRIMARY KEY (k, i DESC)) WITHOUT ROWID;"+
		numbered(60000)+"INSERT INTO a SELECT i, i % 1000, hex(randomblob(30)) FROM n;"+
		numbered(60000)+"INSERT INTO b SELECT i, hex(randomblob(30)), 'b' FROM n;"+
		numbered(30000)+"INSERT INTO w SELECT hex(randomblob(8)), i, hex(randomblob(40)) FROM n",
		"UPDATE a SET y = 'new' || id WHERE id BETWEEN 30000 AND 30300; UPDATE w SET x = 'y' WHERE k BETWEEN 'AA' AND 'AB'")
	old, before := side(t, h.old)
	new, after := side(t, h.new)
	differs, err := Differing(digests(before, 4096), digests(after, 4096), max(len(before), len(after))/4096)
	if err != nil {
		t.Fatal(err)
	}
	read := [2]counter{{old.Pages, map[int64]bool{}}, {new.Pages, map[int64]bool{}}}
	old.Pages, new.Pages = read[0], Overlay(read[0], read[1], 4096, differs)
	r, err := Compare(context.Background(), old, new, differs, Options{})
	if err != nil || counts(r) == "" {
		t.Fatal(r, err)
	}
	t.Logf("%s; %d pages differ of %d, read %d and %d", counts(r), differs.Len(), len(after)/4096, len(read[0].pages), len(read[1].pages))
	if len(read[1].pages) > differs.Len()+1 || len(read[0].pages) > differs.Len()+25 {
		t.Errorf("of %d pages that differ, read %d and %d", differs.Len(), len(read[0].pages), len(read[1].pages))
	}
}

func TestSchema(t *testing.T) {
	h := newHistory(t, "CREATE TABLE a (x, y); CREATE INDEX ai ON a (x); CREATE VIEW v AS SELECT 1; CREATE TABLE gone (x); PRAGMA user_version = 3",
		"ALTER TABLE a ADD COLUMN z; ALTER TABLE a DROP COLUMN y; DROP INDEX ai; DROP VIEW v; CREATE VIEW v AS SELECT 2; DROP TABLE gone; CREATE TABLE new (x PRIMARY KEY); PRAGMA user_version = 4")
	r := compareFiles(t, h.old, h.new, Options{})
	var got []string
	for _, c := range r.Schema {
		got = append(got, strings.Join(append([]string{string(c.Change), c.Kind, c.Name}, c.Columns...), " "))
	}
	want := []string{"added index sqlite_autoindex_new_1", "changed table a -y +z", "added table new", "changed view v", "removed index ai", "removed table gone"}
	if !slices.Equal(got, want) || fmt.Sprint(r.Settings) != "[{user_version 3 4}]" {
		t.Errorf("%q, %v", got, r.Settings)
	}
	one := compareFiles(t, h.old, h.new, Options{Tables: []string{"GONE"}})
	if len(one.Schema) != 1 || len(one.Settings) != 0 || len(one.Tables) != 1 || one.Tables[0].Change != Removed {
		t.Errorf("%+v", one)
	}
}

// Other pages with the same rows are no difference, but one in a summary.
func TestVacuum(t *testing.T) {
	h := newHistory(t, "CREATE TABLE a (id INTEGER PRIMARY KEY, x); CREATE TABLE b (x UNIQUE);"+numbered(3000)+"INSERT INTO a SELECT i, hex(randomblob(20)) FROM n; INSERT INTO b SELECT x FROM a; DELETE FROM a WHERE id % 3 = 0",
		"VACUUM")
	if r := compareFiles(t, h.old, h.new, Options{}); !r.Same || r.Pages == 0 {
		t.Errorf("%+v", r)
	}
	if r := compareFiles(t, h.old, h.new, Options{Summary: true}); r.Same {
		t.Errorf("%+v", r)
	}
	resized := newHistory(t, "CREATE TABLE a (id INTEGER PRIMARY KEY, x);"+numbered(3000)+"INSERT INTO a SELECT i, hex(randomblob(20)) FROM n", "PRAGMA page_size = 8192; VACUUM; DELETE FROM a WHERE id = 7")
	old, _ := side(t, resized.old)
	new, _ := side(t, resized.new)
	r, err := Compare(t.Context(), old, new, NewPageSet(1), Options{})
	if err != nil || counts(r) != "a 0 1 0" {
		t.Errorf("%v, %v", r, err)
	}
}

// The content of a virtual table is that of its shadow tables.
func TestVirtualTables(t *testing.T) {
	h := newHistory(t, "CREATE VIRTUAL TABLE docs USING fts5(body); CREATE TABLE docs_x (a); INSERT INTO docs VALUES ('one two'), ('three')", "INSERT INTO docs VALUES ('four'); INSERT INTO docs_x VALUES (1)")
	r := compareFiles(t, h.old, h.new, Options{Tables: []string{"docs"}})
	var of []string
	for _, d := range r.Tables {
		of = append(of, d.Name+" "+d.ShadowOf)
	}
	if !slices.Contains(of, "docs_content docs") || slices.Contains(of, "docs_x docs") || r.Same {
		t.Error(of)
	}
}

// The pages of a WITHOUT ROWID table whose collation only its application has are
// compared by bytes.
func TestUnknownCollation(t *testing.T) {
	h := newHistory(t, "CREATE TABLE a (k TEXT, x, PRIMARY KEY (k)) WITHOUT ROWID;"+numbered(3000)+"INSERT INTO a SELECT 'k' || i, hex(randomblob(20)) FROM n", "UPDATE a SET x = 1 WHERE k = 'k777'")
	old, before := side(t, h.old)
	new, after := side(t, h.new)
	for _, s := range []Schema{old.Schema, new.Schema} {
		s.Tables[0].Key[0].Collation = "unicode"
	}
	h1, err := sqlite.ParseHeader(after)
	if err != nil {
		t.Fatal(err)
	}
	differs, err := Differing(digests(before, h1.PageSize), digests(after, h1.PageSize), len(after)/h1.PageSize)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Compare(t.Context(), old, new, differs, Options{})
	if err != nil || counts(r) != "a 0 0 1" {
		t.Errorf("%v, %v", r, err)
	}
}
