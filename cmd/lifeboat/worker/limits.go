package worker

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

const (
	// heapLimit is what SQLite may allocate, in bytes. A copy takes about 1 MiB,
	// a full check of 1 TiB about 50 MiB.
	heapLimit = 256 << 20
	// dataLimit is the last resort, in bytes: the heaps of SQLite and Go, which
	// maps 64 MiB at a time, and the stacks of all threads.
	dataLimit = heapLimit + 512<<20
)

// limitMyself bounds what this process can take from the machine. It leaves no
// core dump, which would hold a part of the database.
func limitMyself() error {
	debug.SetGCPercent(40)
	debug.SetMemoryLimit(64 << 20)
	return errors.Join(lower(unix.RLIMIT_DATA, dataLimit), lower(unix.RLIMIT_CORE, 0), limitHeap())
}

// lower lowers a limit of the process.
func lower(resource int, to uint64) error {
	var limit unix.Rlimit
	err := unix.Getrlimit(resource, &limit)
	if err == nil {
		err = unix.Setrlimit(resource, &unix.Rlimit{Cur: min(to, limit.Max), Max: min(to, limit.Max)})
	}
	return err
}

// limitHeap limits all of SQLite in this process. Source:
// https://www.sqlite.org/c3ref/hard_heap_limit64.html
func limitHeap() (err error) {
	c, err := new(sqlite3.SQLiteDriver).Open(":memory:")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	rows, err := c.(driver.QueryerContext).QueryContext(context.Background(), fmt.Sprintf("PRAGMA hard_heap_limit = %d", heapLimit), nil)
	if err != nil {
		return err
	}
	row := make([]driver.Value, 1)
	if err = rows.Next(row); err == nil && row[0] != int64(heapLimit) {
		err = fmt.Errorf("SQLite's heap limit is %v", row[0])
	}
	return errors.Join(err, rows.Close())
}

// DefaultCheckLimit returns how long the check of a database of that size, in
// bytes, may take where nothing else was said: a minute, and one more (ten for
// a full check) for each GiB. On the slowest disks that were measured a check
// takes a tenth of it.
func DefaultCheckLimit(size int64, level snapshot.CheckLevel) time.Duration {
	each := time.Minute
	if level == snapshot.CheckFull {
		each = 10 * time.Minute
	}
	return time.Minute + time.Duration(float64(size)/(1<<30)*float64(each))
}
