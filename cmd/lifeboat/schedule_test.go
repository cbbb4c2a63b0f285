package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

func TestExpandEnvironment(t *testing.T) {
	environment := map[string]string{"A": "1", "B_2": "${A}{name}"}
	for text, want := range map[string]string{
		"": "", "plain $A $ {A}": "plain $A $ {A}", "${A}": "1", "x${A}y${A}": "x1y1", "${B_2}": "${A}{name}", "$${A}": "${A}", "$$${A}": "$${A}",
		"${": "", "${}": "", "${A": "", "${A-x}": "", "${2}": "", "${C}": "", "${ A}": "",
	} {
		got, err := expandEnvironment(text, func(name string) string { return environment[name] })
		if wrong := want == "" && text != ""; wrong != (err != nil) || !wrong && got != want {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

func TestExpandTemplate(t *testing.T) {
	names := templateNames{host: "web1", name: "a%b?.db", dir: "acme"}
	for template, want := range map[string]string{
		"s3://b/{host}/{dir}":      "s3://b/web1/acme",
		"s3://b/{dir}-{dir}":       "s3://b/acme-acme",
		"s3://b/{name}":            "s3://b/a%b?.db",
		"file:///nas/{name}":       "file:///nas/a%25b%3F.db",
		"file:///nas/%20/{host}":   "file:///nas/%20/web1",
		"s3://b/{hots}":            "",
		"s3://b/{}":                "",
		"s3://b/{host":             "",
		"s3://b/host}":             "",
		"s3://b/{{host}}":          "",
		"s3://b/no name in it/app": "s3://b/no name in it/app",
	} {
		if got, err := expandTemplate(template, names); (want == "") != (err != nil) || err == nil && got != want {
			t.Errorf("%q: got %q, %v", template, got, err)
		}
	}
	if got, err := expandTemplate("s3://b/{name}", templateNames{name: "a/b"}); err == nil {
		t.Errorf("a name with a slash: %q", got)
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"max-rate", "method", "name", "path", "url"}
	for name, want := range map[string]string{
		"max-rte": "max-rate", "max_rate": "max-rate", "MaxRate": "max-rate", "Name": "name", "names": "name", "patj": "path", "uri": "url",
		"retention": "", "x": "", "": "",
	} {
		advice := didYouMean(name, known)
		if found := strings.HasPrefix(advice, "did you mean"); found != (want != "") || !strings.Contains(advice, want) {
			t.Errorf("%q: %s", name, advice)
		}
	}
}

func TestHostName(t *testing.T) {
	for _, c := range []struct {
		chosen    string
		container bool
		machine   string
		want      string
	}{
		{"web1", false, "db7", "web1"},
		{"web1", true, "app-7d9f-x2x4k", "web1"},
		{"", false, "db7", "db7"},
		{"", true, "app-7d9f-x2x4k", ""},
		{"", false, "localhost.localdomain", ""},
		{"", false, "", ""},
		{"a/b", false, "db7", ""},
	} {
		got, err := hostName(c.chosen, c.container, func() (string, error) { return c.machine, nil })
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%+v: got %q, %v", c, got, err)
		}
	}
	if _, err := hostName("", false, func() (string, error) { return "x", errors.New("no") }); err == nil {
		t.Error("an error of the machine is passed over")
	}
}

// Bucket URLs that begin with the same letters are not nested.
func TestRefuseMixing(t *testing.T) {
	for _, c := range []struct {
		urls    []string
		refused string // a letter for each
	}{
		{[]string{"s3://bucket/a", "s3://bucket/b", "s3://bucket/ab", "s3://other/a", "file:///a"}, "....."},
		{[]string{"s3://bucket/a", "s3://bucket/a/"}, "xx"},
		{[]string{"s3://bucket/a", "s3://bucket/b", "s3://bucket/a/b/c", "s3://bucket/a/d"}, "x.xx"},
		{[]string{"file:///a/b", "file:///a", "file:///ab"}, "xx."},
		{[]string{"file:///", "file:///a"}, ""}, // no bucket URL
	} {
		var jobs []*job
		for _, text := range c.urls {
			u, err := bucket.ParseURL(text)
			if err != nil {
				continue
			}
			j := &job{path: text}
			j.url.URL = u
			jobs = append(jobs, j)
		}
		refuseMixing(jobs)
		var got string
		for _, j := range jobs {
			if j.err == nil {
				got += "."
			} else {
				got += "x"
			}
		}
		if want := c.refused; want != "" && got != want {
			t.Errorf("%v: got %s, want %s", c.urls, got, want)
		}
	}
}

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
		if err := os.Link(db, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
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
		for copies(temp) == 0 {
			time.Sleep(time.Millisecond)
		}
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
		sqlite(t, filepath.Join(dir, "data.db"), "CREATE TABLE t (x)")
	}
}
