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
// finds it with Adopt. After an error, what is in there is of no use.
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

// An Adoption is a copy that another process has made, and what goes with it.
type Adoption struct {
	// Source is the database, for messages.
	Source string
	// Dir is the directory that TakeInto left the copy in. It is read by its
	// descriptor, so that nothing moved into its place is taken for it.
	Dir *os.File
	// User is whom the files must belong to.
	User int
	// Taken is what TakeInto returned.
	Taken Taken
	// Check is what Copy.Check calls.
	Check func(ctx context.Context, level CheckLevel) error
	// Close is what Copy.Close calls when it has closed the copy's files. It
	// removes them.
	Close func() error
}

// Adopt makes a Copy of what another process has left. That process may be
// under a hostile database's control: whatever is in the files, the copy is
// used like one of this process, at the cost of this database alone. On an
// error, a.Close has not been called.
func Adopt(a Adoption) (_ *Copy, err error) {
	t := a.Taken
	if t.JournalMode != "wal" && t.JournalMode != "delete" {
		return nil, fmt.Errorf("copy of %s: unknown journal mode %q", a.Source, t.JournalMode)
	}
	t.Header, t.Tables = Header{}, t.Tables[:min(maxTables, len(t.Tables))] // the header is the copy's own
	c := &Copy{Taken: t, source: a.Source, adopted: &a}
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
