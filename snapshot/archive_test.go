package snapshot

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// makeDB makes a database of about mib MiB with one row of random bytes a
// page or so, after running the given pragmas.
func makeDB(t testing.TB, mib int, pragmas ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	sql := ""
	for _, p := range pragmas {
		sql += "PRAGMA " + p + ";"
	}
	sql += fmt.Sprintf(`CREATE TABLE t (id INTEGER PRIMARY KEY, a, b);
		INSERT INTO t (a, b) SELECT hex(randomblob(300)), randomblob(700) FROM generate_series(1, %d);`, mib*750)
	runSQL(t, path, sql)
	return path
}

func runSQL(t testing.TB, path, sql string) string {
	t.Helper()
	out, err := exec.Command("sqlite3", path, sql).CombinedOutput()
	if err != nil {
		t.Fatalf("sqlite3 %s: %v\n%s", sql, err, out)
	}
	return string(bytes.TrimSpace(out))
}

func take(t testing.TB, path string, o CopyOptions) *Copy {
	t.Helper()
	if o.TempDir == "" {
		o.TempDir = t.TempDir()
	}
	c, err := Take(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func archive(t testing.TB, c *Copy, o ArchiveOptions) ([]byte, Manifest) {
	t.Helper()
	d, err := c.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if o.ID == "" {
		o.ID = NewID(c.TakenAt)
	}
	var b bytes.Buffer
	m, err := c.WriteArchive(t.Context(), &b, d, o)
	if err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) > c.MaxArchiveSize() {
		t.Errorf("archive has %d bytes, MaxArchiveSize said %d", b.Len(), c.MaxArchiveSize())
	}
	return b.Bytes(), m
}

// memory is a Target of fixed size.
type memory []byte

func (m memory) WriteAt(p []byte, off int64) (int, error) { return copy(m[off:], p), nil }
func (m memory) Truncate(int64) error                     { return nil }

func extract(ctx context.Context, b []byte) ([]byte, error) {
	a, err := OpenArchive(ctx, bytes.NewReader(b), int64(len(b)), "")
	if err != nil {
		return nil, err
	}
	chain, err := NewChain(a)
	if err != nil {
		return nil, err
	}
	out := make(memory, a.Manifest().Size)
	return out, chain.Extract(ctx, out, ExtractOptions{})
}

func TestRoundTrip(t *testing.T) {
	needs.Time(t)
	for _, test := range []struct {
		name    string
		mib     int
		pragmas []string
	}{
		{"one page", 0, nil},
		{"wal", 9, []string{"journal_mode=wal"}},
		{"page size 512", 5, []string{"page_size=512"}},
		{"page size 64 KiB, one frame exactly or more", 9, []string{"page_size=65536", "user_version=-7", "application_id=252006674"}},
	} {
		for _, level := range []Level{LevelFastest, LevelDefault, LevelBetter, LevelBest} {
			t.Run(test.name+"/"+string(level), func(t *testing.T) {
				path := makeDB(t, test.mib, test.pragmas...)
				c := take(t, path, CopyOptions{})
				copied, err := os.ReadFile(c.path)
				if err != nil {
					t.Fatal(err)
				}
				b, m := archive(t, c, ArchiveOptions{Level: level, Database: "app.db"})
				got, err := extract(t.Context(), b)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, copied) {
					t.Error("extracted database differs from the copy")
				}
				a, err := OpenArchive(t.Context(), bytes.NewReader(b), int64(len(b)), m.ID)
				if err != nil {
					t.Fatal(err)
				}
				if a.Manifest() != m {
					t.Errorf("manifest read: %+v, written: %+v", a.Manifest(), m)
				}
				chain, err := NewChain(a)
				if err != nil {
					t.Fatal(err)
				}
				var stream bytes.Buffer
				if err := chain.Stream(t.Context(), &stream, ExtractOptions{Digests: true}); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(stream.Bytes(), copied) {
					t.Error("streamed database differs from the copy")
				}
				if out := zstdTool(t, b, "-d"); !bytes.Equal(out, copied) {
					t.Error("the stock zstd tool decodes something else than the copy")
				}
				zstdTool(t, b, "-t")
			})
		}
	}
}

func zstdTool(t testing.TB, in []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("zstd", append(args, "-q", "-c")...)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("zstd: %v", err)
	}
	return out
}

func TestDigestDependsOnContentAlone(t *testing.T) {
	path := makeDB(t, 6, "journal_mode=wal")
	digest := func() string {
		d, err := take(t, path, CopyOptions{}).Digest(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return d.String()
	}
	first := digest()
	if again := digest(); again != first {
		t.Errorf("digest of the unchanged database: %s, then %s", first, again)
	}
	runSQL(t, path, "PRAGMA wal_checkpoint(TRUNCATE)")
	if again := digest(); again != first {
		t.Errorf("digest after a checkpoint: %s, before %s", again, first)
	}
	runSQL(t, path, "UPDATE t SET a = 'x' WHERE id = 17")
	if again := digest(); again == first {
		t.Error("digest is the same after a change")
	}
}

// The expected values were computed by another program (Python's hashlib), so
// that a change of the format cannot pass unnoticed.
func TestDigestIsFixed(t *testing.T) {
	page := bytes.Repeat([]byte{7}, 512)
	digests := pageDigests(nil, append(append([]byte{}, page...), make([]byte, 512)...), 2, 512)
	const pages = "15933044960fd23a7daaac9ce51355f1076a27c79e5ace2a3d47f9dd2e83e4ff"
	if got := hex.EncodeToString(digests); got != pages {
		t.Errorf("page digests: got %s, want %s", got, pages)
	}
	got := databaseDigest(512, 2, []sum{{1}, {2}})
	const want = "lb1:9fb493dd30cbf53a703a60b9b6944cd1ae18b8c77dca21ba245ea6c21acaf4b0"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Whatever byte is changed and wherever the archive is cut: it is refused.
func TestDamage(t *testing.T) {
	path := makeDB(t, 0)
	b, _ := archive(t, take(t, path, CopyOptions{}), ArchiveOptions{Database: "app.db"})
	refusesDamage(t, b, func(changed []byte) error {
		_, err := extract(t.Context(), changed)
		return err
	})
}

// refusesDamage calls restore with the archive, which is good, and with the archive
// damaged in every place.
func refusesDamage(t *testing.T, b []byte, restore func(b []byte) error) {
	t.Helper()
	if err := restore(b); err != nil {
		t.Fatal(err)
	}
	check := func(what string, changed []byte) {
		if err := restore(changed); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewerFormat) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range b {
		changed := bytes.Clone(b)
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			changed[i] = b[i] ^ flip
			check(fmt.Sprintf("byte %d of %d flipped by %#x", i, len(b), flip), changed)
		}
	}
	for n := range b {
		check(fmt.Sprintf("cut to %d of %d bytes", n, len(b)), b[:n])
		check(fmt.Sprintf("first %d of %d bytes gone", n+1, len(b)), b[n+1:])
	}
	check("a byte more at the end", append(bytes.Clone(b), 0))
	check("a byte more at the start", append([]byte{0}, b...))
	t.Logf("%d flips and %d cuts refused", 3*len(b), 2*len(b))
}

// An object may claim a seek table of any length; what is read and kept of it
// stays bounded.
func TestSeekTableIsBounded(t *testing.T) {
	foot := func(entries uint32) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, entries), 0, 0xb1, 0xea, 0x92, 0x8f)
	}
	if _, err := seekTableSize(foot(maxTable/tableEntry), 1<<40); err != nil {
		t.Error(err)
	}
	if n, err := seekTableSize(foot(1<<21), 1<<40); !errors.Is(err, ErrDamaged) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// What no reader would take is not written.
func TestTooLarge(t *testing.T) {
	c := &Copy{Taken: Taken{Header: Header{PageSize: 65536, PageCount: 64 << 20}}} // 4 TiB
	var b bytes.Buffer
	_, err := c.WriteArchive(t.Context(), &b, &Digest{frames: make([]hashed, frameCount(c.Header.Size()))}, ArchiveOptions{})
	if !errors.Is(err, ErrSource) || b.Len() != 0 {
		t.Errorf("%d bytes written, %v", b.Len(), err)
	}
}

func TestWrongID(t *testing.T) {
	b, m := archive(t, take(t, makeDB(t, 0), CopyOptions{}), ArchiveOptions{})
	other := NewID(m.ID.Time().Add(time.Hour))
	if _, err := OpenArchive(t.Context(), bytes.NewReader(b), int64(len(b)), other); !errors.Is(err, ErrDamaged) {
		t.Errorf("archive under the key of another snapshot: %v", err)
	}
}

// What is hashed while SQLite still writes the copy is right, but for the
// first frame, whose first page SQLite writes again at the end.
func TestFollower(t *testing.T) {
	needs.Time(t)
	for _, pageSize := range []int{512, 4096, 65536} {
		path := makeDB(t, 40, fmt.Sprintf("page_size=%d", pageSize))
		c := take(t, path, CopyOptions{MaxRate: 50 << 20})
		for rate := int64(10 << 20); len(c.early) < 5; rate /= 2 { // until it is slow enough to be followed
			if rate < 1<<20 {
				t.Fatalf("page size %d: only %d frames hashed early", pageSize, len(c.early))
			}
			c = take(t, path, CopyOptions{MaxRate: rate})
		}
		content, err := os.ReadFile(c.path)
		if err != nil {
			t.Fatal(err)
		}
		for i, h := range c.early[1:] {
			if frame := content[(i+1)*frameSize:][:frameSize]; h.checksum != crc32.Checksum(frame, castagnoli) {
				t.Errorf("page size %d: frame %d was hashed before it was complete", pageSize, i+1)
			}
		}
		d, err := c.Digest(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		early := c.early
		c.early = nil
		if again, err := c.Digest(t.Context(), nil); err != nil || again.String() != d.String() {
			t.Errorf("page size %d: digest is %s, with a follower %s (%v)", pageSize, again, d, err)
		}
		// What was hashed wrongly is not shipped.
		c.early = slices.Clone(early)
		c.early[3].checksum++
		wrong, err := c.Digest(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.WriteArchive(t.Context(), io.Discard, wrong, ArchiveOptions{ID: NewID(c.TakenAt)}); err == nil || !strings.Contains(err.Error(), "frame 3") {
			t.Errorf("page size %d: a frame that is not what was hashed: %v", pageSize, err)
		}
	}
}

// Once the copy is complete, Digest hashes the rest on all cores.
func TestFollowerLeavesTheRest(t *testing.T) {
	f := &follower{wake: make(chan struct{}, 1)}
	over := readerAtFunc(func(p []byte, _ int64) (int, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.over = true
		return len(p), nil
	})
	leaves, err := os.Create(filepath.Join(t.TempDir(), "pages"))
	if err != nil {
		t.Fatal(err)
	}
	defer leaves.Close()
	f.copied(9 * frameSize)
	close(f.wake)
	f.run(over, leaves, 4096)
	if len(f.frames) != 1 {
		t.Errorf("%d frames hashed by one core alone, want the one that was begun", len(f.frames))
	}
}

type readerAtFunc func(p []byte, offset int64) (int, error)

func (f readerAtFunc) ReadAt(p []byte, offset int64) (int, error) { return f(p, offset) }
