package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/rawclient"
)

// killsOfCopy is how often TestCopyKilled kills a copy, each time at another request:
// go test -count runs it for more.
const killsOfCopy = 6

// A killer kills a process at one request to a store: before the store gets it, or after
// it has done what it was asked for.
type killer struct {
	mu      sync.Mutex
	victim  *os.Process
	at      int  // the request at which it dies, 0 for none
	answers bool // the store gets the request
	seen    int
}

func (k *killer) Do(store *quirks.Store, r *http.Request) (*http.Response, error) {
	k.mu.Lock()
	k.seen++
	now := k.seen == k.at
	k.mu.Unlock()
	if now && !k.answers {
		return nil, fmt.Errorf("killed: %w", k.victim.Kill())
	}
	answer, err := store.Do(r)
	if now {
		return nil, fmt.Errorf("killed: %w", k.victim.Kill())
	}
	return answer, err
}

// start starts a command that dies at a request, or is left alone if that is the zeroth.
func (k *killer) start(t *testing.T, command *exec.Cmd, at int, answers bool) {
	t.Helper()
	k.mu.Lock() // no request is answered before the aim is taken
	defer k.mu.Unlock()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	k.victim, k.at, k.answers, k.seen = command.Process, at, answers, 0
}

// Whenever a copy is killed, what is visible at the target is whole and held, and a second
// run brings the rest.
func TestCopyKilled(t *testing.T) {
	server := testserver.Start(t)
	k := &killer{}
	proxy := quirks.Start(t, server, k.Do)
	proxy.Setenv(t)
	t.Setenv("LIFEBOAT_PART_SIZE", "5MiB")
	source := storeCopies(t)
	bucketName := server.Bucket(t)
	target := copyTarget{server.Client(t), bucketName, source}
	run := func(prefix string, at int, answers bool) (*os.ProcessState, string) {
		command := exec.Command("lifeboat", "copy", "file://"+source, "s3://"+bucketName+"/"+prefix)
		var output bytes.Buffer
		command.Stdout, command.Stderr = &output, &output
		k.start(t, command, at, answers)
		_ = command.Wait() // the state says how it ended
		return command.ProcessState, output.String()
	}
	if ended, output := run("all", 0, false); !ended.Success() || target.whole(t, "undisturbed", "all") != 4 {
		t.Fatalf("undisturbed: %s", output)
	}
	requests := k.seen
	for i, at := range rand.Perm(2 * requests)[:min(killsOfCopy, 2*requests)] {
		prefix := fmt.Sprint("killed-", i)
		what := fmt.Sprintf("killed at request %d of %d, answered: %v", at/2+1, requests, at%2 == 1)
		ended, output := run(prefix, at/2+1, at%2 == 1)
		if status := ended.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
			t.Errorf("%s: it ended with %v: %s", what, ended, output)
		}
		before := target.whole(t, what, prefix)
		if ended, output := run(prefix, 0, false); !ended.Success() {
			t.Errorf("%s: a second run: %v: %s", what, ended, output)
		}
		if after := target.whole(t, what, prefix); after != 4 {
			t.Errorf("%s: %d objects, and after a second run %d", what, before, after)
		}
	}
}

// A copyTarget is a bucket in a store to which the snapshots in a directory are copied.
type copyTarget struct {
	client *rawclient.Client
	bucket string
	source string // the directory
}

// whole checks that what is visible below a prefix are whole snapshots of the source and
// held, and returns how many there are.
func (c copyTarget) whole(t *testing.T, what, prefix string) int {
	t.Helper()
	objects, err := c.client.Objects(t.Context(), c.bucket, prefix+"/")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		content, err := c.client.Get(t.Context(), c.bucket, o.Name)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(o.Name, prefix+"/")
		want, err := os.ReadFile(filepath.Join(c.source, name))
		if err != nil || !bytes.Equal(content.Body, want) {
			t.Errorf("%s: %s is not what the source has: %v", what, name, err)
		}
		tags, err := c.client.Tags(t.Context(), c.bucket, o.Name)
		if parsed, ok := series.ParseName(name); err != nil || !ok || tags[series.TagRetention] != series.Held(parsed.Class) {
			t.Errorf("%s: %s has tags %v, %v", what, name, tags, err)
		}
	}
	return len(objects)
}

// storeCopies stores two full snapshots, of which one is uploaded in parts, and two
// differentials in a directory, and returns its path.
func storeCopies(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	b, err := upload.Open(t.Context(), "file://"+dir, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "app.db")
	sqlite(t, db, "CREATE TABLE t (x); INSERT INTO t VALUES (randomblob(11000000))")
	s := buckettest.NewSeries(t, b, db)
	daily := s.Full(series.Daily)
	sqlite(t, db, "INSERT INTO t VALUES (randomblob(100))")
	hourly := s.On(daily, series.Hourly)
	sqlite(t, db, "INSERT INTO t VALUES (randomblob(100))")
	s.On(hourly, series.Recent)
	sqlite(t, db, "DELETE FROM t; VACUUM; INSERT INTO t VALUES (1)")
	s.Full(series.Recent)
	return dir
}
