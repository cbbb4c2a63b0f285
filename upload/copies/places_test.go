package copies

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
)

// Places that must not get copies, and sources that have none.
func TestRefusedPlaces(t *testing.T) {
	from := inDirectory(t)
	fill(t, from, 10)
	if _, err := Run(t.Context(), from, from, Options{}); !errors.Is(err, ErrSame) {
		t.Errorf("to itself: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(from.URL().Dir, link); err != nil {
		t.Fatal(err)
	}
	linked, err := upload.Open(t.Context(), "file://"+link, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), from, linked, Options{}); !errors.Is(err, ErrSame) {
		t.Errorf("to itself through a link: %v", err)
	}
	empty := inDirectory(t)
	if err := os.Mkdir(empty.URL().Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), empty, inDirectory(t), Options{}); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("from an empty place: %v", err)
	}
	if _, err := Run(t.Context(), inDirectory(t), empty, Options{}); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("from a directory that is not there: %v", err)
	}
	inside, err := upload.Open(t.Context(), from.URL().String()+"/copy", upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), from, inside, Options{}); !errors.Is(err, upload.ErrNested) {
		t.Errorf("into itself: %v", err)
	}
	own, unlike, named := inDirectory(t), inDirectory(t), inDirectory(t)
	other := filepath.Join(t.TempDir(), "other.db")
	sqlitetest.Exec(t, other, "CREATE TABLE b (c)")
	for b, path := range map[bucket.Bucket]string{
		own:    sqlitetest.Application(t, "PRAGMA application_id = 9; CREATE TABLE a (b)", 100),
		unlike: sqlitetest.Application(t, "PRAGMA application_id = 7; CREATE TABLE c (d)", 100),
		named:  other,
	} {
		if _, err := upload.Backup(t.Context(), b, path, upload.BackupOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]bucket.Bucket{"another application's": unlike, "one with another name": named} {
		if _, err := Run(t.Context(), own, to, Options{}); !errors.Is(err, upload.ErrOtherDatabase) {
			t.Errorf("to a place of %s: %v", name, err)
		}
		if objects := buckettest.List(t, to, ""); len(objects) != 1 {
			t.Errorf("%s: %d objects are there", name, len(objects))
		}
	}
}

// A store that has two endpoints is one place.
func testTwoNamesOfOneStore(t *testing.T, server *testserver.Server) {
	name := server.Bucket(t)
	from := inBucket(t, server, name)
	fill(t, from, 10)
	proxy := quirks.Start(t, server, (*quirks.Store).Do)
	if _, err := Run(t.Context(), from, inBucket(t, &proxy.Server, name), Options{}); !errors.Is(err, ErrSame) {
		t.Errorf("%v", err)
	}
}

// Snapshots of another database that came in between are noticed in the end.
func TestTwoIntoOneEmptyPlace(t *testing.T) {
	from, to := inDirectory(t), inDirectory(t)
	all := fill(t, from, 10)
	other := filepath.Join(t.TempDir(), "other.db")
	sqlitetest.Exec(t, other, "CREATE TABLE b (c)")
	meanwhile := atPut{to, func() {
		if _, err := upload.Backup(t.Context(), to, other, upload.BackupOptions{}); err != nil {
			t.Error(err)
		}
	}, new(sync.Once)}
	if _, err := Run(t.Context(), from, meanwhile, Options{}); !errors.Is(err, ErrPartly) || !errors.Is(err, upload.ErrOtherDatabase) {
		t.Errorf("%v", err)
	}
	if objects := buckettest.List(t, to, ""); len(objects) != len(all)+1 {
		t.Errorf("%d objects are there", len(objects))
	}
}

// atPut is a bucket in which something else happens before the first Put.
type atPut struct {
	bucket.Bucket
	happens func()
	once    *sync.Once
}

func (b atPut) Put(ctx context.Context, name string, o bucket.PutOptions, write func(io.Writer) error) (bucket.PutResult, error) {
	b.once.Do(b.happens)
	return b.Bucket.Put(ctx, name, o, write)
}

// Two copies at once bring each object once.
func testTwoCopiesAtOnce(t *testing.T, server *testserver.Server) {
	from := inDirectory(t)
	all := fill(t, from, 500)
	for name, to := range map[string]bucket.Bucket{"store": inStore(t, server), "directory": inDirectory(t)} {
		second := atPut{to, func() { mustCopy(t, from, to, Options{}) }, new(sync.Once)}
		if r := mustCopy(t, from, second, Options{}); len(r.Copied) != 4 {
			t.Errorf("%s: %+v", name, r)
		}
		sameObjects(t, from, to, all...)
	}
}
