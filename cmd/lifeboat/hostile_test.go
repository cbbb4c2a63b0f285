package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// hostile has what an attacker may put into a name: a line and a cell of their
// own, a screen that is erased, a title, C1's way to say the same, concealed
// text, text that reads backwards, nothing at all, and bytes that are not UTF-8.
const hostile = "a\nerror: b\tc\x1b[2J\x1b]0;t\x07\u009b2J\x1b[8m\x1b[31m\u202egnp\u2066\u200b\ufeff\x7f\xff\u00a0\U000e0041z"

// steers finds what no output may have: all but printable text in lines.
var steers = regexp.MustCompile(`[^\n\pL\pM\pN\pP\pS ]`)

// A hostile name is a name: every command works with it, and none prints it raw,
// in text or JSON, on stdout or stderr.
func TestHostileNames(t *testing.T) {
	needs.Time(t)
	dir := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	name := strings.ReplaceAll(hostile, "/", "")
	db, url, config := filepath.Join(dir, name), "file://"+dir+"/bucket", filepath.Join(dir, "lifeboat.yaml")
	plain := filepath.Join(dir, "plain.db")
	sqlite(t, plain, "CREATE TABLE t (x); INSERT INTO t VALUES (1)")
	if err := os.Rename(plain, db); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("databases: [{path: '%s/a*z', url: '%s'}, {path: '%s/never*z', url: '%s2'}]", dir, url, dir, url)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	missing, temp := filepath.Join(dir, "gone"+name), filepath.Join(dir, "temp"+name)
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	said := 0
	for _, c := range []struct {
		exit int
		args []string
	}{
		{0, []string{"backup", db, url}}, {0, []string{"backup", db, url, "--json", "--always", "--temp-dir", temp}},
		{0, []string{"backup", "--config", config}}, {0, []string{"backup", "--config", config, "--json"}},
		{4, []string{"backup", missing, url}}, {4, []string{"backup", missing, url, "--log-format", "json"}},
		{64, []string{"backup", plain, url, "--" + name}}, {64, []string{"backup", plain, "file://" + temp}},
		{64, []string{"backup", plain, url, "--level", name}}, {64, []string{"backup", "--config", missing}},
		{0, []string{"backup", db, url, "--metrics-file", filepath.Join(temp, name+".prom")}},
		{0, []string{"list", url}}, {0, []string{"show", url}}, {0, []string{"show", url, "--json"}},
		{6, []string{"show", url, "--snapshot", name}},
		{8, []string{"restore", url, db}}, {8, []string{"restore", url, db, "--dry-run"}}, {8, []string{"restore", url, db, "--dry-run", "--json"}},
		{0, []string{"restore", url, db, "--if-missing"}}, {0, []string{"restore", url, db, "--if-missing", "--json"}},
		{0, []string{"restore", url, db, "--replace"}}, {0, []string{"restore", url, db, "--replace", "--json", "--discard-old"}},
		{0, []string{"restore", url, missing}}, {0, []string{"restore", url, missing, "--live", "--log-format", "json"}},
		{0, []string{"verify", url, "--temp-dir", temp}}, {12, []string{"verify", url, "--sql", "SELECT '" + strings.ReplaceAll(name, "\xff", "") + "'"}},
		{0, []string{"config", "check", "--config", config}}, {0, []string{"config", "check", "--config", config, "--json"}},
		{0, []string{"status", "--config", config}}, {0, []string{"status", "--config", config, "--json"}}, {0, []string{"prune", url}},
	} {
		out, err := exec.Command("lifeboat", c.args...).CombinedOutput()
		if code := exitOf(err); code != c.exit {
			t.Errorf("%q: exit %d, want %d: %s", c.args, code, c.exit, out)
		}
		if found := steers.Find(out); found != nil || !utf8.Valid(out) || strings.Contains(string(out), "\nerror: b") {
			t.Errorf("%q: prints %q: %q", c.args, found, out)
		}
		if strings.Contains(string(out), `\x1b[2J`) || strings.Contains(string(out), `\u001b[2J`) {
			said++
		}
	}
	if said < 20 {
		t.Errorf("only %d name the file", said)
	}
	if got := sqlite(t, missing, "SELECT x FROM t"); got != "1" {
		t.Errorf("restored: %q", got)
	}
}

// A forged manifest and forged tags are shown, not obeyed.
func TestForgedNames(t *testing.T) {
	dir := t.TempDir()
	url := "file://" + dir + "/bucket"
	sqlite(t, filepath.Join(dir, "app.db"), "CREATE TABLE t (x)")
	lifeboat(t, 0, "backup", filepath.Join(dir, "app.db"), url, "--name", strings.ReplaceAll(hostile, "\xff", ""))
	b, err := upload.Open(t.Context(), url, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := series.Snapshots(t.Context(), b, snapshot.ID("").Time())
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	tags, err := b.Tags(t.Context(), all[0].Object)
	if err != nil {
		t.Fatal(err)
	}
	tags[series.TagRetention], tags[series.TagConfirmed] = hostile, hostile
	if err := b.SetTags(t.Context(), all[0].Object, tags); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"list", url}, {"show", url}, {"status", url}, {"prune", url}, {"verify", url}, {"show", url, "--json"}, {"status", url, "--json"}, {"backup", filepath.Join(dir, "app.db"), url}} {
		out, err := exec.Command("lifeboat", args...).CombinedOutput()
		if exitOf(err) != 0 && args[0] != "backup" {
			t.Errorf("%q: %v", args, err)
		}
		if found := steers.Find(out); found != nil || strings.Contains(string(out), "\nerror: b") {
			t.Errorf("%q: prints %q: %q", args, found, out)
		}
	}
}
