package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
)

func TestExitOfAll(t *testing.T) {
	for _, c := range []struct {
		want  int
		exits []int
	}{
		{0, []int{0}}, {0, []int{0, 0}}, {4, []int{4}}, {11, []int{11, 11, 11}}, {3, []int{3, 3}}, {64, []int{64, 64}},
		{3, []int{0, 4}}, {3, []int{4, 0}}, {3, []int{3, 0}}, {3, []int{0, 3}}, {3, []int{3, 4}}, {3, []int{4, 4, 3}}, {3, []int{4, 11, 0}}, {3, []int{4, 5, 11, 0}},
		{1, []int{4, 11}}, {1, []int{4, 11, 5}}, {1, []int{4, 4, 11, 4}},
	} {
		if got := exitOfAll(c.exits); got != c.want {
			t.Errorf("%v: exit %d, want %d", c.exits, got, c.want)
		}
	}
}

// A series that is not fresh outweighs all else.
func TestExitOfStatus(t *testing.T) {
	for _, c := range []struct {
		want  int
		exits []int
	}{
		{0, []int{0, 0}}, {9, []int{0, 9, 0}}, {9, []int{9, 9}}, {9, []int{5, 11, 9}}, {9, []int{3, 9}},
		{5, []int{5, 5}}, {3, []int{0, 5}}, {1, []int{5, 11}}, {3, []int{3, 0}},
	} {
		if got := exitOfStatus(c.exits); got != c.want {
			t.Errorf("%v: exit %d, want %d", c.exits, got, c.want)
		}
	}
}

// testMany looks at what several backups do at the same time.
func testMany(t *testing.T, server *testserver.Server) {
	server.Setenv(t)
	dir := t.TempDir()
	db := filepath.Join(dir, "app.db")
	sqlite(t, db, "CREATE TABLE t (x); INSERT INTO t VALUES (hex(randomblob(400000)))")
	for _, name := range []string{"b.db", "c.db"} {
		sqlite(t, db, "VACUUM INTO '"+filepath.Join(dir, name)+"'")
	}
	config := filepath.Join(dir, "lifeboat.yaml")
	write := func(bucket, settings string) {
		text := "defaults: {url: 's3://" + bucket + "/{name}', " + settings + "}\ndatabases: [{path: '" + dir + "/*.db'}]\n"
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("LIFEBOAT_CONFIG", config)
	copies := func(temp string) int {
		found, _ := filepath.Glob(filepath.Join(temp, "*", "copy.db"))
		return len(found)
	}

	t.Run("bounded", func(t *testing.T) {
		for _, c := range []struct {
			args []string
			most int
		}{{nil, 1}, {[]string{"--parallel", "2"}, 2}} {
			temp, count := t.TempDir(), newCounting(t, c.most)
			t.Setenv("TMPDIR", temp)
			write(server.Bucket(t), "max-rate: 2MiB")
			out := lifeboat(t, exitDone, slices.Concat([]string{"backup"}, c.args, count.flags())...)
			if !strings.Contains(out, "3 databases: 3 uploaded") {
				t.Errorf("%v: %s", c.args, out)
			}
			if most := count.most(t); most != c.most {
				t.Errorf("%v: %d at once, want %d", c.args, most, c.most)
			}
			checkEmpty(t, temp)
		}
	})
	t.Run("terminated", func(t *testing.T) {
		temp, bucket := t.TempDir(), server.Bucket(t)
		write(bucket, "max-rate: 64KiB")
		terminate(t, syscall.SIGTERM, 143, temp, func() bool { return copies(temp) == 2 }, "backup", "--parallel", "2")
		checkBucket(t, server, bucket, "")
	})
	t.Run("told", func(t *testing.T) {
		temp := t.TempDir()
		t.Setenv("TMPDIR", temp)
		write(server.Bucket(t), "max-rate: 64KiB")
		command := exec.Command("lifeboat", "backup", "--json")
		var output bytes.Buffer
		command.Stdout, command.Stderr = &output, &output
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		await.That(t, func() bool { return copies(temp) > 0 })
		send(t, command, syscall.SIGTERM)
		err := command.Wait()
		if n := strings.Count(output.String(), `"exit": 143`); n != 3 || !strings.Contains(output.String(), "error: terminated during: 3 of 3 databases not backed up: "+db) {
			t.Errorf("%v: %s", err, &output)
		}
	})
}

// tenants makes databases in directories beside one.
func tenants(t *testing.T, db string) {
	for _, name := range []string{"acme", "globex"} {
		dir := filepath.Join(filepath.Dir(db), "tenants", name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		sqlite(t, filepath.Join(dir, "data.db"), "CREATE TABLE account (balance); INSERT INTO account VALUES (100)")
	}
}

// A counting has commands around a backup that count how many are read at once. The first
// waits until that many are.
type counting struct{ dir string }

func newCounting(t *testing.T, until int) counting {
	t.Helper()
	c := counting{t.TempDir()}
	for name, script := range map[string]string{
		"before": fmt.Sprintf("touch reads-$LIFEBOAT_HOOK_NAME; ls | grep -c ^reads- >>counts; until test -e enough || test $(ls | grep -c ^reads-) -ge %d; do sleep 0.02; done; touch enough", until),
		"after":  "rm reads-$LIFEBOAT_HOOK_NAME",
	} {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte("#!/bin/sh\ncd "+c.dir+"; "+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c counting) flags() []string {
	return []string{"--run-before", filepath.Join(c.dir, "before"), "--run-after", filepath.Join(c.dir, "after"), "--run-limit", "5m"}
}

// most returns how many were read at once.
func (c counting) most(t *testing.T) (most int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "counts"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Fields(string(text)) {
		n, err := strconv.Atoi(line)
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, n)
	}
	return most
}
