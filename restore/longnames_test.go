package restore

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A database can be restored to its own name whatever that is: also one that is
// too long for what a restore adds to it, and one that is not UTF-8.
func TestNames(t *testing.T) {
	rollback, wal := newSource(t, ""), newSource(t, "PRAGMA journal_mode=WAL;")
	long := func(n int) string { return strings.Repeat("d", n-3) + ".db" }
	for _, name := range []string{
		long(192), long(193), long(213), long(235), long(247), long(248), long(251), long(252), long(255),
		strings.Repeat("ü", 123) + ".db", "latin1-\xfc.db", strings.Repeat("\xfc", 244) + ".db", "a?b%20c#.db", "line\nbreak.db", "[a](b)*+.db",
	} {
		for _, source := range []string{rollback, wal} {
			t.Run(fmt.Sprintf("%d bytes, %.12q, WAL %v", len(name), name, source == wal), func(t *testing.T) {
				dir := t.TempDir()
				path := filepath.Join(dir, name)
				o := basicOrder(path, source)
				o.WAL = source == wal
				if o.WAL && len(name) > 251 {
					o.fails(t, ErrTarget)
					return
				}
				o.inProcess(t) // absent
				sh(t, "cp", rollback, path)
				for _, live := range []bool{false, true} {
					if live && len(name) > 247 {
						continue // SQLite has no name for its journal
					}
					o.Replace, o.Live = !live, live
					// What a killed run has left.
					x := target{path: path}
					left := x.beside("20250101T000000Z-abcdef-0123456789abcdef.tmp")
					write(t, left, garbage(100))
					o.inProcess(t)
					mustLook(t, path, genNew)
					kept := x.before() + string(testID)
					mustLook(t, kept, genNew)
					if err := os.Remove(kept); err != nil {
						t.Fatal(err)
					}
					if got := names(t, path); !slices.Equal(got, []string{name}) {
						t.Errorf("live %v: there is %q", live, got)
					}
				}
			})
		}
	}
}

// inProcess restores without a child, whose order is JSON and thereby UTF-8.
func (o childOrder) inProcess(t *testing.T) {
	t.Helper()
	if _, err := place(t.Context(), o.Target, o.content(), o.options()); err != nil {
		t.Fatal(err)
	}
}

func (o childOrder) fails(t *testing.T, reason error) {
	t.Helper()
	if _, err := place(t.Context(), o.Target, o.content(), o.options()); !errorsIs(err, reason) {
		t.Fatalf("got %v instead of %v", err, reason)
	}
	if got := names(t, o.Target); len(got) > 0 {
		t.Errorf("there is %q", got)
	}
}

// Long names that begin alike have different files beside them.
func TestLongNamesApart(t *testing.T) {
	one, other := target{path: "/d/" + strings.Repeat("x", 250) + "1"}, target{path: "/d/" + strings.Repeat("x", 250) + "2"}
	if one.beside("lock") == other.beside("lock") || one.before() == other.before() {
		t.Error("two targets share a name")
	}
	if name := filepath.Base(one.beside("20250101T000000Z-abcdef-0123456789abcdef.tmp-journal")); len(name) > 255 {
		t.Errorf("a name has %d bytes", len(name))
	}
}
