package restore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// An image is the main file of a target, made from a good one.
type image struct {
	name string
	make func(t *testing.T, good []byte) []byte
	live error // why restore --live refuses it, nil if it does not
}

// patched has bytes of a good database replaced.
func patched(at int, with ...byte) func(*testing.T, []byte) []byte {
	return func(_ *testing.T, good []byte) []byte {
		copy(good[at:], with)
		return good
	}
}

var images = []image{
	{"zero bytes", func(*testing.T, []byte) []byte { return nil }, nil},
	{"one byte", func(*testing.T, []byte) []byte { return []byte("S") }, ErrCannotLive},
	{"a text", func(*testing.T, []byte) []byte { return bytes.Repeat([]byte("not a database\n"), 1000) }, ErrCannotLive},
	{"a header alone", func(_ *testing.T, good []byte) []byte { return good[:100] }, ErrCannotLive},
	{"a page alone", func(_ *testing.T, good []byte) []byte { return good[:4096] }, ErrCannotLive},
	{"half a page less", func(_ *testing.T, good []byte) []byte { return good[:len(good)-2048] }, nil},
	{"nonsense behind the header", func(_ *testing.T, good []byte) []byte { return append(good[:100:100], garbage(20000)...) }, ErrCannotLive},
	{"zeros behind the header", func(_ *testing.T, good []byte) []byte { return append(good[:100:100], make([]byte, 20000)...) }, ErrCannotLive},
	{"no such page size", patched(16, 0x0a, 0xbc), ErrCannotLive},
	{"another page size", patched(16, 0x02, 0x00), ErrCannotLive},
	{"pages of 64 KiB", patched(16, 0x00, 0x01), ErrCannotLive},
	{"all of a page reserved", patched(20, 255), nil},
	{"a later format to read", patched(18, 9, 9), ErrCannotLive},
	{"a later format to write", patched(18, 9, 1), ErrCannotLive},
	{"WAL mode", patched(18, 2, 2), nil},
	{"a later schema format", patched(44, 0, 0, 0, 99), ErrCannotLive},
	{"no such encoding", patched(56, 0, 0, 0, 9), nil},
	{"a free list without end", patched(32, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff), nil},
	{"cells outside of the page", patched(100+8, 0xff, 0xff), ErrCannotLive},
	{"SQL that is none", func(_ *testing.T, good []byte) []byte {
		return bytes.Replace(good, []byte("CREATE TABLE"), []byte("CREATE TABEL"), 1)
	}, ErrCannotLive},
	{"a schema without end", func(*testing.T, []byte) []byte { return endlessImage(3) }, ErrCannotLive},
	{"a schema that is its own child", func(*testing.T, []byte) []byte { return endlessImage(0) }, ErrCannotLive},
}

// endlessImage is a database with a schema of that many interior pages, each
// with 400 children that are one page, which SQLite reads 400 times.
func endlessImage(levels int) []byte {
	const size = 4096
	page := func(kind byte, cells ...[]byte) []byte {
		b, end := make([]byte, size), size
		for i, cell := range cells {
			end -= len(cell)
			copy(b[end:], cell)
			binary.BigEndian.PutUint16(b[100+12+2*i:], uint16(end))
		}
		b[100] = kind
		binary.BigEndian.PutUint16(b[103:], uint16(len(cells)))
		binary.BigEndian.PutUint16(b[105:], uint16(end))
		return b
	}
	// Behind page 1 the b-tree's header begins at byte 0, with 8 or 12 bytes.
	plain := func(b []byte, head int) []byte {
		copy(b, b[100:100+head])
		copy(b[head:], b[112:112+2*int(binary.BigEndian.Uint16(b[3:]))])
		return b
	}
	var all []byte
	for level := range max(levels, 1) {
		child := uint32(level + 2)
		if levels == 0 {
			child = 1
		}
		cell := append(binary.BigEndian.AppendUint32(nil, child), 1)
		cells := make([][]byte, 400)
		for i := range cells {
			cells[i] = cell
		}
		b := page(5, cells...)
		binary.BigEndian.PutUint32(b[108:], child)
		if level > 0 {
			b = plain(b, 12)
		}
		all = append(all, b...)
	}
	sql := "CREATE TABLE IF NOT EXISTS t(x)" // a second one is no error
	record := append([]byte{6, 23, 15, 15, 1, byte(13 + 2*len(sql))}, "tablett\x06"+sql...)
	all = append(all, plain(page(13, append([]byte{byte(len(record)), 1}, record...)), 8)...)
	for len(all) < 6*size {
		all = append(all, plain(page(13), 8)...)
	}
	copy(all, "SQLite format 3\x00\x10\x00\x01\x01\x00\x40\x20\x20\x00\x00\x00\x01")
	all[31], all[47], all[59] = byte(len(all)/size), 4, 1
	copy(all[92:], "\x00\x00\x00\x01\x00\x2e\x76\xc8")
	return all
}

// Whatever stands at the target is put aside, whole, and Prepare names it before. Live
// restores refuse what SQLite cannot write into, for good, and leave it alone.
func TestImages(t *testing.T) {
	source := newSource(t, "")
	for _, image := range images {
		t.Run(image.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "app.db")
			run(t, path, fillSQL(genOld))
			b := image.make(t, readDir(t, dir)["app.db"])
			write(t, path, b)
			limit := []string{"timeout", "600"}

			c := childOrder{Target: path, Source: source, PageSize: 4096, ID: testID, Live: true, Wait: 5 * time.Second}
			if image.live != nil {
				refusedWith(t, c, image.live, limit...)
				if now := readDir(t, dir); !maps.EqualFunc(now, map[string][]byte{"app.db": b}, bytes.Equal) {
					t.Errorf("restore --live refused it, and left %d files", len(now))
				}
			} else {
				restored(t, c, limit...)
				mustLook(t, path, genNew)
				clearDir(t, dir)
				write(t, path, b)
			}

			var p Preview
			o := basicOrder(path, source)
			if err := p.lookAt(t.Context(), path, o.content(), o.options()); err != nil || p.Refusal != nil || p.Old == "" {
				t.Errorf("Prepare returns %q, %v, %v", p.Old, p.Refusal, err)
			}
			restored(t, o, limit...)
			mustLook(t, path, genNew)
			if now := readDir(t, dir)["app.db.before-"+string(testID)]; !bytes.Equal(now[min(len(now), 100):], b[min(len(b), 100):]) {
				t.Error("it is not kept as it was") // but for the header, if SQLite could open it
			}
		})
	}
}

func clearDir(t *testing.T, dir string) {
	t.Helper()
	for name := range readDir(t, dir) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// A schema without end in the WAL is found as well as one in the main file.
func TestEndlessInWAL(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.db")
	unfoldedWAL(t, path)
	good := readDir(t, dir)["app.db-wal"]
	x := target{path: path, sidecars: []string{"-wal"}}
	if whole, err := x.whole(); err != nil || !whole {
		t.Fatalf("a good one: %v, %v", whole, err)
	}
	bad := bytes.Clone(good[:32])
	pages := endlessImage(3)
	for i := range len(pages) / 4096 {
		frame := append(binary.BigEndian.AppendUint32(nil, uint32(i+1)), 0, 0, 0, byte(len(pages)/4096))
		frame = append(append(frame, good[16:24]...), make([]byte, 8)...)
		bad = append(append(bad, frame...), pages[i*4096:][:4096]...)
	}
	write(t, path+"-wal", bad)
	if whole, err := x.whole(); err != nil || whole {
		t.Fatalf("a bad one: %v, %v", whole, err)
	}
}

// A disk that cannot be read, and a file that may not be, is no reason to try
// again: the first is put aside, and the second is refused.
func TestUnreadable(t *testing.T) {
	source := newSource(t, "")
	for _, state := range states {
		if state.name != "clean rollback" && state.name != "unfolded WAL" && state.name != "hot journal" {
			continue
		}
		for first := 1; first <= 6; first++ {
			t.Run(fmt.Sprintf("EIO, %s, read %d", state.name, first), func(t *testing.T) {
				t.Parallel()
				x := state.make(t)
				restored(t, x.order(source), "strace", "-f", "-o", "/dev/null", "-P", x.db, "-e", "trace=pread64,read,copy_file_range", "-e", fmt.Sprintf("inject=pread64,read,copy_file_range:error=EIO:when=%d+", first))
				mustLook(t, x.db, genNew)
				if kept := readDir(t, x.dir)["app.db.before-"+string(testID)]; len(kept) == 0 {
					t.Error("the old database is not kept")
				}
			})
		}
	}
	for _, suffix := range []string{"", "-journal"} {
		t.Run("not permitted"+suffix, func(t *testing.T) {
			path := tenantDir(t, "DELETE")
			write(t, path+"-journal", []byte("x"))
			if err := os.Chmod(path+suffix, 0); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(path+"-journal", tenant, tenant); err != nil {
				t.Fatal(err)
			}
			o := basicOrder(path, source)
			o.AsOwner = true
			refusedWith(t, o, ErrTarget)
			o.Replace, o.Live, o.Wait = false, true, time.Second
			if code := exitOf(command(t, o)); code != exitCode(ErrTarget) && code != exitCode(ErrCannotLive) {
				t.Errorf("live ends with %d", code)
			}
		})
	}
	t.Run("may not be written", func(t *testing.T) {
		path := tenantDir(t, "DELETE")
		if err := os.Chmod(path, 0o400); err != nil {
			t.Fatal(err)
		}
		o := basicOrder(path, source)
		o.AsOwner, o.Replace, o.Live, o.Wait = true, false, true, time.Second
		refusedWith(t, o, ErrCannotLive)
		o.Replace, o.Live = true, false
		restored(t, o)
		mustLook(t, path, genNew)
		mustLook(t, path+".before-"+string(testID), genOld)
	})
	t.Run("immutable", func(t *testing.T) {
		path := makeOld(t, "")
		if needs.InNamespace(t) { // its root may make no file immutable, but one that is as hard to replace
			sh(t, "mount", "--bind", path, path)
			t.Cleanup(func() { sh(t, "umount", path) })
		} else {
			sh(t, "chattr", "+i", path)
			t.Cleanup(func() { sh(t, "chattr", "-i", path) })
		}
		refusedWith(t, basicOrder(path, source), ErrCannotSwap)
	})
}
