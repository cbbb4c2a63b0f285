package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// seedArchive makes an archive without SQLite, the same bytes at every run, so
// that what a fuzzer has learned of one is good for the next.
func seedArchive(f testing.TB, pages, pageSize int) []byte {
	f.Helper()
	content := make([]byte, pages*pageSize)
	for i := range content {
		content[i] = byte(i >> 4 * i >> 9)
	}
	copy(content, "SQLite format 3\x00")
	binary.BigEndian.PutUint16(content[16:], uint16(pageSize))
	binary.BigEndian.PutUint32(content[28:], uint32(pages))
	dir := f.TempDir()
	c := &Copy{path: filepath.Join(dir, "copy.db"), place: place{dir: dir}, Taken: Taken{Method: MethodBackup, JournalMode: "wal",
		TakenAt: time.Date(2026, 11, 23, 20, 15, 0, 0, time.UTC)}}
	err := os.WriteFile(c.path, content, 0o600)
	if err == nil {
		err = errors.Join(c.open(), c.readHeader())
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { c.files.close() })
	b, _ := archive(f, c, ArchiveOptions{ID: "20261123T201500Z-3f9c2a", Database: "app.db", Check: CheckQuick})
	return b
}

// target is a place of fixed size to extract to.
type target struct {
	content []byte
	written int64
}

// Truncate implements Target: the size is right from the start.
func (t *target) Truncate(size int64) error {
	if size != int64(len(t.content)) {
		return fmt.Errorf("a database of %d bytes is cut to %d", len(t.content), size)
	}
	return nil
}

func (t *target) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > int64(len(t.content)) {
		return 0, fmt.Errorf("%d bytes at %d are beyond the end of the database", len(p), off)
	}
	t.written += int64(len(p))
	return copy(t.content[off:], p), nil
}

// opened opens and extracts what may be an archive, and fails the test unless
// it is refused for a reason, or is in truth what it says of itself. Without
// digests it does what a restore does.
func opened(t *testing.T, b []byte, digests bool) bool {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a, err := OpenArchive(t.Context(), bytes.NewReader(b), int64(len(b)), "")
	out := &target{}
	if err == nil {
		// A few bytes may stand for very much database. That is no bomb: where
		// it goes is made as large as the manifest says, and no larger.
		if a.manifest.Size > 64<<20 {
			return false
		}
		out.content = make([]byte, a.manifest.Size)
		var chain *Chain
		if chain, err = NewChain(a); err == nil {
			err = chain.Extract(t.Context(), out, ExtractOptions{Workers: 1, Digests: digests})
		}
	}
	runtime.ReadMemStats(&after)
	if got, bound := after.TotalAlloc-before.TotalAlloc, uint64(48<<20+2*len(out.content)+64*len(b)); got > bound {
		t.Errorf("%d bytes were allocated for %d bytes of archive and %d of database", got, len(b), len(out.content))
	}
	if err != nil {
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewerFormat) {
			t.Errorf("not said to be damaged: %v", err)
		}
		return false
	}
	m := a.manifest
	if out.written != m.Size || digestOf(out.content, m.PageSize) != m.Digest {
		t.Errorf("%d of %d bytes with digest %s; the manifest says %s", out.written, m.Size, digestOf(out.content, m.PageSize), m.Digest)
	}
	if plain, err := stock(b, m.Size); err != nil || !bytes.Equal(plain, out.content) {
		t.Errorf("any other zstd would make %d bytes of it, or others, not %d: %v", len(plain), m.Size, err)
	}
	return true
}

// digestOf computes a database's digest in another way than the product: from
// what doc.go says.
func digestOf(content []byte, pageSize int) string {
	root := sha256.New()
	binary.Write(root, binary.BigEndian, []uint32{uint32(pageSize), uint32(len(content) / pageSize)})
	first := true
	for ; len(content) > 0; content = content[min(len(content), 4<<20):] {
		frame := sha256.New()
		for at := 0; at < min(len(content), 4<<20); at += pageSize {
			page := bytes.Clone(content[at:][:pageSize])
			for i := range page {
				if first && (i >= 24 && i < 28 || i >= 40 && i < 44 || i >= 92 && i < 100) {
					page[i] = 0
				}
			}
			first = false
			digest := sha256.Sum256(page)
			frame.Write(digest[:16])
		}
		root.Write(frame.Sum(nil))
	}
	return "lb1:" + hex.EncodeToString(root.Sum(nil))
}

// stock decodes an archive as a user without Lifeboat does.
func stock(b []byte, size int64) ([]byte, error) {
	d, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxContent))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return io.ReadAll(io.LimitReader(d, size+1))
}

// Any bytes at all: refused, or in truth what they say.
func FuzzArchive(f *testing.F) {
	f.Add([]byte{})
	for _, seed := range [][2]int{{1, 512}, {3, 4096}, {200, 512}} {
		b := seedArchive(f, seed[0], seed[1])
		f.Add(b)
		f.Add(b[len(b)/2:])
	}
	f.Fuzz(func(t *testing.T, b []byte) { opened(t, b, true) })
}

// A real archive with something changed somewhere is refused: every byte of it
// is vouched for.
func FuzzDamage(f *testing.F) {
	good := seedArchive(f, 60, 512)
	if len(good) > 1<<15 {
		f.Fatalf("%d bytes: places would be out of reach", len(good))
	}
	for how := range byte(6) {
		f.Add(how, uint16(0), uint16(7), []byte{1})
		f.Add(how, uint16(len(good)-60), uint16(3), []byte("seek"))
		f.Add(how, uint16(len(good)/2), uint16(len(good)), []byte{})
	}
	for at := range len(good) {
		if at < 16 || at%200 == 0 { // the first frame's header has bits that nothing in zstd checks
			f.Add(byte(1), uint16(at), uint16(0), []byte{byte(1 << (at % 8))})
			f.Add(byte(1), uint16(at), uint16(0), []byte{byte(8 << (at % 5))})
		}
	}
	f.Fuzz(func(t *testing.T, how byte, at, length uint16, data []byte) {
		from := int(at) % (len(good) + 1)
		to := min(from+int(length), len(good))
		var b []byte
		switch how % 6 {
		case 0: // overwritten
			b = bytes.Clone(good)
			copy(b[from:], data)
		case 1: // bits flipped
			b = bytes.Clone(good)
			for i := range b[from:] {
				if i < len(data) {
					b[from+i] ^= data[i]
				}
			}
		case 2: // replaced by more or less, or by nothing
			b = append(append(bytes.Clone(good[:from]), data...), good[to:]...)
		case 3: // inserted
			b = append(append(bytes.Clone(good[:from]), data...), good[from:]...)
		case 4: // a piece is there twice
			b = append(append(bytes.Clone(good[:to]), good[from:to]...), good[to:]...)
		case 5: // a piece, and something in front and behind
			b = append(append(bytes.Clone(data), good[from:to]...), data...)
		}
		if opened(t, b, false) != bytes.Equal(b, good) {
			t.Errorf("an archive that was changed (%v) is taken", !bytes.Equal(b, good))
		}
	})
}

// An archive made by somebody who knows the format, with every checksum right,
// is refused, or in truth what it says.
func FuzzCrafted(f *testing.F) {
	for _, seed := range [][2]int{{1, 512}, {3, 4096}, {200, 512}} {
		b := seedArchive(f, seed[0], seed[1])
		size, err := seekTableSize(b, int64(len(b)))
		if err != nil {
			f.Fatal(err)
		}
		entries, err := parseSeekTable(b[len(b)-int(size):])
		if err != nil {
			f.Fatal(err)
		}
		frames, err := layOut(entries, int64(len(b))-size)
		if err != nil {
			f.Fatal(err)
		}
		n := len(frames)
		body := b[:frames[n-2].offset]
		manifest := b[frames[n-1].offset:][:frames[n-1].length][skippableHead+tagSize+sha256.Size:]
		list := appendSeekTable(nil, entries[:n-2])
		list = list[skippableHead : len(list)-seekFootSize]
		f.Add(body, list, manifest)
		// Frames that a later version may have: a skippable one, and one that is none.
		for _, more := range [][]byte{appendSeekTable(nil, nil), skippableHeader("next", 0), skippableHeader("next", 9), body[:frames[0].length], {1}, {}} {
			entry := binary.LittleEndian.AppendUint64(nil, uint64(len(more)))
			f.Add(append(bytes.Clone(body), more...), append(bytes.Clone(list), entry...), manifest)
		}
	}
	f.Fuzz(func(t *testing.T, body, list, manifest []byte) {
		if len(body) > 1<<20 || len(list) > 1<<12 {
			return
		}
		opened(t, craft(body, list, manifest), true)
	})
}

// craft makes an archive of frames, of the seek table's list of them, and of a
// manifest whose checksums and digest it puts right.
func craft(body, list, manifest []byte) []byte {
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(manifest))
	decoder.UseNumber()
	fine := decoder.Decode(&fields) == nil && fields != nil
	number := func(name string) int64 {
		n, _ := fields[name].(json.Number)
		i, _ := n.Int64()
		return i
	}
	var table []byte
	entries, rest, pages := seekEntries(list), body, body
	for _, e := range entries {
		frame := rest[:min(int(e.compressed), len(rest))]
		rest = rest[len(frame):]
		if e.content > 0 {
			pages = rest // what follows the last data frame
			hash := sha256.Sum256(frame)
			table = append(append(table, hash[:]...), make([]byte, sha256.Size)...)
		}
	}
	contents := contentsOf(pages, len(table)/tableEntry, number("page_size"), number("page_count"))
	for i, content := range contents {
		copy(table[i*tableEntry+sha256.Size:], content[:])
	}
	b := append(append(bytes.Clone(body), skippableHeader(tagTable, len(table))...), table...)
	hash := sha256.Sum256(b[len(body):])
	entries = append(entries, seekEntry{uint32(len(b) - len(body)), 0})
	if fine {
		fields["frame_table"] = hex.EncodeToString(hash[:])
		fields["digest"] = databaseDigest(int(number("page_size")), int(number("page_count")), contents)
		if text, err := json.Marshal(fields); err == nil {
			manifest = text
		}
	}
	own := sha256.Sum256(manifest)
	start := len(b)
	b = append(append(append(b, skippableHeader(tagManifest, len(own)+len(manifest))...), own[:]...), manifest...)
	entries = append(entries, seekEntry{uint32(len(b) - start), 0})
	return appendSeekTable(b, entries)
}

// contentsOf returns the content digests of n frames that the frame of page
// digests at the beginning of b gives.
func contentsOf(b []byte, n int, pageSize, pageCount int64) []sum {
	if !sqlite.ValidPageSize(int(pageSize)) || len(b) < skippableHead+tagSize {
		return nil
	}
	b = b[skippableHead+tagSize:]
	var contents []sum
	for i := range n {
		pages := frameSize / pageSize
		if i == n-1 && pageCount > 0 {
			pages = (pageCount-1)%pages + 1
		}
		length := min(int(pages)*PageDigestSize, len(b))
		contents = append(contents, sha256.Sum256(b[:length]))
		b = b[length:]
	}
	return contents
}

func seekEntries(list []byte) (entries []seekEntry) {
	for ; len(list) >= seekEntrySize; list = list[seekEntrySize:] {
		entries = append(entries, seekEntry{binary.LittleEndian.Uint32(list), binary.LittleEndian.Uint32(list[4:])})
	}
	return entries
}
