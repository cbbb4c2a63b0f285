// Package virtual lets SQLite open what is no file of the file system as a database:
// anything that reads, and perhaps writes, at offsets.
//
// It belongs to the ground floor of Lifeboat's own packages and promises nothing
// to applications.
package virtual

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/psanford/sqlite3vfs"
)

// VFS is the name under which SQLite knows the files that Add returns: the URI
// parameter vfs of their databases.
const VFS = "lifeboat"

// A VFS cannot be taken back, and the library must not register a second one while
// the first is in use. So there is one for all.
var register = sync.OnceValue(func() error { return sqlite3vfs.RegisterVFS(VFS, files) })

var files = &registry{}

// A registry has the files that SQLite may open, by name.
type registry struct {
	count atomic.Int64
	files sync.Map
}

// Add makes f a file that SQLite can open by the name until remove is called. Of
// the errors of its methods SQLite learns only that they are I/O errors. A read
// that ends with io.EOF is completed with zeros.
func Add(f sqlite3vfs.File) (name string, remove func(), err error) {
	if err := register(); err != nil {
		return "", nil, fmt.Errorf("register with SQLite: %w", err)
	}
	name = fmt.Sprintf("/%d", files.count.Add(1))
	files.files.Store(name, f)
	return name, func() { files.files.Delete(name) }, nil
}

// Open implements sqlite3vfs.VFS. It never fails: the library would close another
// file in the place of one that was not opened.
func (r *registry) Open(name string, flags sqlite3vfs.OpenFlag) (sqlite3vfs.File, sqlite3vfs.OpenFlag, error) {
	if name == "" {
		return &temp{}, flags, nil
	}
	f, found := r.files.Load(name)
	if !found {
		return missing{}, flags, nil
	}
	return f.(sqlite3vfs.File), flags, nil
}

func (r *registry) Access(name string, _ sqlite3vfs.AccessFlag) (bool, error) {
	_, found := r.files.Load(name)
	return found, nil
}

func (r *registry) Delete(string, bool) error       { return nil }
func (r *registry) FullPathname(name string) string { return name }

// Private has the methods of a file that one connection alone has open, and which
// nothing keeps.
type Private struct{}

// Close implements sqlite3vfs.File.
func (Private) Close() error { return nil }

// Sync implements sqlite3vfs.File.
func (Private) Sync(sqlite3vfs.SyncType) error { return nil }

// Lock implements sqlite3vfs.File.
func (Private) Lock(sqlite3vfs.LockType) error { return nil }

// Unlock implements sqlite3vfs.File.
func (Private) Unlock(sqlite3vfs.LockType) error { return nil }

// CheckReservedLock implements sqlite3vfs.File.
func (Private) CheckReservedLock() (bool, error) { return false, nil }

// SectorSize implements sqlite3vfs.File.
func (Private) SectorSize() int64 { return 0 }

// DeviceCharacteristics implements sqlite3vfs.File.
func (Private) DeviceCharacteristics() sqlite3vfs.DeviceCharacteristic { return 0 }

// ReadOnly has the methods of a file that never changes. SQLite looks for no journal
// and no WAL beside it, whatever its header says.
type ReadOnly struct{ Private }

// WriteAt implements sqlite3vfs.File.
func (ReadOnly) WriteAt([]byte, int64) (int, error) { return 0, sqlite3vfs.ReadOnlyError }

// Truncate implements sqlite3vfs.File.
func (ReadOnly) Truncate(int64) error { return sqlite3vfs.ReadOnlyError }

// DeviceCharacteristics implements sqlite3vfs.File.
func (ReadOnly) DeviceCharacteristics() sqlite3vfs.DeviceCharacteristic {
	return sqlite3vfs.IocapImmutable
}

// missing is a file that is not there.
type missing struct{ ReadOnly }

func (missing) ReadAt([]byte, int64) (int, error) { return 0, sqlite3vfs.IOErrorRead }
func (missing) FileSize() (int64, error)          { return 0, sqlite3vfs.IOErrorRead }
