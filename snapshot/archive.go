package snapshot

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// A Level says how hard to compress. Every level gives the same digest.
type Level string

// The levels are those of github.com/klauspost/compress/zstd.
const (
	LevelFastest Level = "fastest"
	LevelDefault Level = "default"
	LevelBetter  Level = "better"
	LevelBest    Level = "best"
)

var levels = map[Level]zstd.EncoderLevel{
	LevelFastest: zstd.SpeedFastest, LevelDefault: zstd.SpeedDefault,
	LevelBetter: zstd.SpeedBetterCompression, LevelBest: zstd.SpeedBestCompression,
}

// ArchiveOptions says what WriteArchive writes.
type ArchiveOptions struct {
	// ID names the snapshot: see NewID.
	ID ID
	// Database is the database's name, for the manifest.
	Database string
	// Tool is the program's name and version, for the manifest.
	Tool string
	// Check is the check that the copy has passed, for the manifest.
	Check CheckLevel
	// Level is how hard to compress; "" is LevelFastest: within 3 % of zstd -3
	// in size on databases of applications, in three quarters of the time of
	// LevelDefault.
	Level Level
	// Progress is called with bytes of database written and to be written.
	Progress func(done, total int64)
}

// MaxArchiveSize returns how large the copy's archive can become, in bytes.
func (c *Copy) MaxArchiveSize() int64 { return maxArchiveSize(c.Header.Size(), c.Header.PageSize) }

// WriteArchive compresses the copy on all cores and writes the archive to w.
// d is the copy's digest. Errors are those of w, or wrap ErrSource, ErrNoRoom or
// what ended ctx.
func (c *Copy) WriteArchive(ctx context.Context, w io.Writer, d *Digest, o ArchiveOptions) (Manifest, error) {
	if o.Level == "" {
		o.Level = LevelFastest
	}
	version, _, _ := sqlite3.Version()
	m := Manifest{
		Format: Format, ID: o.ID, Kind: KindFull, Database: o.Database, Created: c.TakenAt.Truncate(1e6),
		Tool: o.Tool, SQLite: version, Method: c.Method, Check: string(o.Check),
		Size: c.Header.Size(), PageSize: c.Header.PageSize, PageCount: c.Header.PageCount, JournalMode: c.JournalMode,
		UserVersion: c.Header.UserVersion, ApplicationID: c.Header.ApplicationID, Digest: d.root, Level: o.Level,
	}
	if skippableHead+tagSize+len(d.frames)*tableEntry > maxTable {
		return m, fmt.Errorf("write the archive of %s: %w: a database of %d GiB is larger than format %d holds", c.source, ErrSource, m.Size>>30, Format)
	}
	a := &archiveWriter{w: w, table: make([]byte, 0, len(d.frames)*tableEntry)}
	err := a.writeFrames(ctx, c, d, o)
	if err == nil {
		err = a.writePages(d.leaves, m.PageCount)
	}
	if err == nil {
		err = a.writeTail(&m)
	}
	if err != nil {
		return m, fmt.Errorf("write the archive of %s: %w", c.source, err)
	}
	return m, nil
}

// archiveWriter collects what the end of an archive says of its beginning.
type archiveWriter struct {
	w       io.Writer
	entries []seekEntry
	table   []byte
}

func (a *archiveWriter) write(parts ...[]byte) error {
	for _, p := range parts {
		if _, err := a.w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// writeFrames compresses frame after frame. Each is independent of the
// others, which is what lets writer and reader work on many at a time.
func (a *archiveWriter) writeFrames(ctx context.Context, c *Copy, d *Digest, o ArchiveOptions) error {
	workers := workers()
	level, ok := levels[o.Level]
	if !ok {
		return fmt.Errorf("unknown level %q", o.Level)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(true),
		zstd.WithEncoderConcurrency(workers), zstd.WithWindowSize(frameSize), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return err
	}
	defer encoder.Close()
	size := c.Header.Size()
	// Read for the last time, unless the check comes to it later: it must not
	// push out what applications read all the time.
	drop := memoryIsScarce(size)
	raw := newBufferPool(workers, frameSize)
	packed := newBufferPool(2*workers, encoder.MaxEncodedSize(frameSize))
	type frame struct {
		i    int
		data []byte
		hash sum
	}
	work := func(_ context.Context, i int) (frame, error) {
		content := raw.get()[:frameLength(size, i)]
		defer raw.put(content)
		if _, err := c.db.ReadAt(content, int64(i)*frameSize); err != nil {
			return frame{}, disk.Wrap("read the copy", err)
		}
		if crc32.Checksum(content, castagnoli) != d.frames[i].checksum {
			return frame{}, fmt.Errorf("frame %d of the copy is not what was hashed", i)
		}
		data := encoder.EncodeAll(content, packed.get())
		if drop {
			dropCache(c.db, int64(i)*frameSize, int64(len(content)))
		}
		return frame{i, data, sha256.Sum256(data)}, nil
	}
	emit := func(f frame) error {
		defer packed.put(f.data)
		a.entries = append(a.entries, seekEntry{uint32(len(f.data)), uint32(frameLength(size, f.i))})
		a.table = append(append(a.table, f.hash[:]...), d.frames[f.i].content[:]...)
		if o.Progress != nil {
			o.Progress(min(size, int64(f.i+1)*frameSize), size)
		}
		return a.write(f.data)
	}
	return inOrder(ctx, frameCount(size), workers, work, emit)
}

// writePages writes the page digests, from the file that they were spooled to.
func (a *archiveWriter) writePages(leaves io.ReaderAt, pages int) error {
	in := bufio.NewReaderSize(io.NewSectionReader(leaves, 0, int64(pages)*digestSize), 1<<18)
	for pages > 0 {
		n := min(pages, maxPagesInFrame)
		if err := a.skippable(tagPages, n*digestSize); err != nil {
			return err
		}
		if _, err := io.CopyN(a.w, in, int64(n)*digestSize); err != nil {
			return disk.Wrap("copy page digests", err)
		}
		pages -= n
	}
	return nil
}

// writeTail writes frame table, manifest and seek table, and completes m.
func (a *archiveWriter) writeTail(m *Manifest) error {
	table := append(skippableHeader(tagTable, len(a.table)), a.table...)
	hash := sha256.Sum256(table)
	m.FrameTable = hex.EncodeToString(hash[:])
	a.entries = append(a.entries, seekEntry{uint32(len(table)), 0})
	if err := a.write(table); err != nil {
		return err
	}
	payload, err := m.encode()
	if err != nil {
		return err
	}
	if err := a.skippable(tagManifest, len(payload)); err != nil {
		return err
	}
	return a.write(payload, appendSeekTable(nil, a.entries))
}

// skippable writes the header of a skippable frame and lists the frame.
func (a *archiveWriter) skippable(tag string, payload int) error {
	a.entries = append(a.entries, seekEntry{uint32(skippableHead + tagSize + payload), 0})
	return a.write(skippableHeader(tag, payload))
}
