package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/check"
)

// made returns a database that the stock shell makes with sql.
func made(t *testing.T, sql string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.db")
	out, err := exec.Command("sqlite3", "-bail", path, ".dbconfig defensive off", "CREATE TABLE other(a); INSERT INTO other VALUES (1);"+sql).CombinedOutput()
	if err != nil {
		t.Fatalf("sqlite3: %v\n%s", err, out)
	}
	return path
}

// declare replaces the declaration of a table or index, as an application has it.
func declare(name, sql string) string {
	return fmt.Sprintf("; PRAGMA writable_schema=on; UPDATE sqlite_master SET sql='%s' WHERE name='%s';", strings.ReplaceAll(sql, "'", "''"), name)
}

func checkCopy(t *testing.T, path string, o CopyOptions, level CheckLevel) error {
	t.Helper()
	o.TempDir = t.TempDir()
	c, err := Take(t.Context(), path, o)
	if err != nil {
		return err
	}
	return errors.Join(c.Check(t.Context(), level), c.Close())
}

// What only the application has is no damage, and does not hide any.
func TestCheckWithoutTheApplication(t *testing.T) {
	const (
		fts5 = "CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES ('a b')"
		fts4 = "CREATE VIRTUAL TABLE f USING fts4(x); INSERT INTO f VALUES ('a b')"
		rows = "CREATE TABLE t(a TEXT NOT NULL); INSERT INTO t VALUES ('x'), ('y')"
	)
	damage := "; CREATE TABLE n(a INT); INSERT INTO n VALUES (NULL)" + declare("n", "CREATE TABLE n(a INT NOT NULL)")
	for name, c := range map[string]struct {
		sql         string
		quick, full error
		says        string
	}{
		"tokenizer of fts5":     {fts5 + declare("f", "CREATE VIRTUAL TABLE f USING fts5(x, tokenize=mine)"), ErrUncheckable, ErrUncheckable, "no such tokenizer: mine"},
		"base tokenizer":        {fts5 + declare("f", "CREATE VIRTUAL TABLE f USING fts5(x, tokenize='porter mine')"), ErrUncheckable, ErrUncheckable, `table "f"`},
		"tokenizer of fts4":     {fts4 + declare("f", "CREATE VIRTUAL TABLE f USING fts4(x, tokenize=mine)"), ErrUncheckable, ErrUncheckable, "unknown tokenizer: mine"},
		"tokenizer of fts3":     {strings.Replace(fts4, "fts4", "fts3", 1) + declare("f", "CREATE VIRTUAL TABLE f USING fts3(x, tokenize=icu de_DE)"), ErrUncheckable, ErrUncheckable, "icu"},
		"module":                {"CREATE VIRTUAL TABLE f USING fts5(x)" + declare("f", "CREATE VIRTUAL TABLE f USING vec0(x)"), nil, nil, ""},
		"collation":             {rows + "; CREATE INDEX i ON t(a)" + declare("i", "CREATE INDEX i ON t(a COLLATE mine)"), ErrUncheckable, ErrUncheckable, "collation sequence: mine"},
		"function of an index":  {rows + "; CREATE INDEX i ON t(upper(a))" + declare("i", "CREATE INDEX i ON t(mine(a))"), nil, ErrUncheckable, "mine()"},
		"function of a CHECK":   {rows + declare("t", "CREATE TABLE t(a TEXT CHECK(mine(a)))"), ErrUncheckable, ErrUncheckable, "mine()"},
		"operator of a CHECK":   {rows + declare("t", "CREATE TABLE t(a TEXT CHECK(a REGEXP 'x'))"), ErrUncheckable, ErrUncheckable, "unknown function: "},
		"MATCH in a CHECK":      {rows + declare("t", "CREATE TABLE t(a TEXT CHECK(a MATCH 'x'))"), ErrUncheckable, ErrUncheckable, "MATCH"},
		"odd name":              {rows + declare("t", "CREATE TABLE t(a TEXT CHECK(mine(a)))") + `ALTER TABLE other RENAME TO "a""b'c";`, ErrUncheckable, ErrUncheckable, "1 of 2 tables"},
		"function, and damage":  {rows + declare("t", "CREATE TABLE t(a TEXT CHECK(mine(a)))") + damage, ErrSource, ErrSource, "NULL value in n.a"},
		"tokenizer, and damage": {fts5 + declare("f", "CREATE VIRTUAL TABLE f USING fts5(x, tokenize=mine)") + damage, ErrSource, ErrSource, "NULL value in n.a"},
		"damaged fts5":          {fts5 + "; UPDATE f_data SET block=x'00112233' WHERE id > 10", ErrSource, ErrSource, "fts5: corruption"},
		"fts5 without settings": {fts5 + "; DELETE FROM f_config", ErrSource, ErrSource, "invalid fts5 file format"},
		"damaged fts4":          {fts4 + "; UPDATE f_segdir SET root=x'0011'", ErrSource, ErrSource, "malformed inverted index"},
		"damaged rtree":         {"CREATE VIRTUAL TABLE r USING rtree(id, a, b); INSERT INTO r VALUES (1, 2, 3); UPDATE r_node SET data=x'00'", ErrSource, ErrSource, "RTree"},
		"half an rtree":         {"CREATE VIRTUAL TABLE r USING rtree(id, a, b); PRAGMA writable_schema=on; DELETE FROM sqlite_master WHERE name='r_node'", ErrSource, ErrSource, "r_node"},
	} {
		t.Run(name, func(t *testing.T) {
			path := made(t, c.sql)
			for level, want := range map[CheckLevel]error{CheckQuick: c.quick, CheckFull: c.full, CheckNone: nil} {
				err := checkCopy(t, path, CopyOptions{}, level)
				if !errors.Is(err, want) || errors.Is(err, ErrSource) != (want == ErrSource) {
					t.Errorf("%s: got %v, want %v", level, err, want)
				}
				if want != nil && !strings.Contains(fmt.Sprint(err), c.says) {
					t.Errorf("%s: %v does not say %q", level, err, c.says)
				}
			}
		})
	}
}

// VACUUM needs what the schema names; a copy page for page does not.
func TestVacuumWithoutTheApplication(t *testing.T) {
	path := made(t, "CREATE TABLE t(a TEXT); CREATE INDEX i ON t(a)"+declare("i", "CREATE INDEX i ON t(a COLLATE mine)"))
	err := checkCopy(t, path, CopyOptions{Method: MethodVacuum}, CheckNone)
	if !errors.Is(err, ErrCannotVacuum) || errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "collation sequence: mine") {
		t.Errorf("got %v", err)
	}
	if err := checkCopy(t, path, CopyOptions{}, CheckNone); err != nil {
		t.Error(err)
	}
}

// A violated CHECK constraint is found, and the file that is checked stays as
// it is, whatever its journal mode: its digest may be computed meanwhile.
func TestCheckConstraints(t *testing.T) {
	for _, mode := range []string{"delete", "wal"} {
		for _, level := range []CheckLevel{CheckQuick, CheckFull} {
			for _, good := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%s/%v", mode, level, good), func(t *testing.T) {
					value := map[bool]string{true: "1", false: "-1"}[good]
					path := made(t, "PRAGMA journal_mode="+mode+"; CREATE TABLE t(a CHECK(a > 0)); PRAGMA ignore_check_constraints=1; INSERT INTO t VALUES ("+value+")")
					before, old := state(t, path), stat(t, path)
					err := check.File(t.Context(), path, "the copy", level)
					if good && err != nil || !good && (!errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "CHECK constraint failed in t")) {
						t.Errorf("got %v", err)
					}
					if after := state(t, path); after != before || !stat(t, path).ModTime().Equal(old.ModTime()) {
						t.Errorf("the checked file, or what stands beside it, has changed:\n%.300s\n%.300s", before, after)
					}
					if _, err := os.Stat(path + "-shm"); err == nil {
						t.Error("a -shm file is left")
					}
					if err := checkCopy(t, path, CopyOptions{}, level); errors.Is(err, ErrSource) == good {
						t.Errorf("of a copy: %v", err)
					}
				})
			}
		}
	}
}

func stat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// A check that runs beside the hashing of the copy does not disturb it.
func TestCheckBesideDigest(t *testing.T) {
	c := take(t, bank(t, "wal", 10), CopyOptions{})
	checked := make(chan error, 1)
	before, err := os.ReadFile(c.path)
	if err != nil {
		t.Fatal(err)
	}
	go func() { checked <- c.Check(t.Context(), CheckFull) }()
	first, err := c.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-checked; err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(c.path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the copy has changed: %v", err)
	}
	second, err := c.Digest(t.Context(), nil)
	if err != nil || first.String() != second.String() {
		t.Errorf("%s, then %s: %v", first, second, err)
	}
}
