package snapshot

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// A Level is how hard to compress. The digest is the same at every level.
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

// ArchiveOptions are the options of WriteArchive.
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
func (c *Copy) MaxArchiveSize() int64 {
	return geometry{KindFull, c.Header.PageSize, c.Header.PageCount}.maxArchiveSize()
}

// WriteArchive compresses the copy on all cores and writes the archive of a full
// snapshot to w. d is the copy's digest. Errors are those of w, or wrap
// ErrSource, ErrNoRoom or what ended ctx.
func (c *Copy) WriteArchive(ctx context.Context, w io.Writer, d *Digest, o ArchiveOptions) (Manifest, error) {
	m := c.Taken.manifest(d, &o)
	m.Kind, m.Format = KindFull, formats[KindFull]
	// Read for the last time, unless the check comes to it later: it must not
	// push out what applications read all the time.
	return m, writeArchive(ctx, w, &m, content{c.source, c.db, d.leaves, d.frames, memoryIsScarce(m.Size)}, o)
}

// manifest returns what is the same in every archive of what was taken.
func (t *Taken) manifest(d *Digest, o *ArchiveOptions) Manifest {
	if o.Level == "" {
		o.Level = LevelFastest
	}
	version, _, _ := sqlite3.Version()
	return Manifest{
		ID: o.ID, Database: o.Database, Created: t.TakenAt.Truncate(1e6),
		Tool: o.Tool, SQLite: version, Method: t.Method, Check: string(o.Check),
		Size: t.Header.Size(), PageSize: t.Header.PageSize, PageCount: t.Header.PageCount, JournalMode: t.JournalMode,
		UserVersion: t.Header.UserVersion, ApplicationID: t.Header.ApplicationID, Digest: d.root, Level: o.Level,
	}
}

// content is what goes into the data frames of an archive.
type content struct {
	source  string // for messages
	file    *os.File
	leaves  io.ReaderAt // page digests, as the archive has them
	frames  []hashed
	dropped bool // from the page cache, once it has been read
}

// writeArchive writes an archive and completes its manifest.
func writeArchive(ctx context.Context, w io.Writer, m *Manifest, from content, o ArchiveOptions) error {
	if skippableHead+tagSize+len(from.frames)*tableEntry > maxTable {
		return fmt.Errorf("write the archive of %s: %w: a database of %d GiB is larger than format %d holds", from.source, ErrSource, m.Size>>30, m.Format)
	}
	a := &archiveWriter{w: w, g: m.geometry(), table: make([]byte, 0, len(from.frames)*tableEntry)}
	err := a.writeFrames(ctx, from, o)
	if err == nil {
		err = a.writePages(from.leaves)
	}
	if err == nil {
		err = a.writeTail(m)
	}
	if err != nil {
		return fmt.Errorf("write the archive of %s: %w", from.source, err)
	}
	return nil
}

// archiveWriter collects the tables that the end of an archive has of its data.
type archiveWriter struct {
	w       io.Writer
	g       geometry
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
func (a *archiveWriter) writeFrames(ctx context.Context, from content, o ArchiveOptions) error {
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
	total := a.g.offset(a.g.frames())
	raw := newBufferPool(workers, a.g.length(0))
	packed := newBufferPool(2*workers, encoder.MaxEncodedSize(a.g.length(0)))
	type frame struct {
		i    int
		data []byte
		hash sum
	}
	work := func(_ context.Context, i int) (frame, error) {
		content := raw.get()[:a.g.length(i)]
		defer raw.put(content)
		if _, err := from.file.ReadAt(content, a.g.offset(i)); err != nil {
			return frame{}, disk.Wrap("read the copy", err)
		}
		if crc32.Checksum(content, castagnoli) != from.frames[i].checksum {
			return frame{}, fmt.Errorf("frame %d of the copy is not what was hashed", i)
		}
		data := encoder.EncodeAll(content, packed.get())
		if from.dropped {
			dropCache(from.file, a.g.offset(i), int64(len(content)))
		}
		return frame{i, data, sha256.Sum256(data)}, nil
	}
	emit := func(f frame) error {
		defer packed.put(f.data)
		a.entries = append(a.entries, seekEntry{uint32(len(f.data)), uint32(a.g.length(f.i))})
		a.table = append(append(a.table, f.hash[:]...), from.frames[f.i].content[:]...)
		if o.Progress != nil {
			o.Progress(a.g.offset(f.i+1), total)
		}
		return a.write(f.data)
	}
	return inOrder(ctx, a.g.frames(), workers, work, emit)
}

// writePages writes the page digests, from the file that they were spooled to.
func (a *archiveWriter) writePages(leaves io.ReaderAt) error {
	in := bufio.NewReaderSize(io.NewSectionReader(leaves, 0, int64(a.g.pages*a.g.entrySize())), 1<<18)
	for i := range a.g.digestFrames() {
		n := a.g.digestLength(i)
		if err := a.skippable(a.g.tag(), n); err != nil {
			return err
		}
		if _, err := io.CopyN(a.w, in, int64(n)); err != nil {
			return disk.Wrap("copy page digests", err)
		}
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
