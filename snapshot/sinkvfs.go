package snapshot

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/psanford/sqlite3vfs"
)

// sinkVFS is the name under which SQLite knows sinks. A VFS cannot be taken back,
// so there is one for all, and each sink has a file name of its own.
const sinkVFS = "lifeboat-sink"

var registerSinks = sync.OnceValue(func() error { return sqlite3vfs.RegisterVFS(sinkVFS, sinks) })

var sinks = &sinkFiles{}

// sinkFiles has the sinks that SQLite may open, by name.
type sinkFiles struct {
	count atomic.Int64
	files sync.Map
}

// add makes a sink a file, and returns its name.
func (f *sinkFiles) add(s *sink) string {
	name := fmt.Sprintf("/%d", f.count.Add(1))
	f.files.Store(name, s)
	return name
}

func (f *sinkFiles) remove(name string) { f.files.Delete(name) }

func (f *sinkFiles) Open(name string, flags sqlite3vfs.OpenFlag) (sqlite3vfs.File, sqlite3vfs.OpenFlag, error) {
	s, found := f.files.Load(name)
	if !found {
		return nil, 0, sqlite3vfs.CantOpenError
	}
	return sinkFile{s.(*sink)}, flags, nil
}

func (f *sinkFiles) Access(name string, _ sqlite3vfs.AccessFlag) (bool, error) {
	_, found := f.files.Load(name)
	return found, nil
}

func (f *sinkFiles) Delete(string, bool) error       { return nil }
func (f *sinkFiles) FullPathname(name string) string { return name }

// sinkFile is a sink as SQLite sees it: a file that one connection alone has
// open, and which nothing keeps.
type sinkFile struct{ *sink }

func (f sinkFile) Truncate(size int64) error {
	f.end = size
	return nil
}

func (f sinkFile) FileSize() (int64, error)                             { return f.end, nil }
func (sinkFile) Close() error                                           { return nil }
func (sinkFile) Sync(sqlite3vfs.SyncType) error                         { return nil }
func (sinkFile) Lock(sqlite3vfs.LockType) error                         { return nil }
func (sinkFile) Unlock(sqlite3vfs.LockType) error                       { return nil }
func (sinkFile) CheckReservedLock() (bool, error)                       { return false, nil }
func (sinkFile) SectorSize() int64                                      { return 0 }
func (sinkFile) DeviceCharacteristics() sqlite3vfs.DeviceCharacteristic { return 0 }
