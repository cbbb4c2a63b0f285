package diff

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/restore/diff/btree"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// Whatever happens to a database, Compare finds what a comparison of all rows by SQL
// finds.
func TestComparesAsSQLDoes(t *testing.T) {
	seeds := 16
	if needs.Few() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, rand: rand.New(rand.NewPCG(uint64(seed), 7)), path: filepath.Join(t.TempDir(), "app.db")}
			w.begin()
			for range 3 {
				old := w.copy()
				for range 1 + w.rand.IntN(4) {
					w.change()
				}
				w.compare(old, w.copy())
			}
		})
	}
}

// A world is a database that things happen to.
type world struct {
	t    *testing.T
	rand *rand.Rand
	path string
	db   *sql.DB
	log  []string
	made int // tables and columns
}

func (w *world) exec(format string, args ...any) {
	w.t.Helper()
	statement := fmt.Sprintf(format, args...)
	w.log = append(w.log, statement)
	if _, err := w.db.Exec(statement); err != nil && !strings.Contains(err.Error(), "constraint") {
		w.t.Fatalf("%s: %v", statement, err)
	}
}

func (w *world) pick(of ...string) string { return of[w.rand.IntN(len(of))] }

func (w *world) begin() {
	db, err := sql.Open("sqlite3", w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	w.t.Cleanup(func() { db.Close() })
	w.db = db
	w.exec("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY")
	w.exec("PRAGMA page_size = %s", w.pick("512", "1024", "4096", "65536"))
	w.exec("PRAGMA auto_vacuum = %s", w.pick("0", "0", "1", "2"))
	w.exec("PRAGMA encoding = '%s'", w.pick("UTF-8", "UTF-8", "UTF-8", "UTF-16le", "UTF-16be"))
	w.exec("PRAGMA secure_delete = %s", w.pick("OFF", "ON", "FAST"))
	for range 3 {
		w.table()
	}
	for range 3 {
		w.insert(w.anyTable(), w.rand.IntN(600))
	}
	w.exec("PRAGMA user_version = 1")
}

func (w *world) table() {
	w.made++
	name := fmt.Sprintf("t%d", w.made)
	switch w.rand.IntN(6) {
	case 0:
		w.exec("CREATE TABLE %s (id INTEGER PRIMARY KEY, a, b TEXT, c REAL)", name)
	case 1:
		w.exec("CREATE TABLE %s (a, b TEXT, c REAL)", name)
	case 2:
		w.exec("CREATE TABLE %s (a INT, b TEXT COLLATE %s, c, PRIMARY KEY (b, a %s)) WITHOUT ROWID", name, w.pick("NOCASE", "BINARY", "RTRIM"), w.pick("DESC", "ASC"))
	case 3:
		w.exec("CREATE TABLE %s (a TEXT PRIMARY KEY COLLATE %s, b, c)", name, w.pick("NOCASE", "BINARY"))
	case 4:
		w.exec("CREATE TABLE %s (a, b, id INTEGER PRIMARY KEY AUTOINCREMENT, c, d AS (a || b) VIRTUAL, e AS (length(c)) STORED)", name)
	case 5:
		w.exec("CREATE TABLE %s (a, b TEXT, c UNIQUE)", name)
		w.exec("CREATE INDEX i%s ON %s (b, a)", name, name)
	}
}

func (w *world) tables() (names []string) {
	rows, err := w.db.Query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 't%' ORDER BY 1")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			w.t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func (w *world) anyTable() string {
	names := w.tables()
	if len(names) == 0 {
		w.table()
		return w.anyTable()
	}
	return names[w.rand.IntN(len(names))]
}

// value returns an SQL expression that depends on i.
func (w *world) value() string {
	return w.pick("i", "i * 1.5", "NULL", "'text ' || i", "hex(randomblob(i % 90))", "zeroblob(i % 40)", "CAST(i AS REAL)",
		"hex(randomblob(abs(random()) % 3000))", "randomblob(abs(random()) % 9000)", "'Ab' || char(65 + i % 60) || '  '")
}

func (w *world) insert(table string, rows int) {
	w.exec("INSERT OR REPLACE INTO %s (a, b, c) SELECT %s, %s, %s FROM (WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n LIMIT %d) SELECT i FROM n WHERE %d > 0)",
		table, w.value(), w.value(), w.value(), w.rand.IntN(900), max(rows, 1), rows)
}

// where returns a condition that some rows meet.
func (w *world) where(table string) string {
	var n int
	if err := w.db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	from, length := w.rand.IntN(n+1), 1+w.rand.IntN(n/3+1)
	key := "rowid"
	if !w.hasRowid(table) {
		key = "a, b"
	}
	switch w.rand.IntN(4) {
	case 0: // a range
		return fmt.Sprintf("WHERE (%s) IN (SELECT %s FROM %s ORDER BY 1 LIMIT %d OFFSET %d)", key, key, table, length, from)
	case 1: // scattered
		return fmt.Sprintf("WHERE (%s) IN (SELECT %s FROM %s ORDER BY random() LIMIT %d)", key, key, table, 1+w.rand.IntN(5))
	case 2: // one
		return fmt.Sprintf("WHERE (%s) IN (SELECT %s FROM %s LIMIT 1 OFFSET %d)", key, key, table, from)
	}
	return ""
}

func (w *world) hasRowid(table string) bool {
	var wr int
	if err := w.db.QueryRow("SELECT wr FROM pragma_table_list(?)", table).Scan(&wr); err != nil {
		w.t.Fatal(err)
	}
	return wr == 0
}

// change makes something happen.
func (w *world) change() {
	table := w.anyTable()
	switch w.rand.IntN(14) {
	case 0, 1:
		w.insert(table, w.rand.IntN(300))
	case 2, 3:
		w.exec("UPDATE OR IGNORE %s SET %s = (SELECT %s FROM (SELECT abs(random() %% 500) AS i)) %s", table, w.pick("a", "b", "c"), w.value(), w.where(table))
	case 4: // in place, at the end of long values
		w.exec("UPDATE OR IGNORE %s SET c = CASE typeof(c) WHEN 'text' THEN substr(c, 1, length(c) - 1) || '%d' WHEN 'blob' THEN CAST(substr(c, 1, length(c) - 1) || x'%02x' AS BLOB) ELSE c END %s", table, w.rand.IntN(10), w.rand.IntN(255), w.where(table))
	case 5, 6:
		w.exec("DELETE FROM %s %s", table, w.where(table))
	case 7:
		w.exec("VACUUM")
	case 8:
		w.table()
		w.insert(fmt.Sprintf("t%d", w.made), w.rand.IntN(300))
	case 9:
		if w.rand.IntN(3) == 0 {
			w.exec("DROP TABLE %s", table)
		}
	case 10:
		w.made++
		w.exec("ALTER TABLE %s ADD COLUMN x%d %s DEFAULT %s", table, w.made, w.pick("", "TEXT", "INT", "REAL"), w.pick("NULL", "7", "'5'", "x'00ff'", "-1.5", "5.0"))
		w.exec("UPDATE %s SET x%d = %s %s", table, w.made, w.pick("3", "'z'", "NULL"), w.where(table))
	case 11:
		w.made++
		w.exec("CREATE INDEX j%d ON %s (%s)", w.made, table, w.pick("a", "b", "c, a"))
	case 12:
		w.exec("UPDATE %s SET b = b %s", table, w.where(table)) // nothing
		w.exec("PRAGMA incremental_vacuum(%d)", w.rand.IntN(9))
	case 13:
		w.exec("ANALYZE")
		w.exec("REINDEX")
	}
}

// copy returns a copy of the database file, page for page.
func (w *world) copy() string {
	content, err := os.ReadFile(w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	f, err := os.CreateTemp(w.t.TempDir(), "")
	if err == nil {
		_, err = f.Write(content)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	f.Close()
	return f.Name()
}

func (w *world) compare(old, new string) {
	w.t.Helper()
	for _, fromOld := range []bool{false, true} {
		got := found(w.t, old, new, Options{FromOld: fromOld})
		want := byHand(w.t, old, new)
		if !slices.Equal(got, want) {
			w.t.Fatalf("from the old side: %v: %s\n%s", fromOld, firstDifference(got, want), strings.Join(w.log, ";\n"))
		}
	}
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(want):
			return fmt.Sprintf("%d and %d; too much: %.400s", len(got), len(want), got[i])
		case i >= len(got):
			return fmt.Sprintf("%d and %d; missing: %.400s", len(got), len(want), want[i])
		case got[i] != want[i]:
			return fmt.Sprintf("got %.400s, want %.400s", got[i], want[i])
		}
	}
	return ""
}

// digests yields the digest of each page of a file.
func digests(content []byte, pageSize int) Digests {
	return func(yield func([]byte, error) bool) {
		for page := range slices.Chunk(content, pageSize) {
			d := sha256.Sum256(page)
			if !yield(d[:16], nil) {
				return
			}
		}
	}
}

// side opens a database file as one side.
func side(t testing.TB, path string) (Side, []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := sqlite.Open(path, 0, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	schema, err := ReadSchema(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return Side{Pages: bytes.NewReader(content), Size: int64(len(content)), Schema: schema}, content
}

// compareFiles compares two database files.
func compareFiles(t testing.TB, old, new string, o Options) *Result {
	t.Helper()
	a, before := side(t, old)
	b, after := side(t, new)
	h, err := sqlite.ParseHeader(after)
	if err != nil {
		t.Fatal(err)
	}
	differs, err := Differing(digests(before, h.PageSize), digests(after, h.PageSize), max(len(before), len(after))/h.PageSize)
	if err != nil {
		t.Fatal(err)
	}
	b.Pages = Overlay(a.Pages, b.Pages, h.PageSize, differs)
	r, err := Compare(context.Background(), a, b, differs, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// found returns what Compare finds in the rows of tables, in order.
func found(t testing.TB, old, new string, o Options) (lines []string) {
	t.Helper()
	o.MaxRows, o.MaxValue = 1<<30, 1<<30
	counted := map[string]int64{}
	o.Rows = func(d *TableDiff, r Row) error {
		counted[d.Name]++
		if strings.HasPrefix(d.Name, "sqlite_") {
			return nil
		}
		line := fmt.Sprint(d.Name, " ", r.Change)
		if len(d.Key) == 0 {
			line += fmt.Sprint(" row ", r.Rowid)
		}
		for i, name := range d.Columns {
			if r.Old != nil && (r.Change != Changed || r.Differ[i] || slices.Contains(d.Key, i)) {
				line += fmt.Sprintf(" -%s=%s", name, show(r.Old[i]))
			}
			if r.New != nil && (r.Change != Changed || r.Differ[i] || slices.Contains(d.Key, i)) {
				line += fmt.Sprintf(" +%s=%s", name, show(r.New[i]))
			}
		}
		lines = append(lines, line)
		return nil
	}
	result := compareFiles(t, old, new, o)
	for _, d := range result.Tables {
		if n := d.Added + d.Removed + d.Changed; n != counted[d.Name] {
			t.Errorf("%s: %d rows counted, %d shown", d.Name, n, counted[d.Name])
		}
	}
	slices.Sort(lines)
	return lines
}

func show(v btree.Value) string {
	switch v.Kind {
	case btree.Null:
		return "NULL"
	case btree.Integer:
		return fmt.Sprint(v.Int)
	case btree.Real:
		return fmt.Sprintf("%gr", v.Float)
	case btree.Text:
		return fmt.Sprintf("%q", v.Bytes)
	}
	return fmt.Sprintf("x%x", v.Bytes)
}
