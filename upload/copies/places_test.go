package copies

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
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

// Snapshots of another database that come into a place which was empty before are noticed
// when the first object is there, or in the end.
func TestTwoIntoOneEmptyPlace(t *testing.T) {
	for puts, c := range map[int]struct {
		there  int
		partly bool
	}{1: {2, false}, 2: {5, true}} {
		from, to := inDirectory(t), inDirectory(t)
		fill(t, from, 10)
		other := filepath.Join(t.TempDir(), "other.db")
		sqlitetest.Exec(t, other, "CREATE TABLE b (c)")
		meanwhile := atPut{to, puts, func() {
			if _, err := upload.Backup(t.Context(), to, other, upload.BackupOptions{Adopt: true}); err != nil {
				t.Error(err)
			}
		}, new(int)}
		if _, err := Run(t.Context(), from, meanwhile, Options{}); !errors.Is(err, upload.ErrOtherDatabase) || errors.Is(err, ErrPartly) != c.partly {
			t.Errorf("before put %d: %v", puts, err)
		}
		if objects := buckettest.List(t, to, ""); len(objects) != c.there {
			t.Errorf("before put %d: %d objects are there", puts, len(objects))
		}
	}
}

// They are noticed then, too, where the store loses the tags of all that it is given.
func TestTwoIntoOnePlaceWithoutTags(t *testing.T) {
	from, to := inDirectory(t), inDirectory(t)
	fill(t, from, 10)
	other := filepath.Join(t.TempDir(), "other.db")
	sqlitetest.Exec(t, other, "CREATE TABLE b (c)")
	meanwhile := atPut{untagged{to}, 1, func() {
		if _, err := upload.Backup(t.Context(), to, other, upload.BackupOptions{}); err != nil {
			t.Error(err)
		}
	}, new(int)}
	r, err := Run(t.Context(), from, meanwhile, Options{})
	if !errors.Is(err, upload.ErrOtherDatabase) || errors.Is(err, ErrPartly) || len(r.Copied) != 1 || len(r.Refused) != 1 {
		t.Errorf("%v, copied %+v, refused %+v", err, r.Copied, r.Refused)
	}
	if objects := buckettest.List(t, to, ""); len(objects) != 2 {
		t.Errorf("%d objects are there", len(objects))
	}
}

// untagged is a bucket that says of each object that its tags were lost.
type untagged struct{ bucket.Bucket }

func (b untagged) Put(ctx context.Context, name string, o bucket.PutOptions, write func(io.Writer) error) (bucket.PutResult, error) {
	put, err := b.Bucket.Put(ctx, name, o, write)
	if err == nil {
		err = bucket.ErrUntagged
	}
	return put, err
}

// The first copies of two databases of one name and schema that go to one empty place at
// once: one of them stops after its first object at the latest, and from then on neither
// goes on without --adopt.
func TestTwoOfOneNameIntoOneEmptyPlace(t *testing.T) {
	first, second, to := inDirectory(t), inDirectory(t), inDirectory(t)
	fill(t, first, 10)
	younger := sqlitetest.Application(t, "CREATE TABLE a (b)", 10)
	backups(t, second, younger) // after all of the first one
	backups(t, second, younger)
	meanwhile := atPut{to, 1, func() { mustCopy(t, second, to, Options{}) }, new(int)}
	r, err := Run(t.Context(), first, meanwhile, Options{})
	if !errors.Is(err, upload.ErrOtherDatabase) || len(r.Copied) != 1 {
		t.Errorf("the one that is later: %v, copied %+v", err, r.Copied)
	}
	for i, from := range []bucket.Bucket{first, second} {
		backups(t, from, sqlitetest.Application(t, "CREATE TABLE a (b)", 10))
		if r, err := Run(t.Context(), from, to, Options{}); !errors.Is(err, upload.ErrOtherDatabase) || len(r.Copied) > 0 {
			t.Errorf("database %d the next time: %v, copied %+v", i, err, r.Copied)
		}
	}
	mustCopy(t, second, to, Options{Adopt: true})
}

// A series that is begun anew in another place is adopted once.
func TestBegunAnew(t *testing.T) {
	from, anew, to := inDirectory(t), inDirectory(t), inDirectory(t)
	fill(t, from, 10)
	mustCopy(t, from, to, Options{})
	path := sqlitetest.Application(t, "CREATE TABLE a (b)", 10)
	for _, adopt := range []bool{true, false, false} {
		backups(t, anew, path)
		if r := mustCopy(t, anew, to, Options{Adopt: adopt}); len(r.Copied) != 1 {
			t.Errorf("copied %+v", r.Copied)
		}
	}
}

// A series that moves is the same one, also where the second place has snapshots that the
// first has no longer.
func TestSourceMoves(t *testing.T) {
	from, to := inDirectory(t), inDirectory(t)
	all := fill(t, from, 10)
	mustCopy(t, from, to, Options{})
	remove(t, from, all[2])
	moved := inDirectory(t)
	if err := os.Rename(from.URL().Dir, moved.URL().Dir); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		backups(t, moved, sqlitetest.Application(t, "CREATE TABLE a (b)", 10))
		if r := mustCopy(t, moved, to, Options{}); len(r.Copied) != 1 {
			t.Errorf("copied %+v", r.Copied)
		}
	}
}

// atPut is a bucket in which something else happens before one Put.
type atPut struct {
	bucket.Bucket
	at      int // 1 is the first
	happens func()
	puts    *int
}

func (b atPut) Put(ctx context.Context, name string, o bucket.PutOptions, write func(io.Writer) error) (bucket.PutResult, error) {
	if *b.puts++; *b.puts == b.at {
		b.happens()
	}
	return b.Bucket.Put(ctx, name, o, write)
}

// Two copies at once bring each object once.
func testTwoCopiesAtOnce(t *testing.T, server *testserver.Server) {
	from := inDirectory(t)
	all := fill(t, from, 500)
	for name, to := range map[string]bucket.Bucket{"store": inStore(t, server), "directory": inDirectory(t)} {
		second := atPut{to, 1, func() { mustCopy(t, from, to, Options{}) }, new(int)}
		if r := mustCopy(t, from, second, Options{}); len(r.Copied) != 4 {
			t.Errorf("%s: %+v", name, r)
		}
		sameObjects(t, from, to, all...)
	}
}
