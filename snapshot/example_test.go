package snapshot_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	_ "github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// A database that an application has open is copied and checked, becomes an
// archive, and is read again.
func ExampleTake() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "app.db")
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE notes (text TEXT)"); err != nil {
		fmt.Println(err)
		return
	}

	var archive bytes.Buffer // any io.Writer: a file, an upload
	id, err := write(ctx, path, &archive)
	if err != nil {
		fmt.Println(err)
		return
	}
	a, err := snapshot.OpenArchive(ctx, bytes.NewReader(archive.Bytes()), int64(archive.Len()), id)
	if err != nil {
		fmt.Println(err)
		return
	}
	chain, err := snapshot.NewChain(a)
	if err != nil {
		fmt.Println(err)
		return
	}
	var content bytes.Buffer
	if err := chain.Stream(ctx, &content, snapshot.ExtractOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	m := a.Manifest()
	fmt.Println(m.Database, m.JournalMode, m.PageCount, "pages, check", m.Check)
	fmt.Println("read again:", content.Len(), "bytes")
	// Output:
	// app.db wal 2 pages, check quick
	// read again: 8192 bytes
}

func write(ctx context.Context, path string, archive *bytes.Buffer) (id snapshot.ID, err error) {
	c, err := snapshot.Take(ctx, path, snapshot.CopyOptions{})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.Check(ctx, snapshot.CheckQuick); err != nil {
		return "", err
	}
	digest, err := c.Digest(ctx, nil)
	if err != nil {
		return "", err
	}
	m, err := c.WriteArchive(ctx, archive, digest, snapshot.ArchiveOptions{
		ID: snapshot.NewID(c.TakenAt), Database: filepath.Base(path), Tool: "my-app 1.0", Check: snapshot.CheckQuick,
	})
	return m.ID, err
}
