package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

// A row's sum is the SHA-256 of the sum of the row before and its own word. So
// the newest one speaks for all of them.
const schema = `
CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, word BLOB NOT NULL, sum BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS noise (bytes BLOB NOT NULL)`

// pause is the time between two rows.
const pause = 20 * time.Millisecond

func open(path, mode string) (*sql.DB, error) {
	db, err := sql.Open("sqlite3", "file:"+path+"?mode="+mode+"&_busy_timeout=10000&_journal_mode=WAL&_synchronous=NORMAL")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// write goes on where the database ends. Its connection stays open all the
// time, as an application's does.
func write(ctx context.Context, path string) (err error) {
	db, err := open(path, "rwc")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.Exec(schema); err != nil {
		return fmt.Errorf("make the tables in %s: %w", path, err)
	}
	count, sum, err := state(db)
	if err != nil {
		return err
	}
	fmt.Printf("go on after row %d\n", count)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		word := make([]byte, 64)
		rand.Read(word) // never fails, see crypto/rand
		count, sum = count+1, next(sum, word)
		if _, err := db.Exec("INSERT INTO entry VALUES (?, ?, ?)", count, word, sum); err != nil {
			return fmt.Errorf("append row %d: %w", count, err)
		}
	}
}

func next(sum, word []byte) []byte {
	h := sha256.Sum256(append(bytes.Clone(sum), word...))
	return h[:]
}

// state recomputes all sums.
func state(db *sql.DB) (count int, sum []byte, err error) {
	rows, err := db.Query("SELECT id, word, sum FROM entry ORDER BY id")
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int
		var word, stored []byte
		if err := rows.Scan(&id, &word, &stored); err != nil {
			return 0, nil, err
		}
		count, sum = count+1, next(sum, word)
		if id != count || !bytes.Equal(sum, stored) {
			return 0, nil, fmt.Errorf("row %d is not as it was written", id)
		}
	}
	return count, sum, rows.Err()
}

func printState(path string) error {
	db, err := open(path, "rw")
	if err != nil {
		return err
	}
	defer db.Close()
	count, sum, err := state(db)
	if err != nil {
		return err
	}
	fmt.Printf("%d %x\n", count, sum)
	return nil
}

func printSum(path, id string) error {
	db, err := open(path, "rw")
	if err != nil {
		return err
	}
	defer db.Close()
	var sum []byte
	if err := db.QueryRow("SELECT sum FROM entry WHERE id = CAST(? AS INTEGER)", id).Scan(&sum); err != nil {
		return fmt.Errorf("row %s: %w", id, err)
	}
	fmt.Printf("%x\n", sum)
	return nil
}

func fill(path, mebibytes string) error {
	db, err := open(path, "rwc")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Exec(schema); err != nil {
		return err
	}
	_, err = db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < CAST(? AS INTEGER))
		INSERT INTO noise SELECT randomblob(1 << 20) FROM n`, mebibytes)
	return err
}
