package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			write(server.Bucket(t), "max-rate: 2MiB")
			command := exec.Command("lifeboat", append([]string{"backup"}, c.args...)...)
			var output bytes.Buffer
			command.Stdout, command.Stderr = &output, &output
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- command.Wait() }()
			most := 0
			for running := true; running; {
				select {
				case err := <-ended:
					if running = false; err != nil || !strings.Contains(output.String(), "3 databases: 3 uploaded") {
						t.Errorf("%v: %s", err, &output)
					}
				case <-time.After(time.Millisecond):
					most = max(most, copies(temp))
				}
			}
			if most != c.most {
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
