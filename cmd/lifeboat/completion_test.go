package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

func TestComplete(t *testing.T) {
	for typed, want := range map[string]string{ // a part of what is offered, "" for nothing; ! is not offered
		"":                                     "backup restore completion !__complete !--quiet",
		"lifecycle ":                           "plan apply freeze !backup",
		"lifecycle --quiet pl":                 "plan",
		"backup --":                            "--check --max-rate --quiet --help --json !--replace",
		"backup --quiet --":                    "!--quiet --debug",
		"backup -q --":                         "!--quiet --debug",
		"backup --age-recipient age1x --age-r": "--age-recipient",
		"backup --check ":                      "quick full none",
		"backup --check=":                      "--check=quick --check=full",
		"backup --object-lock ":                "governance compliance",
		"backup --check full ":                 ":files",
		"backup --max-rate ":                   "",
		"backup --config ":                     ":files",
		"config check --config=":               ":files",
		"status ":                              "s3://",
		"status --":                            "--max-age --config --metrics-file --ping-url !--check",
		"status --config ":                     ":files",
		"verify --metrics-file ":               ":files",
		"backup --temp-dir ":                   ":dirs",
		"backup --temp-dir=/t":                 ":dirs",
		"backup ":                              ":files",
		"backup app.db ":                       "s3:// file:///",
		"backup app.db s3://b/app ":            "",
		"backup --json app.db ":                "s3://",
		"restore ":                             "s3://",
		"restore s3://b/app ":                  ":files",
		"restore s3://b/app - --snapshot ":     "latest s3://b/app",
		"restore s3://b/app x --before ":       "s3://b/app !latest",
		"show --snapshot=":                     "--snapshot=latest",
		"restore --age-identity ":              ":files",
		"list file:///pro":                     "file:///proc/",
		"list file:///no/such/":                "",
		"completion ":                          "bash zsh fish",
		"version ":                             "",
		"frobnicate ":                          "",
		"backup --no-such-flag ":               ":files",
	} {
		var p program
		parser, err := newParser(context.Background(), &console{stdout: os.Stdout, stderr: os.Stderr, globals: &p.globals}, &p)
		if err != nil {
			t.Fatal(err)
		}
		l := readLine(parser.Model.Node, strings.Split(typed, " "))
		var got []string
		for _, word := range l.complete(func() []string { return []string{l.url} }) {
			word, _, _ = strings.Cut(word, "\t")
			got = append(got, word)
		}
		for _, word := range strings.Fields(want) {
			word, not := strings.CutPrefix(word, "!")
			if slices.Contains(got, word) == not {
				t.Errorf("%q: %q offered: %v in %q", typed, word, !not, got)
			}
		}
		if want == "" && strings.Join(got, "") != "" {
			t.Errorf("%q: offered %q", typed, got)
		}
	}
}

// shellSeries makes a series in a directory, and returns its bucket URL and
// the ID of its snapshot.
func shellSeries(t *testing.T) (url, id string) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	sqlite(t, "live app.db", "CREATE TABLE t (x)")
	b, err := upload.OpenURL(t.Context(), bucket.URL{Dir: filepath.Join(dir, "bucket")}, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := upload.Backup(t.Context(), b, "live app.db", upload.BackupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return b.URL().String(), string(r.Snapshot.ID)
}

// A real shell on a terminal, with somebody pressing the tab key.
func TestCompletionAtTheKeyboard(t *testing.T) {
	needs.Time(t)
	url, id := shellSeries(t)
	for shell, c := range map[string]struct {
		args  []string
		setup string
	}{
		"bash": {[]string{"--norc", "--noprofile", "-i"}, "PS1='# '; . <(lifeboat completion bash)"},
		"zsh":  {[]string{"-f", "-i"}, "PS1='# '; autoload -U compinit; compinit -u -D; . <(lifeboat completion zsh)"},
	} {
		t.Run(shell, func(t *testing.T) {
			t.Setenv("TERM", "dumb")
			t.Setenv("HOME", t.TempDir())
			t.Setenv("INPUTRC", os.DevNull)
			enter := keyboard(t, shell, c.setup, c.args...)
			for typed, want := range map[string]string{
				"lifeb\tres\t": "lifeboat restore ",
				"lifeboat show --snapshot " + id[:4] + "\t " + url:             "lifeboat show --snapshot " + id[:4] + " " + url, // no URL yet
				"lifeboat show " + url + " --snapshot " + id[:4] + "\t":        "lifeboat show " + url + " --snapshot " + id + " ",
				"lifeboat show " + url + " --snapshot=" + id[:4] + "\t":        "lifeboat show " + url + " --snapshot=" + id + " ",
				"lifeboat restore " + url + " x --before=\t":                   "lifeboat restore " + url + " x --before=" + id + " ",
				"lifeboat backup --check fu\t":                                 "lifeboat backup --check full ",
				"lifeboat backup --check=fu\t":                                 "lifeboat backup --check=full ",
				"lifeboat backup --plain\t":                                    "lifeboat backup --plaintext ",
				"lifeboat backup live\t":                                       `lifeboat backup live\ app.db `,
				"lifeboat backup --age-recipient-file=live\t":                  `lifeboat backup --age-recipient-file=live\ app.db `,
				"lifeboat backup live\\ app.db s3\t":                           `lifeboat backup live\ app.db s3://`,
				"lifeboat list " + strings.TrimSuffix(url, "bucket") + "buc\t": "lifeboat list " + url + "/",
				"lifeboat list s3://no-such/app --qu\t":                        "lifeboat list s3://no-such/app --quiet ",
			} {
				if got := enter(typed); got != want {
					t.Errorf("%q became %q, want %q", typed, got, want)
				}
			}
		})
	}
}

func TestCompletionFish(t *testing.T) {
	url, id := shellSeries(t)
	t.Setenv("HOME", t.TempDir())
	for typed, want := range map[string]string{
		"lifeboat res":                                   "restore",
		"lifeboat show " + url + " --snapshot ":          "latest\n" + id,
		"lifeboat show " + url + " --snapshot=" + id[:4]: "--snapshot=" + id,
		"lifeboat backup --check f":                      "full",
		"lifeboat backup liv":                            "live app.db",
		"lifeboat list s3://no-such/app --qu":            "--quiet",
	} {
		out, err := exec.Command("fish", "--no-config", "-c", "lifeboat completion fish | source; complete -C '"+typed+"'").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var got []string
		for line := range strings.Lines(string(out)) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, word)
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

// keyboard starts an interactive shell. It returns a function that has keys
// pressed in it, and says what then is the command line.
func keyboard(t *testing.T, shell, setup string, args ...string) func(keys string) string {
	t.Helper()
	terminal := openTerminal(t, 0)
	command := terminal.startProgram(t, nil, shell, args...)
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
		terminal.tty.Close()
	})
	press := func(keys string) {
		if _, err := terminal.WriteString(keys); err != nil {
			t.Fatal(err)
		}
	}
	// A key of its own writes the command line to a file, whatever the shell
	// has drawn of it.
	written := filepath.Join(t.TempDir(), "line")
	press(setup + "; " + map[string]string{
		"bash": `written() { printf %s "$READLINE_LINE" >"$F.new" && mv "$F.new" "$F"; }; bind -x '"\C-t": written'`,
		"zsh":  `written() { printf %s "$BUFFER" >"$F.new" && mv "$F.new" "$F" }; zle -N written; bindkey '^T' written; bindkey '^U' kill-whole-line`,
	}[shell] + "; F=" + written + "; echo rea''dy\n")
	terminal.gets(t, "ready")
	return func(keys string) string {
		press("\x15" + keys + "\x14") // beginning with ^U, an empty line
		var line []byte
		await.That(t, func() (there bool) {
			var err error
			line, err = os.ReadFile(written)
			return err == nil
		})
		if err := os.Remove(written); err != nil {
			t.Fatal(err)
		}
		return string(line)
	}
}
