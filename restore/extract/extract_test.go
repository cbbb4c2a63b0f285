package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// values are those that are easily changed on the way.
const values = `(NULL), (1), (-9223372036854775808), (9223372036854775807), (1.0), (0.1), (1e308), (9e999), (-9e999), (5e-324), (''), (x''),
	('a''b'), ('line' || char(10) || 'line'), ('cr' || char(13, 10)), ('nul' || char(0) || 'nul'), (CAST(x'fffe41' AS TEXT)), (CAST(x'00d8' AS TEXT)), ('ä€😀'), ('go' || char(10) || 'go' || char(10) || '.quit'),
	(char(27) || '[31m'), (x'00ff'), (zeroblob(70000)), ('123'), ('1e3'), (char(65279) || 'bom'), (-0.0), (1e15), (123456789012345678)`

// kinds are tables of every kind, each by its name.
var kinds = map[string]string{
	"plain":                      `CREATE TABLE plain (v); INSERT INTO plain VALUES ` + values,
	"rowids":                     `CREATE TABLE rowids (v TEXT, d DATETIME, b BOOLEAN, s TIMESTAMP); INSERT INTO rowids (rowid, v, d, b, s) VALUES (5, 'a', '2026-01-01', 7, 99), (-3, 'b', 'x', 1, 'y'), (1000, 'c', NULL, 0, 1.5)`,
	"affinity":                   `CREATE TABLE affinity (i INTEGER, r REAL, t TEXT, n NUMERIC, b BLOB); INSERT INTO affinity VALUES ('x', 1, 2, '3.0', 4), (1, 1.5, x'00', '1e500', 'b')`,
	"pk":                         `CREATE TABLE pk (id INTEGER PRIMARY KEY, v UNIQUE, w); INSERT INTO pk VALUES (7, 'a', 1), (-2, 'b', 2), (9223372036854775807, 'c', 3); CREATE INDEX pk_w ON pk (w DESC) WHERE w > 1; CREATE UNIQUE INDEX pk_e ON pk (lower(v), w + 1)`,
	"descpk":                     `CREATE TABLE descpk (id INTEGER PRIMARY KEY DESC, v); INSERT INTO descpk (rowid, id, v) VALUES (2, 9, 'a'), (3, 8, 'b'), (5, NULL, 'c')`,
	"descalias":                  `CREATE TABLE descalias (id INTEGER, v, PRIMARY KEY (id DESC)); INSERT INTO descalias VALUES (4, 'a'), (9, 'b')`,
	"textpk":                     `CREATE TABLE textpk (id TEXT PRIMARY KEY, v); INSERT INTO textpk (rowid, id, v) VALUES (30, 'z', 1), (10, 'a', 2), (20, 'm', 3)`,
	"norowid":                    `CREATE TABLE norowid (a TEXT COLLATE NOCASE, b, c, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO norowid VALUES ('z', 1, 2), ('A', 2, 3), ('b', x'00', NULL)`,
	"stric":                      `CREATE TABLE stric (a INT, b ANY, c TEXT NOT NULL) STRICT; INSERT INTO stric VALUES (1, '5', 'c'), (NULL, 5, ''), (2, 5.0, 'x')`,
	"both":                       `CREATE TABLE both (k INTEGER PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID; INSERT INTO both VALUES (2, 'x'), (1, x'01')`,
	"generated":                  `CREATE TABLE generated (a INTEGER, s TEXT GENERATED ALWAYS AS (a || 's') STORED, v AS (a * 2), b DEFAULT 5); CREATE INDEX generated_v ON generated (v); INSERT INTO generated (rowid, a, b) VALUES (4, 1, 2), (9, 7, NULL)`,
	"auto":                       `CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT, v); INSERT INTO auto VALUES (1, 'a'), (500, 'b'); DELETE FROM auto WHERE id = 500`,
	"hidden":                     `CREATE TABLE hidden (rowid TEXT, v); INSERT INTO hidden (_rowid_, rowid, v) VALUES (77, 'not a number', 1), (3, 'x', 2)`,
	"checked":                    `CREATE TABLE checked (a CHECK (a > 0), b DEFAULT (hex(x'01')) COLLATE RTRIM, CONSTRAINT u UNIQUE (b, a) ON CONFLICT REPLACE); INSERT INTO checked VALUES (1, 'x '), (2, 'x')`,
	`odd "name' ` + "\n.shell x": `CREATE TABLE "odd ""name' ` + "\n" + `.shell x" ("select" INTEGER, "a b""c", [from], ` + "`order`" + `); INSERT INTO "odd ""name' ` + "\n" + `.shell x" VALUES (1, 2, 3, 4); CREATE INDEX "in""dex" ON "odd ""name' ` + "\n" + `.shell x" ("a b""c", "select")`,
	"wide":                       `CREATE TABLE wide (v); INSERT INTO wide SELECT printf('%0*d', 100 + value * 37, value) FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 500) SELECT value FROM n)`,
}

// Every kind of table comes out as it is, in each encoding and page size.
func TestKinds(t *testing.T) {
	for _, settings := range []string{
		"PRAGMA page_size = 512; PRAGMA encoding = 'UTF-8'; PRAGMA user_version = 7; PRAGMA application_id = -3",
		"PRAGMA page_size = 4096; PRAGMA encoding = 'UTF-16le'; PRAGMA auto_vacuum = 1; PRAGMA journal_mode = wal",
		"PRAGMA page_size = 65536; PRAGMA encoding = 'UTF-16be'; PRAGMA auto_vacuum = 2",
	} {
		t.Run(settings, func(t *testing.T) {
			statements, names := settings, []string{}
			for name, sql := range kinds {
				statements, names = statements+";"+sql, append(names, name)
			}
			path := makeDB(t, statements)
			to, report := mustExtract(t, path, Request{Tables: names})
			same(t, path, to, names...)
			if len(report.Tables) != len(kinds) || len(report.LeftOut) != 0 || !report.Whole() {
				t.Errorf("reported %+v", report)
			}
			for _, pragma := range []string{"page_size", "encoding", "auto_vacuum", "user_version", "application_id"} {
				if want, got := rows(t, path, "PRAGMA "+pragma), rows(t, to, "PRAGMA "+pragma); !slices.Equal(want, got) {
					t.Errorf("%s is %s, want %s", pragma, got, want)
				}
			}
			if got := rows(t, to, "SELECT name, seq FROM sqlite_sequence"); !slices.Equal(got, []string{"auto|500"}) {
				t.Errorf("AUTOINCREMENT goes on from %q", got)
			}
			// By itself each table is as complete.
			for name := range kinds {
				if !strings.Contains(settings, "512") {
					break
				}
				to, _ := mustExtract(t, path, Request{Tables: []string{name}})
				same(t, path, to, name)
			}
			replayed := replay(t, to)
			same(t, to, replayed, names...)
		})
	}
}

// replay writes a database as a script, and has the stock tool run it.
func replay(t *testing.T, path string) string {
	t.Helper()
	var script bytes.Buffer
	if err := Script(t.Context(), path, &script); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "replayed.db")
	tool := exec.Command("sqlite3", "-bail", to)
	tool.Stdin = &script
	if out, err := tool.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("sqlite3: %v: %s", err, out)
	}
	if got := rows(t, to, "PRAGMA integrity_check"); !slices.Equal(got, []string{"ok"}) {
		t.Fatal(got)
	}
	return to
}

// Numbers keep every bit in a script.
func TestScriptNumbers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var values []string
	for range 3000 {
		if f := math.Float64frombits(random.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			values = append(values, fmt.Sprintf("(%.17g), (%d)", f, int64(random.Uint64())))
		}
	}
	path := makeDB(t, "CREATE TABLE n (v); INSERT INTO n VALUES "+strings.Join(values, ", "))
	same(t, path, replay(t, path), "n")
}

const texts = `CREATE TABLE notes (id INTEGER PRIMARY KEY, title, body); INSERT INTO notes VALUES (1, 'one', 'quick brown fox'), (5, 'two', 'lazy dog'), (9, NULL, 'fox again');
	CREATE VIRTUAL TABLE own USING fts5(title, body UNINDEXED, tokenize = 'porter'); INSERT INTO own (rowid, title, body) SELECT id, title, body FROM notes; INSERT INTO own (own, rank) VALUES ('rank', 'bm25(2.0)');
	CREATE VIRTUAL TABLE "ext'ern, (al" USING fts5(title, body, content='notes', content_rowid = "id"); INSERT INTO "ext'ern, (al" ("ext'ern, (al") VALUES ('rebuild');
	CREATE VIRTUAL TABLE less USING fts5(body, content=''); INSERT INTO less (rowid, body) SELECT id, body FROM notes;
	CREATE VIRTUAL TABLE deleting USING fts5(body, content='', contentless_delete=1); INSERT INTO deleting (rowid, body) SELECT id, body FROM notes; DELETE FROM deleting WHERE rowid = 5;
	CREATE VIRTUAL TABLE four USING fts4(title, body, notindexed=title, tokenize=unicode61); INSERT INTO four (docid, title, body) SELECT id, title, body FROM notes;
	CREATE VIRTUAL TABLE fourext USING fts4(content="notes", title, body); INSERT INTO fourext (fourext) VALUES ('rebuild');
	CREATE VIRTUAL TABLE three USING fts3(body); INSERT INTO three (docid, body) SELECT id, body FROM notes;
	CREATE VIRTUAL TABLE terms USING fts5vocab(own, row);
	CREATE VIRTUAL TABLE box USING rtree(id, x0, x1, +label); INSERT INTO box VALUES (1, 0.5, 1.25, 'a'), (7, -3, 4, 'b')`

// Virtual tables find what they found.
func TestVirtual(t *testing.T) {
	path := makeDB(t, texts)
	all := []string{"own", "ext'ern, (al", "less", "deleting", "four", "fourext", "three", "terms", "box", "NOTES"}
	to, report := mustExtract(t, path, Request{Tables: all})
	queries := []string{
		"SELECT rowid, title, body, rank FROM own('one') ORDER BY rank", "SELECT rowid, * FROM own", "SELECT * FROM terms",
		`SELECT rowid, * FROM "ext'ern, (al"('fox')`, "SELECT rowid FROM less('fox')", "SELECT rowid FROM deleting('fox OR dog')", "SELECT docid, * FROM four WHERE four MATCH 'fox'",
		"SELECT docid, * FROM fourext WHERE fourext MATCH 'lazy'", "SELECT docid, * FROM three WHERE three MATCH 'again'", "SELECT * FROM box WHERE x0 < 1 AND x1 > 2", "SELECT * FROM box",
		"SELECT * FROM own_config", "SELECT * FROM notes",
	}
	tools, _ := mustExtract(t, path, Request{Tables: slices.DeleteFunc(slices.Clone(all), func(name string) bool { return name == "deleting" })})
	for name, other := range map[string]string{"extracted": to, "replayed": replay(t, tools)} {
		for _, query := range queries {
			if name == "replayed" && strings.Contains(query, "deleting") {
				continue // an option that many a tool does not know
			}
			if want, got := rows(t, path, query), rows(t, other, query); len(want) == 0 || !slices.Equal(want, got) {
				t.Errorf("%s: %s: %q, want %q", name, query, got, want)
			}
		}
	}
	if len(report.Tables) != len(all) || report.Tables[0].Name != "notes" {
		t.Errorf("reported %+v", report.Tables)
	}
	for request, want := range map[string]string{
		"own_content": "own_content is a part of the virtual table own", "ext'ern, (al": "takes its content from notes: extract that table too", "nothing": "there is no table nothing; there are notes, own",
	} {
		if _, _, err := extracted(t, path, Request{Tables: []string{request}}); !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", request, err)
		}
	}
}

// Rows that a condition chooses, and a query's result as a table.
func TestChosen(t *testing.T) {
	path := makeDB(t, `CREATE TABLE customers (id INTEGER PRIMARY KEY, name); INSERT INTO customers VALUES (1, 'a'), (2, 'b');
		CREATE TABLE orders (id INTEGER PRIMARY KEY, customer REFERENCES customers, total REAL); INSERT INTO orders VALUES (1, 1, 5), (2, 2, 6), (3, 2, 7); CREATE VIEW v AS SELECT * FROM orders`)
	to, report := mustExtract(t, path, Request{Tables: []string{"orders"}, Where: "customer IN (SELECT id FROM customers WHERE name = 'b') -- theirs"})
	if got := rows(t, to, "SELECT id FROM orders"); !slices.Equal(got, []string{"2", "3"}) || report.Tables[0].Rows != 2 {
		t.Errorf("got %q, %+v", got, report)
	}
	if want := []Dangling{{Table: "orders", Parent: "customers", Rows: 2}}; !slices.Equal(report.Dangling, want) {
		t.Errorf("dangling %+v", report.Dangling)
	}
	to, report = mustExtract(t, path, Request{Query: "SELECT name, sum(total) AS total, x'01' AS b FROM customers JOIN orders ON customer = customers.id GROUP BY name ORDER BY 1 DESC;", As: `the "result"`})
	if got := rows(t, to, `SELECT rowid, name, total, hex(b) FROM "the ""result"""`); !slices.Equal(got, []string{"1|b|13|01", "2|a|5|01"}) || report.Tables[0].Rows != 2 {
		t.Errorf("got %q, %+v", got, report)
	}
	for _, r := range []Request{
		{Tables: []string{"orders"}, Where: "1) OR (1"}, {Tables: []string{"orders"}, Where: "1); DROP TABLE orders; SELECT (1"}, {Tables: []string{"orders"}, Where: "1 LIMIT 1"},
		{Tables: []string{"orders"}, Where: "nothing = 1"}, {Tables: []string{"orders", "customers"}, Where: "1"}, {Tables: []string{"v"}}, {Tables: []string{"sqlite_schema"}},
		{Query: "DELETE FROM orders", As: "x"}, {Query: "SELECT 1; SELECT 2", As: "x"}, {Query: "SELECT 1) SELECT (1", As: "x"}, {Query: "PRAGMA user_version", As: "x"},
		{Tables: []string{"orders"}, Where: "id = :id"}, {Query: "SELECT * FROM orders WHERE id = ?", As: "x"},
		{Query: "ATTACH 'x' AS y", As: "x"}, {Query: "SELECT 1", As: "sqlite_x"}, {Query: "SELECT load_extension('x')", As: "x"},
	} {
		if to, _, err := extracted(t, path, r); !errors.Is(err, ErrRequest) {
			t.Errorf("%+v: %v", r, err)
		} else if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%+v: made a file: %v", r, err)
		}
	}
}

// Triggers and views come along where they are asked for and lack nothing.
func TestTriggersAndViews(t *testing.T) {
	path := makeDB(t, `CREATE TABLE a (id INTEGER PRIMARY KEY, v); CREATE TABLE log (v); CREATE TABLE b (v); INSERT INTO a VALUES (1, 'x'); INSERT INTO log VALUES ('old');
		CREATE TRIGGER a_log AFTER INSERT ON a BEGIN INSERT INTO log VALUES (new.v); END; CREATE TRIGGER a_b AFTER UPDATE OF v ON a BEGIN UPDATE b SET v = new.v; END;
		CREATE TRIGGER a_gone BEFORE DELETE ON a BEGIN SELECT RAISE(ABORT, 'no'); END;
		CREATE VIEW fine AS SELECT v FROM a; CREATE VIEW lacking AS SELECT * FROM b; CREATE VIEW above AS SELECT * FROM lacking; CREATE VIEW loop1 AS SELECT * FROM loop2; CREATE VIEW loop2 AS SELECT * FROM loop1;
		CREATE TRIGGER fine_in INSTEAD OF INSERT ON fine BEGIN INSERT INTO a (v) VALUES (new.v); END`)
	to, report := mustExtract(t, path, Request{Tables: []string{"a", "log"}, Triggers: true, Views: true})
	same(t, path, to, "a", "log")
	if got := rows(t, to, "SELECT name FROM sqlite_schema WHERE type IN ('trigger', 'view') ORDER BY 1"); !slices.Equal(got, []string{"a_gone", "a_log", "fine"}) {
		t.Errorf("got %q", got)
	}
	left := map[string]string{}
	for _, o := range report.LeftOut {
		left[o.Name] = o.Why
	}
	for name, want := range map[string]string{"a_b": "no such table: main.b", "lacking": "no such table: main.b", "above": "no such table: main.b", "loop1": "circularly defined", "loop2": "circularly defined", "fine_in": "triggers of views are not extracted"} {
		if !strings.Contains(left[name], want) {
			t.Errorf("%s: %q", name, left[name])
		}
	}
	if len(left) != 6 || report.Whole() {
		t.Errorf("left out %+v", report.LeftOut)
	}
	if _, report = mustExtract(t, path, Request{Tables: []string{"a"}}); len(report.LeftOut) != 3 || !report.Whole() {
		t.Errorf("left out %+v", report.LeftOut)
	}
}

// What only the application has is named before anything is read, and an index that
// its rows contradict is left out.
func TestMissing(t *testing.T) {
	path := makeDB(t, `CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 2), (1, 3); CREATE INDEX i ON t (a); CREATE TABLE c (a); CREATE TABLE f (a); CREATE INDEX fi ON f (a); CREATE TABLE m (a); CREATE TABLE tok (a);
		PRAGMA writable_schema = ON;
		UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX i ON t (a)' WHERE name = 'i'; UPDATE sqlite_schema SET sql = 'CREATE TABLE c (a COLLATE icu_de)' WHERE name = 'c'; UPDATE sqlite_schema SET sql = 'CREATE INDEX fi ON f (fold(a))' WHERE name = 'fi';
		UPDATE sqlite_schema SET rootpage = 0, sql = 'CREATE VIRTUAL TABLE m USING spellfix1(a)' WHERE name = 'm'; UPDATE sqlite_schema SET rootpage = 0, sql = 'CREATE VIRTUAL TABLE tok USING fts5(a, tokenize=snowball)' WHERE name = 'tok'`)
	for name, want := range map[string]string{"c": "no such collation sequence: icu_de", "f": "fold", "m": "spellfix1", "tok": "no such tokenizer: snowball"} {
		if _, _, err := extracted(t, path, Request{Tables: []string{name}}); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, report := mustExtract(t, path, Request{Tables: []string{"t"}})
	if len(report.LeftOut) != 1 || report.LeftOut[0].Name != "i" || report.Whole() {
		t.Errorf("left out %+v", report.LeftOut)
	}
}

// A row that contradicts the schema is not dropped where the table's own clause says so.
func TestConflictClause(t *testing.T) {
	for _, clause := range []string{"x TEXT NOT NULL ON CONFLICT IGNORE", "x TEXT DEFAULT 'changed' NOT NULL ON CONFLICT REPLACE"} {
		path := makeDB(t, `CREATE TABLE p (x); INSERT INTO p VALUES ('a'), (NULL);
			PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = `+literal("CREATE TABLE p ("+clause+")"))
		if _, _, err := extracted(t, path, Request{Tables: []string{"p"}}); !errors.Is(err, ErrContent) {
			t.Errorf("%s: %v", clause, err)
		}
		var script bytes.Buffer
		if err := Script(t.Context(), path, &script); err != nil {
			t.Fatal(err)
		}
		tool := exec.Command("sqlite3", "-bail", filepath.Join(t.TempDir(), "replayed.db"))
		tool.Stdin = &script
		if out, err := tool.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("NOT NULL constraint failed")) {
			t.Errorf("%s: the script: %v: %s", clause, err, out)
		}
	}
}

// The pages of other tables are not read, nor those of indexes: a table of which all
// others are overwritten comes out whole.
func TestReadsOnlyItsOwnPages(t *testing.T) {
	// The index has all that is copied and is narrower than the table: SQLite prefers it.
	path := makeDB(t, `CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT UNIQUE, g TEXT AS (v || '1'), h TEXT AS (v || '2')); CREATE TABLE b (id INTEGER PRIMARY KEY, v); CREATE INDEX ai ON a (v, id);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO a SELECT i, hex(randomblob(20)) FROM n; INSERT INTO b SELECT id, v FROM a`)
	damaged := filepath.Join(t.TempDir(), "damaged.db")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const pageSize = 4096
	destroyed := 0
	for _, row := range rows(t, path, "SELECT rootpage FROM sqlite_schema WHERE name IN ('b', 'ai', 'sqlite_autoindex_a_1')") {
		var page int
		fmt.Sscan(row, &page)
		copy(content[(page-1)*pageSize:page*pageSize], bytes.Repeat([]byte{0xee}, pageSize))
		destroyed++
	}
	if err := os.WriteFile(damaged, content, 0o600); err != nil || destroyed != 3 {
		t.Fatal(destroyed, err)
	}
	to, _ := mustExtract(t, damaged, Request{Tables: []string{"a"}})
	same(t, path, to, "a")
	if _, _, err := extracted(t, damaged, Request{Tables: []string{"b"}}); err == nil {
		t.Error("a damaged table was extracted")
	}
}

// A cancelled extraction ends at once.
func TestCancelled(t *testing.T) {
	path := makeDB(t, "CREATE TABLE t (v); INSERT INTO t VALUES (1)")
	c, err := sqlite.Open(path, 0, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	c.RegisterAuthorizer(func(int, string, string, string) int { cancel(); return 0 })
	_, err = Copy(ctx, c, filepath.Join(t.TempDir(), "new.db"), Request{Query: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n", As: "x"})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
