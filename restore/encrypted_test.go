package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/rawclient"
)

func identity(t testing.TB) *age.X25519Identity {
	t.Helper()
	i, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func backUpTo(t testing.TB, b bucket.Bucket, db string, recipients ...age.Recipient) upload.BackupResult {
	t.Helper()
	r, err := upload.Backup(t.Context(), b, db, upload.BackupOptions{
		Always: true, Plaintext: true, Recipients: recipients, Copy: snapshot.CopyOptions{TempDir: t.TempDir()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A countingBucket counts the ranged reads of its objects, each of which is
// one GET.
type countingBucket struct {
	bucket.Bucket
	reads atomic.Int64
}

type countingBlob struct {
	bucket.Blob
	reads *atomic.Int64
}

func (b *countingBucket) Open(ctx context.Context, o bucket.Object) (bucket.Blob, error) {
	blob, err := b.Bucket.Open(ctx, o)
	return countingBlob{blob, &b.reads}, err
}

func (b countingBlob) ReadAt(p []byte, offset int64) (int, error) {
	b.reads.Add(1)
	return b.Blob.ReadAt(p, offset)
}

// Encrypted, by a real store: the restored file is the database, restoring takes one
// request more than without encryption, and no tag or header of the object shows
// anything of its content.
func TestRestoreEncrypted(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	bucket := server.Bucket(t)
	b := &countingBucket{Bucket: openBucket(t, "s3://"+bucket+"/app")}
	db := filepath.Join(t.TempDir(), "app.db")
	run(t, db, "PRAGMA journal_mode=WAL; CREATE TABLE noise (x);")
	for range 3 {
		run(t, db, "INSERT INTO noise VALUES (randomblob(9000000));")
	}
	me := identity(t)
	plain := backUpTo(t, b, db)
	secret := backUpTo(t, b, db, identity(t).Recipient(), me.Recipient())

	var out [2]bytes.Buffer
	var reads [2]int64
	for i, s := range []series.Snapshot{plain.Snapshot, secret.Snapshot} {
		target := filepath.Join(t.TempDir(), "new.db")
		b.reads.Store(0)
		if _, err := Restore(t.Context(), b, s, target, Options{Identities: []age.Identity{me}}); err != nil {
			t.Fatal(err)
		}
		reads[i] = b.reads.Load()
		content, err := os.ReadFile(target)
		if err != nil {
			t.Fatal(err)
		}
		out[i].Write(content)
		var streamed bytes.Buffer
		if err := Stream(t.Context(), b, s, &streamed, Options{Identities: []age.Identity{me}}); err != nil || !bytes.Equal(streamed.Bytes(), content) {
			t.Errorf("stream: %d bytes of %d, %v", streamed.Len(), len(content), err)
		}
	}
	if !bytes.Equal(out[0].Bytes(), out[1].Bytes()) || out[0].Len() < 25<<20 {
		t.Errorf("databases of %d and %d bytes differ", out[0].Len(), out[1].Len())
	}
	if reads[1] > reads[0]+1 || reads[0] < 5 {
		t.Errorf("%d reads, %d without encryption", reads[1], reads[0])
	}
	t.Logf("%d bytes: %d reads, %d without encryption", out[0].Len(), reads[1], reads[0])

	public := metadata(t, server.Client(t), bucket, "app/"+secret.Snapshot.Object.Name)
	for _, needle := range []string{"digest", strings.TrimPrefix(secret.Digest, "lb1:"), "size=", fmt.Sprint(secret.PageCount)} {
		if strings.Contains(public, needle) {
			t.Errorf("the store has %q of an encrypted snapshot: %s", needle, public)
		}
	}
	if ofPlain := metadata(t, server.Client(t), bucket, "app/"+plain.Snapshot.Object.Name); !strings.Contains(ofPlain, "lifeboat-digest="+plain.Digest) {
		t.Errorf("of a plain one it has %s", ofPlain)
	}
}

// metadata returns tags and headers of an object as the store gives them.
func metadata(t *testing.T, client *rawclient.Client, bucket, key string) string {
	t.Helper()
	tags, err := client.Tags(t.Context(), bucket, key)
	if err != nil {
		t.Fatal(err)
	}
	head, err := client.Head(t.Context(), bucket, key)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for name, value := range tags {
		lines = append(lines, name+"="+value)
	}
	for name, values := range head {
		if strings.HasPrefix(name, "X-Amz-Meta-") || strings.HasPrefix(name, "Content-") && name != "Content-Length" {
			lines = append(lines, name+"="+strings.Join(values, ","))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Without the right identity, or from a damaged object, the target stays as
// it is.
func TestEncryptedNotRestored(t *testing.T) {
	dir := t.TempDir()
	b := openBucket(t, "file://"+dir)
	db := filepath.Join(t.TempDir(), "app.db")
	run(t, db, "PRAGMA journal_mode=WAL;"+fillSQL(genNew))
	me := identity(t)
	s := backUpTo(t, b, db, me.Recipient()).Snapshot
	before := filesIn(t, filepath.Dir(db))

	attempt := func(identities ...age.Identity) error {
		o := Options{Replace: true, Identities: identities}
		_, err := Restore(t.Context(), b, s, db, o)
		_, planErr := Prepare(t.Context(), b, s, db, o, time.Now())
		streamErr := Stream(t.Context(), b, s, io.Discard, o)
		if fmt.Sprint(planErr) != fmt.Sprint(streamErr) || err == nil {
			t.Errorf("restore: %v; plan: %v; stream: %v", err, planErr, streamErr)
		}
		if after := filesIn(t, filepath.Dir(db)); after != before {
			t.Errorf("after %v there is\n%s instead of\n%s", err, after, before)
		}
		return err
	}
	if err := attempt(); !errors.Is(err, series.ErrNoIdentity) {
		t.Errorf("no identity: %v", err)
	}
	if err := attempt(identity(t)); !errors.Is(err, series.ErrWrongIdentity) {
		t.Errorf("wrong identity: %v", err)
	}
	path := filepath.Join(dir, s.Object.Name)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte("rubbish"), s.Object.Size-100)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if s, err = Select(t.Context(), b, Selector{}); err != nil {
		t.Fatal(err)
	}
	if err := attempt(me); !errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("damaged: %v", err)
	}
}

// filesIn lists a directory with sizes and times.
func filesIn(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, e.Name(), info.Size(), info.ModTime())
	}
	return b.String()
}

// BenchmarkRestore compares a restore with that of an encrypted snapshot, from
// a directory, so that nothing waits for a store.
func BenchmarkRestore(b *testing.B) {
	bucket := openBucket(b, "file://"+b.TempDir())
	db := filepath.Join(b.TempDir(), "app.db")
	run(b, db, "CREATE TABLE t (x); WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i < 200000) INSERT INTO t SELECT hex(randomblob(200)) || randomblob(400) FROM n")
	me := identity(b)
	for name, recipients := range map[string][]age.Recipient{"plain": nil, "encrypted": {me.Recipient()}} {
		r := backUpTo(b, bucket, db, recipients...)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(r.Size)
			for b.Loop() {
				if _, err := Restore(b.Context(), bucket, r.Snapshot, filepath.Join(b.TempDir(), "new.db"), Options{Identities: []age.Identity{me}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
