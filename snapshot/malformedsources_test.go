package snapshot

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// A source is a file that may be a database, with what stands beside it.
type source struct {
	name  string
	files map[string][]byte // by suffix: "", "-wal", "-journal", "-shm"
	make  func(path string) error
	ways  int // the one of ways in which it is backed up, from 1; 0 is all
}

func (s source) with(name, suffix string, change func(b []byte) []byte) source {
	files := map[string][]byte{}
	for suffix, b := range s.files {
		files[suffix] = bytes.Clone(b)
	}
	files[suffix] = change(files[suffix])
	return source{name: s.name + ", " + name, files: files}
}

// malformed makes all sources, the same ones at every run.
func malformed(t *testing.T) []source {
	rollback := plainSource(t, "delete")
	wal := plainSource(t, "wal")
	all := []source{{name: "empty", files: map[string][]byte{"": {}}}, rollback, wal,
		{name: "one byte", files: map[string][]byte{"": {'S'}}},
		{name: "text", files: map[string][]byte{"": []byte(strings.Repeat("CREATE TABLE\n", 999))}},
		{name: "zeros", files: map[string][]byte{"": make([]byte, 8192)}},
		{name: "only the magic", files: map[string][]byte{"": []byte("SQLite format 3\x00")}},
	}
	all = append(all, notFiles(rollback.files[""])...)
	random := rand.New(rand.NewPCG(20261123, 1))
	for _, s := range []source{rollback, wal} {
		all = append(all, headerLies(s)...)
		all = append(all, sidecars(s)...)
		for n := len(s.files[""]); n > 0; n -= 1024 {
			for _, odd := range []int{0, 1 + n/1024%2*510} {
				cut := s.with(fmt.Sprintf("cut to %d bytes", max(n-odd, 1)), "", func(b []byte) []byte { return b[:max(n-odd, 1)] })
				cut.ways = 1 + random.IntN(len(ways))
				all = append(all, cut)
			}
		}
	}
	for i := range 400 {
		s, suffix := rollback, ""
		if i%4 == 1 {
			s = wal
		}
		if i%8 == 1 {
			suffix = "-wal"
		}
		changed := s.with(fmt.Sprintf("change %d", i), suffix, func(b []byte) []byte { return scramble(random, b) })
		changed.ways = 1 + random.IntN(len(ways))
		all = append(all, changed)
	}
	return all
}

// plainSource makes a small database with some of everything. One in WAL mode
// has an unfolded WAL.
func plainSource(t *testing.T, mode string) source {
	path := filepath.Join(t.TempDir(), "app.db")
	runSQL(t, path, `PRAGMA page_size=1024; PRAGMA journal_mode=`+mode+`;
		CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, body BLOB, size INT AS (length(body)) STORED, CHECK (size >= 0));
		INSERT INTO a (name, body) SELECT 'name ' || value, zeroblob(value * 37 % 3000) FROM generate_series(1, 40);
		CREATE INDEX ab ON a (size, name) WHERE size > 100;
		CREATE TABLE b (x, y, PRIMARY KEY (x, y)) WITHOUT ROWID; INSERT INTO b SELECT id % 7, id FROM a;
		CREATE VIRTUAL TABLE f USING fts5(text); INSERT INTO f SELECT name FROM a;
		CREATE VIEW v AS SELECT * FROM a JOIN b ON y = id;
		CREATE TRIGGER r AFTER DELETE ON a BEGIN DELETE FROM b WHERE y = old.id; END;
		CREATE TABLE gone AS SELECT zeroblob(9000) FROM a LIMIT 3; DROP TABLE gone;`)
	s := source{name: mode, files: map[string][]byte{}}
	if mode == "wal" {
		c, err := sqlite.OpenSource(path, 0, url.Values{"mode": {"rw"}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Exec(t.Context(), "UPDATE a SET body = zeroblob(2500) WHERE id % 5 = 0; INSERT INTO b VALUES (99, 99)"); err != nil {
			t.Fatal(err)
		}
	}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if err == nil {
			s.files[suffix] = b
		} else if suffix == "" {
			t.Fatal(err)
		}
	}
	return s
}

// notFiles are things that have no content of their own, and some that stand
// where a sidecar would. SQLite must not even open a FIFO: it would wait for ever.
func notFiles(good []byte) []source {
	fifo := func(path string) error { return syscall.Mkfifo(path, 0o600) }
	folder := func(path string) error { return os.Mkdir(path, 0o700) }
	sources := []source{
		{name: "directory", make: folder},
		{name: "FIFO", make: fifo},
		{name: "symlink loop", make: func(path string) error { return os.Symlink(path, path) }},
		{name: "dangling symlink", make: func(path string) error { return os.Symlink(path+"-gone", path) }},
		{name: "/dev/zero", make: func(path string) error { return os.Symlink("/dev/zero", path) }},
		{name: "/dev/tty", make: func(path string) error { return os.Symlink("/dev/tty", path) }},
	}
	for _, suffix := range []string{"-wal", "-journal", "-shm"} {
		for i, make := range []func(string) error{fifo, folder} {
			sources = append(sources, source{name: []string{"FIFO", "directory"}[i] + " as its " + suffix, files: map[string][]byte{"": good},
				make: func(path string) error { return make(path + suffix) }})
		}
	}
	return sources
}

// headerLies are databases whose header says what is not so.
// The fields are those of https://www.sqlite.org/fileformat2.html#the_database_header
func headerLies(s source) []source {
	pages := uint32(len(s.files[""]) / 1024)
	var all []source
	set := func(what string, at, size int, values ...uint32) {
		for _, v := range values {
			all = append(all, s.with(fmt.Sprintf("%s %d", what, v), "", func(b []byte) []byte {
				var field [4]byte
				binary.BigEndian.PutUint32(field[:], v)
				copy(b[at:], field[4-size:])
				return b
			}))
		}
	}
	set("page size", 16, 2, 0, 1, 3, 256, 512, 2048, 4096, 32768, 65535)
	set("write version", 18, 1, 0, 1, 2, 3, 255)
	set("read version", 19, 1, 0, 1, 2, 3, 255)
	set("WAL flags", 18, 2, 0x0101, 0x0202)
	set("reserved bytes", 20, 1, 1, 8, 32, 255)
	set("payload fractions", 21, 3, 0, 0xffffff)
	set("change counter", 24, 4, 0, 77)
	set("page count", 28, 4, 0, 1, 2, pages-1, pages+1, 2*pages, 1<<20, 1<<31, 1<<32-1)
	set("first free page", 32, 4, 0, 1, 2, pages+1, 1<<32-1)
	set("free pages", 36, 4, 0, 1, 1<<32-1)
	set("schema format", 44, 4, 0, 1, 5, 1<<32-1)
	set("cache size", 48, 4, 1<<31, 1<<32-1, 1<<31-1)
	set("largest root page", 52, 4, 1, 5, 1<<32-1)
	set("encoding", 56, 4, 0, 2, 3, 4, 1<<32-1)
	set("incremental vacuum", 64, 4, 1)
	set("b-tree type", 100, 1, 0, 2, 5, 10, 255)
	set("cells of the schema", 103, 2, 0, 1, 0xffff)
	return append(all, s.with("freelist in a circle", "", func(b []byte) []byte {
		first := binary.BigEndian.Uint32(b[32:])
		if at := int(first-1) * 1024; first > 0 && at+4 <= len(b) {
			binary.BigEndian.PutUint32(b[at:], first)
		}
		return b
	}))
}

// sidecars are databases with rubbish beside them, some of it with the right
// beginning.
func sidecars(s source) []source {
	var all []source
	walHeader := []byte{0x37, 0x7f, 0x06, 0x82, 0, 0x2d, 0xe2, 0x18, 0, 0, 4, 0}
	journalHeader := []byte{0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7, 0, 0, 0, 9, 1, 2, 3, 4, 0, 0, 0, 90, 0, 0, 2, 0, 0, 0, 4, 0}
	for _, suffix := range []string{"-wal", "-journal", "-shm"} {
		for _, begin := range [][]byte{nil, make([]byte, 32), []byte("rub"), walHeader, journalHeader} {
			for _, size := range []int{0, 70000} {
				all = append(all, s.with(fmt.Sprintf("%x and %d bytes as %s", begin, size, suffix), suffix, func([]byte) []byte {
					return append(bytes.Clone(begin), bytes.Repeat([]byte{0xa5, 0, 1}, size/3)...)
				}))
			}
		}
	}
	return all
}

// scramble changes a file somewhere.
func scramble(random *rand.Rand, b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	page := func() []byte { return b[random.IntN(max(len(b)/1024, 1))*1024:][:min(1024, len(b))] }
	for range 1 + random.IntN(3) {
		switch random.IntN(8) {
		case 0: // the header
			b[random.IntN(min(108, len(b)))] = byte(random.Uint32())
		case 1: // anywhere
			for range 1 + random.IntN(20) {
				b[random.IntN(len(b))] ^= byte(1 << random.IntN(8))
			}
		case 2: // a page's own header
			page()[random.IntN(12)] = byte(random.Uint32())
		case 3: // where its cells are
			binary.BigEndian.PutUint16(page()[8+2*random.IntN(20):], uint16(random.Uint32()))
		case 4: // one page is another
			copy(page(), page())
		case 5:
			clear(page())
		case 6: // a page number
			binary.BigEndian.PutUint32(page()[random.IntN(1020):], uint32(random.IntN(len(b)/1024+2)))
		case 7:
			b = append(b, bytes.Repeat([]byte{byte(random.Uint32())}, random.IntN(3000))...)
		}
	}
	return b
}
