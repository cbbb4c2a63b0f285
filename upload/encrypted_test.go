package upload

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

func TestEncryptedBackup(t *testing.T) {
	b, db := emptySeries(t)
	sqlitetest.Exec(t, db, "INSERT INTO t VALUES (randomblob(3000000))") // does not get smaller
	to := BackupOptions{Recipients: []age.Recipient{x25519(t).Recipient()}}
	plain := backup(t, b, db, BackupOptions{})
	first := backup(t, b, db, to) // the same content, but that one is readable
	second := backup(t, b, db, to)
	if plain.Snapshot.Encrypted || !first.Snapshot.Encrypted || first.Unchanged || second.Unchanged {
		t.Errorf("got %+v, %+v, %+v", plain, first, second)
	}
	if first.Snapshot.Object.Name != first.Snapshot.Name.String() || !strings.HasSuffix(first.Snapshot.Object.Name, ".db.zst.age") {
		t.Errorf("named %s", first.Snapshot.Object.Name)
	}
	tags := tagsOf(t, b, first.Snapshot)
	if len(tags) != 4 || tags[series.TagIdentity] != "4096:0::" || tags[series.TagRetention] != series.Held(first.Snapshot.Class) || tags[series.TagDatabase] != "app.db" || tags[series.TagCheck] != "quick" {
		t.Errorf("tags %v", tags)
	}
	names, err := os.ReadDir(b.URL().Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range names {
		content, err := os.ReadFile(filepath.Join(b.URL().Dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		encrypted := !strings.HasPrefix(entry.Name(), string(plain.Snapshot.ID))
		if told := bytes.Contains(content, []byte(strings.TrimPrefix(first.Digest, "lb1:"))); told == encrypted {
			t.Errorf("%s: the digest is in it: %v", entry.Name(), told)
		}
	}
	all, err := series.Snapshots(t.Context(), b, time.Time{})
	if err != nil || len(all) != 3 || all[0].Encrypted || !all[2].Encrypted || all[2].ID != second.Snapshot.ID {
		t.Errorf("listed %+v, %v", all, err)
	}
	if err := b.Delete(t.Context(), second.Snapshot.Object); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(b.URL().Dir); err != nil || len(left) != len(names)-2 {
		t.Errorf("left %v, %v", left, err)
	}
}

// A job whose settings were lost must not ship what is to be secret.
func TestPlaintextAfterEncrypted(t *testing.T) {
	b, db := emptySeries(t)
	backup(t, b, db, BackupOptions{Recipients: []age.Recipient{hybrid(t).Recipient()}})
	if _, err := Backup(t.Context(), b, db, BackupOptions{Always: true}); !errors.Is(err, ErrPlaintext) {
		t.Errorf("got %v", err)
	}
	if all, err := series.Snapshots(t.Context(), b, time.Time{}); err != nil || len(all) != 1 {
		t.Errorf("got %v, %v", all, err)
	}
	if r := backup(t, b, db, BackupOptions{Plaintext: true}); r.Snapshot.Encrypted {
		t.Errorf("got %+v", r)
	}
	backup(t, b, db, BackupOptions{Always: true}) // said once
}

func TestMixedRecipients(t *testing.T) {
	b, db := emptySeries(t)
	_, err := Backup(t.Context(), b, db, BackupOptions{Recipients: []age.Recipient{hybrid(t).Recipient(), x25519(t).Recipient()}})
	if !errors.Is(err, series.ErrRecipients) {
		t.Errorf("got %v", err)
	}
}

// What would have a longer header than Decrypt reads is not made.
func TestTooManyRecipients(t *testing.T) {
	b, db := emptySeries(t)
	_, err := Backup(t.Context(), b, db, BackupOptions{Recipients: slices.Repeat([]age.Recipient{hybrid(t).Recipient()}, 1000)})
	if !errors.Is(err, series.ErrRecipients) {
		t.Errorf("got %v", err)
	}
}

// Whoever may upload but not overwrite must not get his object in the place
// of another by the other suffix.
func TestTwoOfOneID(t *testing.T) {
	b, _ := emptySeries(t)
	id := string(snapshot.NewID(time.Now()))
	for i, suffix := range []string{".daily.db.zst.age", ".daily.db.zst"} {
		buckettest.Put(t, b, id+suffix, buckettest.Content(10+i), nil)
		at := time.Now().Add(time.Duration(i-2) * time.Second)
		if err := os.Chtimes(filepath.Join(b.URL().Dir, id+suffix), at, at); err != nil {
			t.Fatal(err)
		}
	}
	all, err := series.Snapshots(t.Context(), b, time.Time{})
	if err != nil || len(all) != 1 || !all[0].Encrypted {
		t.Errorf("got %+v, %v", all, err)
	}
}

func x25519(t testing.TB) *age.X25519Identity {
	t.Helper()
	i, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func hybrid(t testing.TB) *age.HybridIdentity {
	t.Helper()
	i, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return i
}
