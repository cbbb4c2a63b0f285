package diff

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/diff/btree"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
)

const hostilePageSize = 512

// hostile returns two states of a small database with all kinds of pages.
func hostile(t testing.TB) (old, new []byte, schemas [2]Schema) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	sqlitetest.Exec(t, path, `PRAGMA page_size = 512; PRAGMA synchronous = OFF;
		CREATE TABLE a (id INTEGER PRIMARY KEY, x, y); CREATE INDEX ai ON a (x);
		CREATE TABLE b (k TEXT PRIMARY KEY COLLATE NOCASE, v) WITHOUT ROWID; CREATE TABLE c (k UNIQUE, v TEXT PRIMARY KEY);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 700) INSERT INTO a SELECT i, hex(randomblob(20)), i FROM n;
		INSERT INTO a SELECT id + 9000, zeroblob(1500), 1 FROM a LIMIT 9;
		INSERT INTO b SELECT x || id, y FROM a WHERE id < 400; INSERT INTO c SELECT id, x || id FROM a WHERE id < 400`)
	read := func(i int) (content []byte) {
		s, content := side(t, path)
		schemas[i] = s.Schema
		return content
	}
	old = read(before)
	sqlitetest.Exec(t, path, `PRAGMA synchronous = OFF; UPDATE a SET y = y + 1 WHERE id % 90 = 3; DELETE FROM a WHERE id BETWEEN 300 AND 350;
		UPDATE a SET x = zeroblob(1499) || 'x' WHERE id = 9003; UPDATE b SET v = 3 WHERE k LIKE 'a%'; DELETE FROM c WHERE k % 7 = 1; INSERT INTO c VALUES (-1, hex(zeroblob(900)))`)
	return old, read(after), schemas
}

// compareHostile compares what may be no databases any more. It must end, without a
// panic, and without much memory.
func compareHostile(old, new []byte, schemas [2]Schema) (*Result, error) {
	pages := max(len(old), len(new)) / hostilePageSize
	differs, err := Differing(digests(old, hostilePageSize), digests(new, hostilePageSize), pages)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	return Compare(ctx, Side{Pages: bytes.NewReader(old), Size: int64(len(old)), Schema: schemas[before]}, Side{Pages: bytes.NewReader(new), Size: int64(len(new)), Schema: schemas[after]}, differs,
		Options{Rows: func(*TableDiff, Row) error { return nil }, MaxRows: 10, MaxValue: 100, FromOld: len(old)%2 == 0})
}

// Bytes that are set anywhere in one of the databases make Compare fail, or find more
// differences, or fewer.
func TestHostilePages(t *testing.T) {
	old, new, schemas := hostile(t)
	random := rand.New(rand.NewPCG(1, 2))
	ended := map[bool]int{}
	for range 500 {
		both := [2][]byte{bytes.Clone(old), bytes.Clone(new)}
		for range 1 + random.IntN(6) {
			content := both[random.IntN(2)]
			at := random.IntN(len(content))
			if random.IntN(2) == 0 { // where it hurts most
				at = at/hostilePageSize*hostilePageSize + random.IntN(16)
			}
			content[at] = []byte{0, 1, 2, 5, 10, 13, 0x80, 0xff, byte(random.Uint32())}[random.IntN(9)]
		}
		_, err := compareHostile(both[before], both[after], schemas)
		if err != nil && !errors.Is(err, btree.ErrCorrupt) {
			t.Fatal(err)
		}
		ended[err == nil]++
	}
	if ended[true] == 0 || ended[false] == 0 {
		t.Errorf("ended well, or not: %v", ended)
	}
}

// Pages that lead to themselves, or to each other, end.
func TestLoops(t *testing.T) {
	old, new, schemas := hostile(t)
	f, err := btree.Open(bytes.NewReader(new), int64(len(new)))
	if err != nil {
		t.Fatal(err)
	}
	root := schemas[after].table("a").Root
	page := func(number int) []byte { return new[(number-1)*hostilePageSize:][:hostilePageSize] }
	p, err := f.Page(root)
	if err != nil || p.Leaf {
		t.Fatal("the table has one page", err)
	}
	for name, damage := range map[string]func(){
		"root is its own child": func() { binary.BigEndian.PutUint32(page(root)[8:], uint32(root)) },
		"all children are one": func() {
			child, err := p.Child(0)
			if err != nil {
				t.Fatal(err)
			}
			for i := range p.Cells {
				at := binary.BigEndian.Uint16(page(root)[12+2*i:])
				binary.BigEndian.PutUint32(page(root)[at:], uint32(child))
			}
		},
		"child of another table": func() { binary.BigEndian.PutUint32(page(root)[8:], uint32(schemas[after].table("b").Root)) },
		"child is out of range":  func() { binary.BigEndian.PutUint32(page(root)[8:], 1<<31) },
		"the list of free pages is a ring": func() {
			binary.BigEndian.PutUint32(new[32:], 9)
			binary.BigEndian.PutUint32(new[36:], 1<<30)
			binary.BigEndian.PutUint32(page(9), 9)
			binary.BigEndian.PutUint32(page(9)[4:], 0)
		},
	} {
		sound := bytes.Clone(new)
		damage()
		_, err := compareHostile(old, new, schemas)
		mayPass := name == "all children are one" || name == "the list of free pages is a ring" // where nothing goes there
		if !errors.Is(err, btree.ErrCorrupt) && (err != nil || !mayPass) {
			t.Errorf("%s: %v", name, err)
		}
		copy(new, sound)
	}
}

// FuzzCompare compares a database with any other file.
func FuzzCompare(f *testing.F) {
	old, new, schemas := hostile(f)
	f.Add(new)
	f.Add(old)
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) < hostilePageSize {
			return
		}
		if _, err := compareHostile(old, content, schemas); err != nil && !errors.Is(err, btree.ErrCorrupt) {
			t.Fatal(err)
		}
	})
}

func TestNoSuchTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	sqlitetest.Exec(t, path, "CREATE TABLE a (x)")
	s, content := side(t, path)
	_, err := Compare(t.Context(), s, s, NewPageSet(len(content)), Options{Tables: []string{"b"}})
	if !errors.Is(err, ErrNoTable) {
		t.Error(err)
	}
}
