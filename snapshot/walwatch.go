package snapshot

import (
	"log/slog"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

const (
	walGrowth      = 64 << 20        // bytes
	checkpointWait = 2 * time.Second // a common busy time-out is 5 s
)

// A walWatch warns when the read transaction of a copy is in the application's
// way: it keeps the WAL from being reset, and a blocking checkpoint waits for it
// while it keeps all writers waiting. Each warning comes once.
type walWatch struct {
	database string
	log      *slog.Logger
	start    int64 // size of the WAL at first, in bytes
	last     time.Time
	waited   time.Duration // for how long a checkpoint was seen to wait
	grown    bool          // has been said
	blocks   bool          // has been said
}

func watchWAL(database string, log *slog.Logger) *walWatch {
	w := &walWatch{database: database, log: log, last: time.Now()}
	w.start, _ = sqlite.Size(w.wal())
	return w
}

func (w *walWatch) wal() string { return w.database + "-wal" }

// look is called often, and looks a few times a second.
func (w *walWatch) look() {
	passed := time.Since(w.last)
	if passed < 200*time.Millisecond {
		return
	}
	w.last = time.Now()
	if size, err := sqlite.Size(w.wal()); err == nil && size-w.start > walGrowth && !w.grown {
		w.grown = true
		w.log.Warn("the WAL grows while the database is read: it can be reset only after that", "database", w.database, "bytes", size, "before", w.start)
	}
	if !w.blocks && blockingCheckpoint(w.database+"-shm") {
		w.waited += min(passed, time.Second)
	}
	if w.waited > checkpointWait && !w.blocks {
		w.blocks = true
		w.log.Warn("writers wait: a blocking checkpoint (FULL, RESTART or TRUNCATE) waits until the database has been read", "database", w.database)
	}
}
