package snapshot

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/wal"
)

// A Taken describes when and how a database was read.
type Taken struct {
	// TakenAt is when the read transaction began.
	TakenAt time.Time
	// Method is how the database was read.
	Method Method
	// JournalMode is the source's, as its header has it: "wal" or "delete".
	JournalMode string
	// Restarts counts how often the read started again because another
	// connection had written. Always 0 for a WAL database.
	Restarts int
	// ReadLocked means that one read transaction was open for the whole (last) read.
	ReadLocked bool
	// Header is the header in the first page that was read.
	Header Header
	// Tables are the names of its tables, SQLite's own left out: at most 1,000
	// of 200 characters, and none if its schema cannot be read.
	Tables []string
}

// TakeInto is Take for a process that reads a database on behalf of another
// one, so that only the former meets what a hostile database does. It leaves
// the copy in o.TempDir, an empty directory of its own, where the other process
// finds it with Adoption.Copy. After an error, what is in there is of no use.
func TakeInto(ctx context.Context, path string, o CopyOptions) (t Taken, err error) {
	c, err := takeIn(ctx, path, o, func(dir string, need int64) (place, error) {
		keep := func() error { return nil }
		return place{dir, keep}, disk.CheckTemp(filepath.Dir(dir), need) // the user knows that one's name
	})
	if err != nil {
		return Taken{}, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	hashes := make([]byte, 0, len(c.early)*hashedSize)
	for _, h := range c.early {
		hashes = h.append(hashes)
	}
	if err := os.WriteFile(filepath.Join(o.TempDir, hashesName), hashes, 0o600); err != nil {
		return Taken{}, disk.Wrap("write the hashes of frames", err)
	}
	return c.Taken, nil
}

// ReadInto is Read for such a process. It leaves the pages that differ in
// o.TempDir, where the other process finds them with Adoption.Reading, which wants
// the digest. The base's page digests are those that Adoption.LeaveBase has left
// there: base.Pages is not used.
func ReadInto(ctx context.Context, path string, base Base, o ReadOptions) (_ Taken, digest string, err error) {
	f, err := os.Open(filepath.Join(o.TempDir, baseName))
	if err != nil {
		return Taken{}, "", disk.WrapTemp("read the base's page digests", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	base.Pages = f
	return readIn(ctx, path, base, o, o.TempDir)
}

// An Adoption is what another process has read, a copy or what differs from a
// base, and what goes with it. That process may be under a hostile database's
// control: whatever it leaves, this one uses it as if it had read it itself, at the
// cost of this database alone.
type Adoption struct {
	// Source is the database, for messages.
	Source string
	// Dir is the directory that the other process left its files in. It is read by
	// its descriptor, so that nothing moved into its place is taken for it.
	Dir *os.File
	// User is whom the files must belong to.
	User int
	// Taken is what TakeInto or ReadInto returned.
	Taken Taken
	// Check is what Copy.Check calls. file is the copy's name in Dir.
	Check func(ctx context.Context, file string, level CheckLevel) error
	// Close is what Copy.Close or Reading.Close calls when it has closed the files
	// in Dir. It removes them.
	Close func() error
}

// taken returns a.Taken without what must come from the files themselves.
func (a *Adoption) taken() Taken {
	t := a.Taken
	t.Header, t.Tables = Header{}, t.Tables[:min(maxTables, len(t.Tables))]
	return t
}

// Copy returns the copy that TakeInto has left. After an error, a.Close has not
// been called.
func (a Adoption) Copy() (_ *Copy, err error) {
	c := &Copy{Taken: a.taken(), source: a.Source, adopted: &a}
	if c.JournalMode != "wal" && c.JournalMode != "delete" {
		return nil, fmt.Errorf("copy of %s: unknown journal mode %q", a.Source, c.JournalMode)
	}
	if c.files, err = openFiles(a.Dir, a.User); err != nil {
		return nil, err
	}
	if err = c.readHeader(); err == nil {
		err = c.readHashes()
	}
	if err != nil {
		return nil, errors.Join(err, c.files.close())
	}
	return c, nil
}

// LeaveBase writes the page digests of the base into the directory, for ReadInto.
func (a Adoption) LeaveBase(base Base) (err error) {
	f, err := createPlain(a.Dir, baseName, a.User)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, disk.WrapTemp("copy the base's page digests", f.Close())) }()
	_, err = io.Copy(f, io.NewSectionReader(base.Pages, 0, int64(base.PageCount)*PageDigestSize))
	return disk.WrapTemp("copy the base's page digests", err)
}

// Reading returns what ReadInto has left, which returned that digest. tempDir is
// this process's own, for what it computes of that. After an error, a.Close has not
// been called.
func (a Adoption) Reading(ctx context.Context, base Base, digest, tempDir string) (_ *Reading, err error) {
	scratch, err := disk.NewScratch(tempDir, 0)
	if err != nil {
		return nil, err
	}
	r := &Reading{Taken: a.taken(), source: a.Source, base: base.Reference, remove: scratch.Close}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if r.files.wal, err = openPlain(a.Dir, walName, unix.O_RDWR, a.User); err != nil {
		return nil, err
	}
	if err := a.bound(r.files.wal, base); err != nil {
		return nil, err
	}
	if err := r.complete(ctx, base, digest, scratch); err != nil {
		return nil, err
	}
	r.remove = func() error { return errors.Join(a.Close(), scratch.Close()) }
	return r, nil
}

// bound returns an error if a WAL is larger than one can be of which at most half
// the pages differ from the base: what it makes this process do is in proportion to
// the base.
func (a *Adoption) bound(file *os.File, base Base) error {
	info, err := file.Stat()
	if err != nil {
		return disk.WrapTemp("read what has changed", err)
	}
	if most := wal.HeaderSize + int64(base.PageCount+1)*int64(wal.FrameHeaderSize+base.PageSize); info.Size() > most {
		return fmt.Errorf("read %s: what has changed has %d bytes, more than %d", a.Source, info.Size(), most)
	}
	return nil
}

// hashedSize is what a frame that is hashed takes in the file of hashes.
const hashedSize = len(sum{}) + 4

func (h hashed) append(to []byte) []byte {
	return binary.BigEndian.AppendUint32(append(to, h.content[:]...), h.checksum)
}

// readHashes reads what is known of frames already, and no more than the copy
// has frames.
func (c *Copy) readHashes() (err error) {
	f, err := openPlain(c.adopted.Dir, hashesName, unix.O_RDONLY, c.adopted.User)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	all, err := io.ReadAll(io.LimitReader(f, int64(frameCount(c.Header.Size()))*int64(hashedSize)))
	if err != nil {
		return disk.Wrap("read the hashes of frames", err)
	}
	for ; len(all) >= hashedSize; all = all[hashedSize:] {
		c.early = append(c.early, hashed{sum(all), binary.BigEndian.Uint32(all[len(sum{}):])})
	}
	return nil
}
