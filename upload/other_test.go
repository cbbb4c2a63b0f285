package upload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

func TestBackupGuardsTheContent(t *testing.T) {
	b, _ := emptySeries(t)
	first := sqlitetest.Application(t, "CREATE TABLE account (name)", 1000)
	backup(t, b, first, BackupOptions{})
	other := sqlitetest.Application(t, "CREATE TABLE song (title)", 1000)
	sqlitetest.Exec(t, other, "ALTER TABLE item RENAME TO track")
	temp := t.TempDir()
	if _, err := Backup(t.Context(), b, other, BackupOptions{Copy: snapshot.CopyOptions{TempDir: temp}}); !errors.Is(err, ErrOtherDatabase) || errors.Is(err, ErrIncomplete) || count(t, b) != 1 {
		t.Errorf("another database of the same name: %v, %d snapshots", err, count(t, b))
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left in the temp directory: %v, %v", left, err)
	}
	backup(t, b, other, BackupOptions{Adopt: true})
	fill := func(path string) { sqlitetest.Exec(t, path, "INSERT INTO track (body) VALUES (1)") }
	fill(other)
	backup(t, b, other, BackupOptions{})

	b, _ = emptySeries(t)
	for i, path := range []string{first, sqlitetest.Application(t, "CREATE TABLE account (name)", 1000)} {
		var log bytes.Buffer
		backup(t, b, path, BackupOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if warned := strings.Contains(log.String(), "level=WARN"); warned != (i == 1) {
			t.Errorf("backup %d: %s", i, log.String())
		}
	}
}

// A meanwhile is a bucket to which another backup goes while one uploads.
type meanwhile struct {
	bucket.Bucket
	backup func()
}

func (m meanwhile) Put(ctx context.Context, name string, o bucket.PutOptions, write func(io.Writer) error) (bucket.PutResult, error) {
	m.backup()
	return m.Bucket.Put(ctx, name, o, write)
}

// The first backups of two databases into one prefix at once: the one that ends
// last says so.
func TestFirstBackupsOfTwoDatabases(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	dir, _ := emptySeries(t)
	first := sqlitetest.Application(t, "CREATE TABLE account (name)", 1000)
	song := sqlitetest.Application(t, "CREATE TABLE song (title)", 1000)
	sqlitetest.Exec(t, song, "ALTER TABLE item RENAME TO track")
	for what, test := range map[string]struct {
		other string
		o     BackupOptions
		alone bool
	}{
		"another name":        {song, BackupOptions{Name: "songs"}, false},
		"another application": {song, BackupOptions{}, false},
		"another host":        {sqlitetest.Application(t, "CREATE TABLE account (name)", 1000), BackupOptions{}, false},
		"the same":            {first, BackupOptions{}, true},
	} {
		for _, b := range []bucket.Bucket{dir, emptyBucket(t, server, bucket.Options{})} {
			between := meanwhile{b, func() { backup(t, b, test.other, test.o) }}
			r, err := Backup(t.Context(), between, first, BackupOptions{})
			switch {
			case test.alone && err != nil:
				t.Errorf("%s: %v", what, err)
			case !test.alone && !(errors.Is(err, ErrIncomplete) && errors.Is(err, ErrOtherDatabase)):
				t.Errorf("%s: %v", what, err)
			}
			if r.Snapshot.ID == "" || count(t, b) != 2 {
				t.Errorf("%s: %d snapshots, %+v", what, count(t, b), r)
			}
			all, err := series.Snapshots(t.Context(), b, r.Snapshot.ID.Time().AddDate(0, 0, -1))
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range all {
				if err := b.Delete(t.Context(), s.Object); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
