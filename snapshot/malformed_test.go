package snapshot

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// An outcome is what the child says of one source and one way to back it up.
type outcome struct {
	Name, Error string
	Source      bool // the error wraps ErrSource
	NoRoom      bool
	Took        time.Duration
}

const malformedDir = "LIFEBOAT_TEST_MALFORMED"

// Files that are no databases, or broken ones, or lie: an error that says so, or
// a copy that is what the snapshot gives back, and sound if it was checked. SQLite
// works on them in another process, whose crash would be seen here.
func TestMalformedSources(t *testing.T) {
	needs.Time(t)
	if dir := os.Getenv(malformedDir); dir != "" {
		backUpAll(t, dir)
		return
	}
	dir := t.TempDir()
	sources := malformed(t)
	for i, s := range sources {
		path := filepath.Join(dir, fmt.Sprintf("%04d-%d.db", i, s.ways))
		for suffix, content := range s.files {
			if err := os.WriteFile(path+suffix, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if s.make != nil {
			if err := s.make(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	child := exec.Command(os.Args[0], "-test.run=^TestMalformedSources$")
	child.Env = append(os.Environ(), malformedDir+"="+dir, "TMPDIR="+t.TempDir())
	var said strings.Builder
	child.Stderr = &said
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(30*time.Minute, func() { child.Process.Kill() })
	defer stuck.Stop()
	outcomes, fine, want := 0, 0, 0
	for _, s := range sources {
		want += len(s.waysToGo())
	}
	name := func(file string) string {
		var i int
		fmt.Sscanf(file, "%d", &i)
		return file + ": " + sources[i].name
	}
	last := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var o outcome
		if json.Unmarshal(lines.Bytes(), &o) != nil {
			continue
		}
		outcomes++
		last = name(o.Name)
		switch {
		case o.Error == "":
			fine++
		case !o.Source && !o.NoRoom || strings.Contains(o.Error, "panic"):
			t.Errorf("%s: %s", last, o.Error)
		}
		if o.Took > time.Minute {
			t.Errorf("%s: took %s", last, o.Took)
		}
		t.Logf("%s: %s", last, o.Error)
	}
	if err := child.Wait(); err != nil || outcomes != want {
		t.Errorf("the process ended after %d of %d, behind %s: %v\n%s", outcomes, want, last, err, said.String())
	}
	t.Logf("%d files, %d backups of them, %d succeeded", len(sources), outcomes, fine)
	if fine == 0 || fine == outcomes {
		t.Error("the test shows nothing")
	}
}

type way struct {
	method Method
	check  CheckLevel
}

var ways = []way{{MethodBackup, CheckQuick}, {MethodBackup, CheckNone}, {MethodBackup, CheckFull}, {MethodVacuum, CheckNone}}

func (s source) waysToGo() []way {
	if s.ways > 0 {
		return ways[s.ways-1:][:1]
	}
	return ways
}

// backUpAll is what the child does.
func backUpAll(t *testing.T, dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasSuffix(name, ".db") {
			continue
		}
		var i, n int
		fmt.Sscanf(name, "%d-%d.db", &i, &n)
		for _, way := range (source{ways: n}).waysToGo() {
			began := time.Now()
			err := backUp(filepath.Join(dir, name), way.method, way.check)
			o := outcome{Name: fmt.Sprintf("%s %s %s", name, way.method, way.check), Took: time.Since(began)}
			if err != nil {
				o.Error, o.Source, o.NoRoom = err.Error(), errors.Is(err, ErrSource), errors.Is(err, ErrNoRoom)
			}
			line, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println(string(line))
		}
	}
}

// backUp makes a snapshot and compares what comes out of it with the copy.
func backUp(path string, method Method, level CheckLevel) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c, err := Take(ctx, path, CopyOptions{Method: method, Wait: time.Second})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Check(ctx, level); err != nil {
		return err
	}
	if level == CheckFull || method == MethodVacuum {
		return nil
	}
	d, err := c.Digest(ctx, nil)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	m, err := c.WriteArchive(ctx, &b, d, ArchiveOptions{ID: NewID(c.TakenAt), Check: level})
	if err != nil {
		return err
	}
	got, err := extract(ctx, b.Bytes())
	if err != nil {
		return err
	}
	copied, err := os.ReadFile(c.path)
	if err == nil && !bytes.Equal(got, copied) {
		err = errors.New("the snapshot does not give back the copy")
	}
	if err == nil && level == CheckNone {
		err = readUnchanged(ctx, path, NewBase(m, d.Pages()))
	}
	if err != nil || level == CheckNone {
		return err
	}
	restored := c.path + "-restored"
	if err := os.WriteFile(restored, got, 0o600); err != nil {
		return err
	}
	db, err := sqlite.OpenSource(restored, 0, url.Values{"mode": {"ro"}})
	if err != nil {
		return fmt.Errorf("restored: %v", err)
	}
	defer db.Close()
	rows, err := db.Column(ctx, "PRAGMA quick_check")
	if err != nil || len(rows) != 1 || rows[0] != "ok" {
		return fmt.Errorf("restored: %v, %v", rows, err)
	}
	return nil
}

// readUnchanged reads a database of which the base is the copy.
func readUnchanged(ctx context.Context, path string, base Base) error {
	r, err := Read(ctx, path, base, ReadOptions{CopyOptions: CopyOptions{Wait: time.Second}})
	if err != nil {
		return fmt.Errorf("copied, but not read: %w", err)
	}
	if r.Digest.String() != base.Digest || r.Pages() != 1 {
		err = fmt.Errorf("read with digest %s, copied with %s, %d pages differ", r.Digest, base.Digest, r.Pages())
	}
	return errors.Join(err, r.Close())
}

// SQLite has no code of its own for what a virtual table cannot read.
func TestGenericError(t *testing.T) {
	if err := sqlite.WrapSource("check app.db", sqlite3.Error{Code: sqlite3.ErrError}); !errors.Is(err, ErrSource) {
		t.Error(err)
	}
}
