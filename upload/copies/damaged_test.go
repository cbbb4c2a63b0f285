package copies

import (
	"context"
	"errors"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// One flipped bit is refused by name, with what stands on it, and the rest is copied.
func testFlippedBit(t *testing.T, server *testserver.Server) {
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		sealed     bool
		from       func(t *testing.T) bucket.Bucket
		identities []age.Identity
	}{
		"plain":                   {false, inDirectory, nil},
		"encrypted, with the key": {true, inDirectory, []age.Identity{identity}},
	} {
		t.Run(name, func(t *testing.T) {
			from := c.from(t)
			var recipients []age.Recipient
			if c.sealed {
				recipients = append(recipients, identity.Recipient())
			}
			all := fill(t, from, rowsInParts, recipients...)
			var size int64
			for _, object := range buckettest.List(t, from, "") {
				if strings.HasPrefix(object.Name, string(all[0])) {
					size = object.Size
				}
			}
			for _, at := range []int64{0, size - 20_000, size - 1} {
				to := inStore(t, server)
				flip := flipped{Bucket: from, id: all[0], at: at}
				r, err := Run(t.Context(), flip, to, Options{Identities: c.identities})
				if !errors.Is(err, ErrPartly) || !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(err.Error(), string(all[0])) || len(r.Refused) != 3 || len(r.Copied) != 1 {
					t.Errorf("byte %d of %d: %v, %+v", at, size, err, r.Refused)
				}
				sameObjects(t, from, to, all[3])
				if uploads, err := server.Client(t).Uploads(t.Context(), to.URL().Bucket, ""); err != nil || len(uploads) > 0 {
					t.Errorf("uploads remain: %v, %v", uploads, err)
				}
				mustCopy(t, from, to, Options{Identities: c.identities})
				sameObjects(t, from, to, all...)
			}
		})
	}
}

// What stands on a snapshot that is at the target already is refused, too, if what that
// stands on cannot be copied.
func TestDamagedBelowWhatIsThere(t *testing.T) {
	from, to := inDirectory(t), inDirectory(t)
	all := fill(t, from, 10)
	mustCopy(t, from, to, Options{Choice: Choice{Classes: []series.Class{series.Hourly}}})
	remove(t, to, all[0])
	r, err := Run(t.Context(), flipped{Bucket: from, id: all[0], at: 20}, to, Options{})
	if !errors.Is(err, ErrPartly) || len(r.Copied) != 1 || len(r.Refused) != 2 {
		t.Errorf("%v, copied %+v, refused %+v", err, r.Copied, r.Refused)
	}
	if there := buckettest.List(t, to, ""); len(there) != 2 || strings.HasPrefix(there[1].Name, string(all[2])) {
		t.Errorf("there are %+v", there)
	}
}

// flipped is a bucket that flips a bit of one object.
type flipped struct {
	bucket.Bucket
	id snapshot.ID
	at int64
}

func (f flipped) Open(ctx context.Context, object bucket.Object) (bucket.Blob, error) {
	blob, err := f.Bucket.Open(ctx, object)
	if strings.HasPrefix(object.Name, string(f.id)) {
		return flippedBlob{blob, f.at}, err
	}
	return blob, err
}

type flippedBlob struct {
	bucket.Blob
	at int64
}

func (f flippedBlob) ReadAt(p []byte, offset int64) (int, error) {
	n, err := f.Blob.ReadAt(p, offset)
	if f.at >= offset && f.at < offset+int64(n) {
		p[f.at-offset] ^= 1
	}
	return n, err
}

// Without a key an encrypted snapshot is verified by the checksum that its store has, in
// one part and in several.
func testSealedWithoutKey(t *testing.T, server *testserver.Server) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		rows int
		from bucket.Bucket
		by   string
	}{
		"in one part":      {10, inStore(t, server), "ETag"},
		"in several parts": {rowsInParts, inStore(t, server), "ETag"},
		"in a directory":   {10, inDirectory(t), ByLength},
	} {
		all := fill(t, c.from, c.rows, identity.Recipient())
		to := inDirectory(t)
		if c.by != ByLength {
			if r, err := Run(t.Context(), flippedSum{flipped{c.from, all[0], 300}}, to, Options{}); !errors.Is(err, ErrPartly) || len(r.Refused) != 3 || !errors.Is(err, snapshot.ErrDamaged) {
				t.Errorf("%s, a flipped bit: %v, %+v", name, err, r.Refused)
			}
			sameObjects(t, c.from, to, all[3])
		}
		r := mustCopy(t, c.from, to, Options{})
		for _, copied := range r.Copied {
			if inParts := strings.Contains(copied.Object.ETag, "-"); c.by == "ETag" && inParts != (c.rows == rowsInParts && copied.Full()) {
				t.Errorf("%s: %s has the ETag %s", name, copied.ID, copied.Object.ETag)
			}
			if copied.By != c.by {
				t.Errorf("%s: %s is verified by %s, want %s", name, copied.ID, copied.By, c.by)
			}
		}
		sameObjects(t, c.from, to, all...)
		other, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		for _, copied := range mustCopy(t, c.from, inDirectory(t), Options{Identities: []age.Identity{other}}).Copied {
			if copied.By != c.by {
				t.Errorf("%s, with another key: %s is verified by %s", name, copied.ID, copied.By)
			}
		}
	}
}

// flippedSum is a flipped bucket in a store.
type flippedSum struct{ flipped }

func (f flippedSum) Sum(ctx context.Context, object bucket.Object) (bucket.Sum, error) {
	return f.Bucket.(bucket.Summed).Sum(ctx, object)
}
