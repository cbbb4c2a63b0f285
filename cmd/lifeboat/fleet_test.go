package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
)

// tenantsOf is how many databases the tests of many have.
const tenantsOf = 40

// newFleet makes databases and a configuration for them in a directory. The
// environment names it, with a temp and a cache directory.
func newFleet(t *testing.T, url string) (dir string) {
	t.Helper()
	needs.OneHour(t)
	dir = t.TempDir()
	first := tenant(dir, 0)
	if err := os.MkdirAll(filepath.Dir(first), 0o700); err != nil {
		t.Fatal(err)
	}
	sqlite(t, first, "PRAGMA page_size = 512; CREATE TABLE t (x); INSERT INTO t VALUES ('"+strings.Repeat("x", 4000)+"')")
	content, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < tenantsOf; i++ {
		if err := errorsOf(os.MkdirAll(filepath.Dir(tenant(dir, i)), 0o700), os.WriteFile(tenant(dir, i), content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "lifeboat.yaml")
	text := "defaults: {url: '" + url + "/{dir}'}\ndatabases:\n  - {path: '" + dir + "/tenants/*/data.db'}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LIFEBOAT_CONFIG", config)
	t.Setenv("LIFEBOAT_CACHE_DIR", filepath.Join(dir, "cache"))
	t.Setenv("TMPDIR", t.TempDir())
	return dir
}

func errorsOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func tenant(dir string, i int) string {
	return filepath.Join(dir, "tenants", fmt.Sprintf("t%03d", i), "data.db")
}

// Unchanged databases make few requests, and none while their confirmation is young.
func TestFewRequests(t *testing.T) {
	server := testserver.Start(t)
	counter := quirks.Start(t, server)
	counter.Setenv(t)
	dir := newFleet(t, "s3://"+server.Bucket(t)+"/tenants")
	for _, c := range []struct {
		what  string
		args  []string
		want  string // in the summary
		lists int    // at most
		rest  map[string]int
	}{
		// What is below a new series, what was uploaded, and what came meanwhile is looked at.
		{"new", nil, "40 uploaded, 0 unchanged", 3*tenantsOf + 2, map[string]int{"PutObject": tenantsOf}},
		{"unchanged", nil, "0 uploaded, 40 unchanged", 1, map[string]int{"GetObjectTagging": 2 * tenantsOf, "PutObjectTagging": tenantsOf}},
		{"confirmed", []string{"--confirm-every", "12h"}, "0 uploaded, 40 unchanged", 0, nil},
		{"two changed", []string{"--confirm-every", "12h"}, "2 uploaded, 38 unchanged", 3, map[string]int{"PutObject": 2, "GetObjectTagging": 2}},
		{"all changed", []string{"--confirm-every", "12h", "--always"}, "40 uploaded, 0 unchanged", tenantsOf + 1, map[string]int{"PutObject": tenantsOf, "GetObjectTagging": tenantsOf}},
	} {
		if c.what == "two changed" {
			sqlite(t, tenant(dir, 7), "INSERT INTO t VALUES (7)")
			sqlite(t, tenant(dir, 8), "INSERT INTO t VALUES (8)")
		}
		counter.ResetCounts()
		out := lifeboat(t, exitDone, append([]string{"backup"}, c.args...)...)
		if !strings.Contains(out, c.want) {
			t.Errorf("%s: %s", c.what, out)
		}
		counts := counter.Counts()
		if n := counts["ListObjectsV2"]; n > c.lists {
			t.Errorf("%s: %d listings, want at most %d", c.what, n, c.lists)
		}
		delete(counts, "ListObjectsV2")
		if fmt.Sprint(counts) != fmt.Sprint(c.rest) {
			t.Errorf("%s: %v, want %v", c.what, counts, c.rest)
		}
	}
}

// atMost answers more requests than that in a second as a store does that throttles. It
// calls begun at the first upload.
func atMost(perSecond int, begun func()) quirks.Quirk {
	var mu sync.Mutex
	var second int64
	var n int
	var once sync.Once
	slowDown := quirks.Refuse("SlowDown", http.StatusServiceUnavailable)
	return func(store *quirks.Store, r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut {
			once.Do(begun)
		}
		mu.Lock()
		if now := time.Now().Unix(); now != second {
			second, n = now, 0
		}
		n++
		many := n > perSecond
		mu.Unlock()
		if many {
			return slowDown(store, r)
		}
		return store.Do(r)
	}
}

// What is wrong with some databases, and a store that throttles, keep no other one from
// being backed up; and the run says which it was. It opens few files meanwhile.
func TestManyWithBadOnes(t *testing.T) {
	server := testserver.Start(t)
	url := "s3://" + server.Bucket(t) + "/tenants"
	dir := newFleet(t, url)
	vanishes := func() {
		if err := os.Remove(tenant(dir, tenantsOf-1)); err != nil {
			t.Error(err)
		}
	}
	quirks.Start(t, server, atMost(50, vanishes)).Setenv(t)
	db, err := sql.Open("sqlite3", "file:"+tenant(dir, 3)+"?_txlock=exclusive")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	locked, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer locked.Rollback()
	if err := errorsOf(
		os.WriteFile(tenant(dir, 5), bytes.Repeat([]byte("no database. "), 500), 0o600),
		os.Truncate(tenant(dir, 6), 1024), // cut short
		os.Mkdir(filepath.Join(filepath.Dir(tenant(dir, 9)), "data.db-wal"), 0o700),
	); err != nil {
		t.Fatal(err)
	}
	spoilMore(t, dir, url)
	command := exec.Command("lifeboat", "backup", "--parallel", "4", "--wait", "200ms")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	most := 0
	for running := true; running; {
		select {
		case <-ended:
			running = false
		case <-time.After(10 * time.Millisecond):
			most = max(most, filesOf(command.Process.Pid))
		}
	}
	text := output.String()
	if code := command.ProcessState.ExitCode(); code != exitIncomplete {
		t.Errorf("exit %d: %s", code, text)
	}
	for i, want := range map[int]string{3: "(exit 10)", 5: "(exit 4)", 6: "(exit 4)", 9: "(exit 4)", 12: "(exit 4)", 14: "(exit 64)", tenantsOf - 1: "(exit 4)"} {
		if !strings.Contains(text, tenant(dir, i)+" "+want) {
			t.Errorf("tenant %d: no %s", i, want)
		}
	}
	if !strings.Contains(text, fmt.Sprintf(" databases: %d uploaded, 0 unchanged, 8 not backed up", tenantsOf-7)) {
		t.Error(text)
	}
	if most == 0 || most > 100 {
		t.Errorf("%d open files", most)
	}
}

// spoilMore makes tenant 12 unreadable, to root too, since its files are read as their
// owner, and gives tenant 14's series to another database as well.
func spoilMore(t *testing.T, dir, url string) {
	t.Helper()
	err := os.Chmod(tenant(dir, 12), 0)
	if os.Geteuid() == 0 {
		err = os.Chown(tenant(dir, 12), 61234, 61234)
		for _, way := range []string{filepath.Dir(dir), dir, filepath.Join(dir, "tenants"), filepath.Dir(tenant(dir, 12))} {
			err = errors.Join(err, os.Chmod(way, 0o711)) // for that owner
		}
	}
	other := filepath.Join(dir, "other.db")
	sqlite(t, other, "CREATE TABLE t (x)")
	config, opening := os.OpenFile(os.Getenv("LIFEBOAT_CONFIG"), os.O_APPEND|os.O_WRONLY, 0)
	if err := errorsOf(err, opening); err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(config, "  - {path: %s, url: '%s/t014'}\n", other, url)
	if err := errorsOf(err, config.Close()); err != nil {
		t.Fatal(err)
	}
}

// filesOf counts the open files of a process and its workers. A child that has not
// become one yet has its parent's for a moment.
func filesOf(pid int) (n int) {
	all := []string{fmt.Sprint(pid)}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range lists {
		list, _ := os.ReadFile(name)
		for _, child := range strings.Fields(string(list)) {
			if line, _ := os.ReadFile("/proc/" + child + "/cmdline"); strings.Contains(string(line), "__worker") {
				all = append(all, child)
			}
		}
	}
	for _, one := range all {
		open, _ := os.ReadDir("/proc/" + one + "/fd")
		n += len(open)
	}
	return n
}
