package extract

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func masked(t *testing.T, path, script string) (string, Masking, error) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "masked.db")
	m, err := Mask(t.Context(), path, to, script)
	return to, m, err
}

const people = `PRAGMA journal_mode = wal; CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, note); INSERT INTO people VALUES (1, 'secret-one@example.com', 'a'), (2, 'secret-two@example.com', hex(zeroblob(9000)) || 'secret-three');
	CREATE INDEX people_email ON people (email); CREATE TABLE history (email); CREATE TABLE gone (v); INSERT INTO gone VALUES ('secret-four'); CREATE TABLE free (v); INSERT INTO free VALUES ('secret-five'); DELETE FROM free;
	CREATE TRIGGER keep AFTER UPDATE ON people BEGIN INSERT INTO history VALUES (old.email); END; CREATE TRIGGER of_gone AFTER INSERT ON gone BEGIN SELECT 1; END;
	CREATE VIRTUAL TABLE found USING fts5(email, note, content='people', content_rowid='id'); INSERT INTO found (found) VALUES ('rebuild'); CREATE VIRTUAL TABLE own USING fts5(v); INSERT INTO own VALUES ('secretfts here');
	CREATE VIRTUAL TABLE four USING fts4(v); INSERT INTO four VALUES ('secretfour here'); CREATE TABLE rowids (v); INSERT INTO rowids (rowid, v) VALUES (7, 'x'), (9, 'y');
	ANALYZE; PRAGMA writable_schema = ON; CREATE TABLE sqlite_stat4x (tbl, idx, neq, nlt, ndlt, sample); INSERT INTO sqlite_stat4x VALUES ('people', 'people_email', '1', '0', '0', CAST('secret-sample' AS BLOB));
	UPDATE sqlite_schema SET name = 'sqlite_stat4', tbl_name = 'sqlite_stat4', sql = 'CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)' WHERE name = 'sqlite_stat4x'`

const maskScript = `-- What must not leave; neither "here' nor there
/* ; */
PRAGMA secure_delete;
UPDATE people SET email = 'user' || id || ';@example.com',
	note = NULL;
DROP TABLE gone;
UPDATE own SET v = 'masked';
UPDATE four SET v = 'masked';
CREATE TRIGGER mine AFTER INSERT ON history BEGIN
	SELECT CASE WHEN 1 THEN 2 END;
END;
INSERT INTO history VALUES ('kept')`

// Nothing of what a script masks is left in any page of the file.
func TestMask(t *testing.T) {
	path := makeDB(t, people)
	to, m, err := masked(t, path, maskScript)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	if i := bytes.Index(content, []byte("secret")); i >= 0 {
		t.Errorf("the masked file has %q", content[i:i+20])
	}
	for query, want := range map[string][]string{
		"SELECT id, email, note FROM people":                                     {"1|user1;@example.com|", "2|user2;@example.com|"},
		"SELECT email FROM history":                                              {"kept"}, // the database's own trigger has not run
		"SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY 1":       {"keep", "mine"},
		"SELECT rowid FROM found('user1')":                                       {"1"},
		"SELECT v FROM own('masked')":                                            {"masked"},
		"SELECT v FROM four WHERE four MATCH 'masked'":                           {"masked"},
		"SELECT rowid, v FROM rowids":                                            {"7|x", "9|y"},
		"PRAGMA journal_mode":                                                    {"wal"},
		"PRAGMA integrity_check":                                                 {"ok"},
		"SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'people'":                 {"1"},
		"SELECT count(*) FROM sqlite_stat4":                                      {"0"},
		"SELECT email FROM people INDEXED BY people_email WHERE email < 'user2'": {"user1;@example.com"},
	} {
		if got := rows(t, to, query); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if m.Statements != 7 || m.Rows != 5 || !slices.Equal(m.Rebuilt, []string{"found", "own", "four"}) || len(m.LeftOut) != 1 || m.LeftOut[0].Name != "of_gone" {
		t.Errorf("reported %+v", m)
	}
}

// A statement that fails is named, and there is no file.
func TestMaskFails(t *testing.T) {
	for script, want := range map[string]string{
		"UPDATE people SET note = 1;\n\n-- and\nUPDATE nobody SET x = 1":   "statement 2 of the script, on line 4, failed: no such table: nobody: UPDATE nobody",
		"/*\n*/ INSERT INTO people\nVALUES (1, 2, 3)":                      "statement 1 of the script, on line 2, failed: UNIQUE",
		"ATTACH '/tmp/x.db' AS x":                                          "too many attached databases",
		"VACUUM INTO '/tmp/x.db'":                                          "too many attached databases",
		"SELECT load_extension('x')":                                       "load_extension",
		"UPDATE people SET email = :mask":                                  "not enough args",
		".shell ls":                                                        `statement 1 of the script, on line 1, failed: near "."`,
		"-- nothing; ":                                                     "has no statement",
		"BEGIN; DELETE FROM people":                                        "leaves a transaction open",
		"SELECT 'unended; UPDATE people SET email = 1; ":                   "unrecognized token",
		"CREATE TRIGGER x AFTER INSERT ON people BEGIN SELECT 1; UPDATE p": "incomplete input",
	} {
		to, _, err := masked(t, makeDB(t, people), script)
		if !errors.Is(err, ErrStatement) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", script, err)
		}
		if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q: made a file: %v", script, err)
		}
	}
}

// An index that cannot be masked is refused, unless the script drops its table.
func TestMaskContentless(t *testing.T) {
	path := makeDB(t, `CREATE TABLE kept (v); CREATE VIRTUAL TABLE less USING fts5(v, content=''); INSERT INTO less (rowid, v) VALUES (1, 'secretword');
		CREATE VIRTUAL TABLE four USING fts4(v, content=''); INSERT INTO four (docid, v) VALUES (1, 'secretword')`)
	to, _, err := masked(t, path, "DELETE FROM kept")
	if !errors.Is(err, ErrStatement) || !strings.Contains(err.Error(), "less, four: drop them in the script") {
		t.Error(err)
	}
	if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("made a file: %v", err)
	}
	to, _, err = masked(t, path, "DROP TABLE less; DROP TABLE four")
	if err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(to); err != nil || bytes.Contains(content, []byte("secret")) {
		t.Errorf("the masked file has a secret, or %v", err)
	}
}

// A script is split where the stock tool splits it.
func TestStatements(t *testing.T) {
	for script, want := range map[string][]string{
		"":       nil,
		" ;; \n": nil,
		"a;b":    {"a;", "b"},
		"\ufeffSELECT ';', \"a;\"\"b\", `;`, [;] -- ;\n, /* ; ' */ 1; -- last":        {"SELECT ';', \"a;\"\"b\", `;`, [;] -- ;\n, /* ; ' */ 1;"},
		"create temp trigger t begin select 1; select case when 2 then 3 end; end; x": {"create temp trigger t begin select 1; select case when 2 then 3 end; end;", "x"},
		"CREATE /* a */ TRIGGER t BEGIN SELECT 'END'; END -- ;\n ; DELETE FROM x;":    {"CREATE /* a */ TRIGGER t BEGIN SELECT 'END'; END -- ;\n ;", "DELETE FROM x;"},
		"CREATE TABLE trigger_t (a); SELECT \"create trigger\"; ":                     {"CREATE TABLE trigger_t (a);", "SELECT \"create trigger\";"},
		"'unended": {"'unended"}, "/* unended": nil,
	} {
		var got []string
		for _, s := range statements(script) {
			got = append(got, s.sql)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", script, got, want)
		}
	}
}

// A hostile schema cannot make the tool that reads the script do anything else.
func TestHostileScript(t *testing.T) {
	for name, statements := range map[string]string{
		"go":             "CREATE TABLE go (shell); INSERT INTO go VALUES (1); CREATE VIEW v AS SELECT 1,\ngo\n.shell touch FROM go",
		"comment":        "CREATE TABLE t (a) ; INSERT INTO t VALUES ('*/;' || char(10) || '.shell touch owned' || char(10)); PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a) /* '",
		"second":         "CREATE TABLE t (a); PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a);' || char(10) || '.shell touch owned'",
		"value":          "CREATE TABLE t (a); INSERT INTO t VALUES (''';' || char(10) || '.shell touch owned'), (char(10) || '/' || char(10) || '.shell touch owned')",
		"name":           "CREATE TABLE \"a\n.shell touch owned\n\" (a); CREATE TABLE \"b\"\"\n;\n.shell touch owned\n\" (a); INSERT INTO \"b\"\"\n;\n.shell touch owned\n\" VALUES (1)",
		"line to itself": "CREATE TABLE t (a DEFAULT ('\n/\n')); CREATE VIEW w AS SELECT 6\n/\n2 -- go\n AS a",
	} {
		path := makeDB(t, statements)
		var script bytes.Buffer
		err := Script(t.Context(), path, &script)
		if refused := name == "comment" || name == "second"; refused != (err != nil) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		t.Chdir(t.TempDir())
		replay(t, path)
		if left, err := filepath.Glob("*"); err != nil || len(left) > 0 {
			t.Errorf("%s: the script made %q, %v", name, left, err)
		}
	}
}
