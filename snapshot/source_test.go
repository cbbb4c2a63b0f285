package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// state is what a backup may not change.
func state(t *testing.T, path string) string {
	t.Helper()
	var b strings.Builder
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "-shm") {
			continue // the index of the WAL has marks of readers
		}
		content, err := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s: %x\n", e.Name(), bytes.TrimSpace(content))
	}
	return b.String()
}

// crashed returns the path of a copy of a database and its sidecars, taken
// while a connection is in the middle of its work.
func crashed(t *testing.T, mode string) string {
	t.Helper()
	live := bank(t, mode, 1)
	db := openAsApplication(t, live, nil)
	if _, err := db.Exec("PRAGMA cache_size=5"); err != nil {
		t.Fatal(err)
	}
	if mode == "wal" { // committed, not folded
		if _, err := db.Exec("UPDATE account SET balance = balance + 1 WHERE id = 1; UPDATE account SET balance = balance - 1 WHERE id = 2"); err != nil {
			t.Fatal(err)
		}
	} else { // not committed, and spilled to the main file: the journal is hot
		if _, err := db.Exec("BEGIN IMMEDIATE; UPDATE account SET balance = 0; UPDATE ballast SET b = zeroblob(4000)"); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "bank.db")
	for _, suffix := range []string{"", "-wal", "-journal"} {
		content, err := os.ReadFile(live + suffix)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(path+suffix, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestSourceIsNotChanged(t *testing.T) {
	for name, make := range map[string]func() string{
		"rollback":     func() string { return bank(t, "delete", 1) },
		"clean WAL":    func() string { return bank(t, "wal", 1) },
		"unfolded WAL": func() string { return crashed(t, "wal") },
		"odd name": func() string {
			path := bank(t, "delete", 1)
			odd := filepath.Join(filepath.Dir(path), "a?b#c%41 d.db")
			if err := os.Rename(path, odd); err != nil {
				t.Fatal(err)
			}
			return odd
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := make()
			before := state(t, path)
			c := take(t, path, CopyOptions{})
			if after := state(t, path); after != before {
				t.Errorf("the source or what stands beside it has changed:\n%.300s\n%.300s", before, after)
			}
			b, _ := archive(t, c, ArchiveOptions{})
			checkBank(t, extractTo(t, b))
		})
	}
}

// A hot journal is rolled back, as by any application that opens the database.
func TestHotJournal(t *testing.T) {
	path := crashed(t, "delete")
	b, _ := archive(t, take(t, path, CopyOptions{}), ArchiveOptions{})
	checkBank(t, extractTo(t, b))
}

func TestEmptyFileIsAnEmptyDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "empty.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := take(t, path, CopyOptions{})
	if err := c.Check(t.Context(), CheckFull); err != nil {
		t.Error(err)
	}
	b, m := archive(t, c, ArchiveOptions{})
	if m.PageCount != 1 {
		t.Errorf("the copy has %d pages", m.PageCount)
	}
	if got := runSQL(t, extractTo(t, b), "SELECT count(*) FROM sqlite_schema"); got != "0" {
		t.Errorf("the restored database has %s objects", got)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Errorf("the source has changed: %v, %v", info, err)
	}
}

func TestSourcesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, err := os.ReadFile(bank(t, "delete", 2))
	if err != nil {
		t.Fatal(err)
	}
	badPage := bytes.Clone(good)
	for i := range 4096 {
		badPage[4096+i] = 0x5a
	}
	for name, path := range map[string]string{
		"missing":    filepath.Join(dir, "missing.db"),
		"directory":  dir,
		"text":       write("text.db", []byte(strings.Repeat("not a database\n", 999))),
		"short text": write("short.db", []byte("hello")),
		"encrypted":  write("encrypted.db", bytes.Repeat([]byte{0xd5, 0x3b, 0x99, 0x01}, 4096)),
		"half":       write("half.db", good[:len(good)/8192*4096]),
		"bad page":   write("badpage.db", badPage),
	} {
		for _, method := range []Method{MethodBackup, MethodVacuum} {
			t.Run(name+"/"+string(method), func(t *testing.T) {
				temp := t.TempDir()
				c, err := Take(t.Context(), path, CopyOptions{TempDir: temp, Method: method})
				if err == nil {
					err = errors.Join(c.Check(t.Context(), CheckQuick), c.Close())
				}
				if !errors.Is(err, ErrSource) {
					t.Errorf("got %v", err)
				}
				t.Log(err)
				noTempFiles(t, temp)
			})
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "missing.db")); err == nil {
		t.Error("the missing database was created")
	}
}

// A main file that was cut short beside a -wal or -journal is evidence, and
// SQLite would delete or replay that. Beside a WAL it does not where it may only
// read, and the check finds the rest.
func TestCutShortSourceIsLeftAlone(t *testing.T) {
	needs.Time(t)
	for _, mode := range []string{"wal", "delete"} {
		for _, size := range []int64{0, 1, 50, 100, 511, 5000} {
			for _, method := range []Method{MethodBackup, MethodVacuum} {
				t.Run(fmt.Sprintf("%s/%d/%s", mode, size, method), func(t *testing.T) {
					path := crashed(t, mode)
					if err := os.Truncate(path, size); err != nil {
						t.Fatal(err)
					}
					before := state(t, path)
					c, err := Take(t.Context(), path, CopyOptions{Method: method})
					if err == nil {
						err = errors.Join(c.Check(t.Context(), CheckQuick), c.Close())
					}
					if !errors.Is(err, ErrSource) || errors.Is(err, ErrCutShort) != (mode == "delete" || size < 512) {
						t.Errorf("got %v", err)
					}
					if after := state(t, path); after != before {
						t.Errorf("the source or what stands beside it has changed:\n%.300s\n%.300s", before, after)
					}
				})
			}
		}
	}
}

// What SQLite itself leaves at a crash is no cut.
func TestCrashedSourcesAreNotCutShort(t *testing.T) {
	for _, mode := range []string{"wal", "delete"} {
		if err := sqlite.CutShort(crashed(t, mode)); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
	path := filepath.Join(t.TempDir(), "new.db")
	if err := errors.Join(sqlite.CutShort(path), os.WriteFile(path, nil, 0o600), os.WriteFile(path+"-wal", nil, 0o600), sqlite.CutShort(path)); err != nil {
		t.Error(err)
	}
}
