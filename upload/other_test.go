package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// application makes a database of an application: its schema, and so many rows
// of its own.
func application(t *testing.T, schema string, rows int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	runSQL(t, path, schema+"; CREATE TABLE item (id INTEGER PRIMARY KEY, body)")
	fill(t, path, rows)
	return path
}

func fill(t *testing.T, path string, rows int) {
	t.Helper()
	runSQL(t, path, fmt.Sprintf("INSERT INTO item (body) SELECT hex(randomblob(200)) FROM generate_series(1, %d)", rows))
}

func TestBackupGuardsTheContent(t *testing.T) {
	b, _ := emptySeries(t)
	first := application(t, "CREATE TABLE account (name)", 1000)
	backup(t, b, first, BackupOptions{})
	other := application(t, "CREATE TABLE song (title)", 1000)
	runSQL(t, other, "ALTER TABLE item RENAME TO track")
	temp := t.TempDir()
	if _, err := Backup(t.Context(), b, other, BackupOptions{Copy: snapshot.CopyOptions{TempDir: temp}}); !errors.Is(err, ErrOtherDatabase) || errors.Is(err, ErrIncomplete) || count(t, b) != 1 {
		t.Errorf("another database of the same name: %v, %d snapshots", err, count(t, b))
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left in the temp directory: %v, %v", left, err)
	}
	backup(t, b, other, BackupOptions{Adopt: true})
	fill := func(path string) { runSQL(t, path, "INSERT INTO track (body) VALUES (1)") }
	fill(other)
	backup(t, b, other, BackupOptions{})

	b, _ = emptySeries(t)
	for i, path := range []string{first, application(t, "CREATE TABLE account (name)", 1000)} {
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

func (m meanwhile) Put(ctx context.Context, name string, o bucket.PutOptions, write func(io.Writer) error) (bucket.Object, error) {
	m.backup()
	return m.Bucket.Put(ctx, name, o, write)
}

// The first backups of two databases into one prefix at once: the one that ends
// last says so.
func TestFirstBackupsOfTwoDatabases(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	dir, _ := emptySeries(t)
	first := application(t, "CREATE TABLE account (name)", 1000)
	song := application(t, "CREATE TABLE song (title)", 1000)
	runSQL(t, song, "ALTER TABLE item RENAME TO track")
	for what, test := range map[string]struct {
		other string
		o     BackupOptions
		alone bool
	}{
		"another name":        {song, BackupOptions{Name: "songs"}, false},
		"another application": {song, BackupOptions{}, false},
		"another host":        {application(t, "CREATE TABLE account (name)", 1000), BackupOptions{}, false},
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
