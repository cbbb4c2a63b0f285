package upload

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
)

// What reads the database is called through Around, once, and the upload comes after it.
func TestAround(t *testing.T) {
	b, db := emptySeries(t)
	calls, want := 0, 0
	o := BackupOptions{CacheDir: t.TempDir(), Around: func(ctx context.Context, read func(context.Context) error) error {
		calls++
		err := read(ctx)
		if got := count(t, b); got != want {
			t.Errorf("%d snapshots when the database has been read, want %d", got, want)
		}
		return err
	}}
	steps := []struct {
		what      string
		change    func()
		unchanged bool
	}{
		{"the first", func() {}, false},
		{"unchanged", func() { want = 1 }, true},
		{"known to be unchanged", func() { o.ConfirmEvery = time.Hour }, true},
		{"changed", func() { o.ConfirmEvery = 0; sqlitetest.Exec(t, db, "INSERT INTO t VALUES (2)") }, false},
	}
	for _, step := range steps {
		step.change()
		calls = 0
		if r := backup(t, b, db, o); r.Unchanged != step.unchanged || calls != 1 {
			t.Errorf("%s: unchanged %v, %d calls", step.what, r.Unchanged, calls)
		}
	}
	refused := errors.New("the application does not pause")
	o.Around = func(context.Context, func(context.Context) error) error { return refused }
	o.Always = true
	if _, err := Backup(t.Context(), b, db, o); !errors.Is(err, refused) || errors.Is(err, ErrIncomplete) || count(t, b) != 2 {
		t.Errorf("%v, %d snapshots", err, count(t, b))
	}
}
