package snapshot

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
)

const (
	accounts = 500
	balance  = 1000
)

// bank makes a database of accounts, with some ballast, whose total never changes.
func bank(t testing.TB, mode string, ballastMiB int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bank.db")
	runSQL(t, path, fmt.Sprintf(`PRAGMA journal_mode=%s;
		CREATE TABLE account (id INTEGER PRIMARY KEY, balance INT NOT NULL);
		INSERT INTO account SELECT value, %d FROM generate_series(1, %d);
		CREATE TABLE ballast (b); INSERT INTO ballast SELECT randomblob(4000) FROM generate_series(1, %d)`,
		mode, balance, accounts, ballastMiB*250))
	return path
}

// writers move money as fast as they can until the test ends or stop is
// called. They take turns, so that whoever else keeps them waiting is seen:
// their busy timeout is 0, and busy counts their SQLITE_BUSY.
type writers struct {
	commits, busy atomic.Int64
	stop          func()
}

func startWriters(t *testing.T, path string, n int, busyTimeout time.Duration) *writers {
	t.Helper()
	w := &writers{}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	var turn sync.Mutex
	for i := range n {
		uri, err := sqlite.URI(path, url.Values{"_busy_timeout": {fmt.Sprint(busyTimeout.Milliseconds())}, "_synchronous": {"OFF"}, "_txlock": {"immediate"}})
		if err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite3", uri)
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		group.Go(func() {
			defer db.Close()
			random := rand.New(rand.NewPCG(uint64(i), 7))
			for ctx.Err() == nil {
				turn.Lock()
				err := transfer(db, random)
				if err == nil {
					w.commits.Add(1) // within the turn: none but the last is yet to be counted
				}
				turn.Unlock()
				switch {
				case err == nil:
				case strings.Contains(err.Error(), "locked"):
					w.busy.Add(1)
				default:
					t.Errorf("writer: %v", err)
					return
				}
			}
		})
	}
	w.stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(w.stop)
	await.That(t, func() bool { return w.commits.Load() >= 20 })
	return w
}

// await waits for that many more commits.
func (w *writers) await(t *testing.T, more int64) {
	t.Helper()
	until := w.commits.Load() + more
	await.That(t, func() bool { return w.commits.Load() >= until })
}

// disturb returns a Progress that has the writers commit between two steps, for as often
// as the copy of a database with a rollback journal begins anew for it.
func (w *writers) disturb(t *testing.T) func(done, total int64) {
	times := 0
	return func(int64, int64) {
		if times++; times <= maxRestarts {
			w.await(t, 2) // the first may have been before the step
		}
	}
}

func transfer(db *sql.DB, random *rand.Rand) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	amount := random.IntN(100)
	for i, sign := range []int{-1, 1} {
		if _, err := tx.Exec("UPDATE account SET balance = balance + ? WHERE id = ?", sign*amount, 1+random.IntN(accounts/2)*2+i); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func checkBank(t *testing.T, path string) {
	t.Helper()
	got := runSQL(t, path, "SELECT sum(balance), count(*) FROM account; PRAGMA integrity_check")
	if want := fmt.Sprintf("%d|%d\nok", accounts*balance, accounts); got != want {
		t.Fatalf("restored bank: got %q, want %q", got, want)
	}
}
