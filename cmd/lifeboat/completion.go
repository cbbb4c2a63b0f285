package main

import (
	"context"
	"embed"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// completionScripts call completeCmd for every word.
//
//go:embed completion/*.sh
var completionScripts embed.FS

type completionCmd struct {
	Shell string `arg:"" name:"shell" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Run implements the command.
func (s completionCmd) Run(c *console) error {
	script, err := completionScripts.ReadFile("completion/" + s.Shell + ".sh")
	if err != nil {
		return err
	}
	return c.print(string(script))
}

// completeCmd is what the scripts call. It takes the words after the program's
// name, up to the one under the cursor, which may be empty. It prints the words
// that this one may become, one per line, with a description after a tab. :files
// and :dirs leave the completion to the shell.
type completeCmd struct {
	Words []string `arg:"" optional:""`
}

// completionPatience is how long a user who presses the tab key waits for the
// store.
const completionPatience = 3 * time.Second

// Run implements the command. Where it fails it prints nothing.
func (w completeCmd) Run(ctx context.Context, c *console, parsed *kong.Context) error {
	if len(w.Words) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	c.log = slog.New(slog.DiscardHandler)
	l := readLine(parsed.Model.Node, w.Words)
	var b strings.Builder
	for _, word := range l.complete(func() []string { return snapshotIDs(ctx, c, l.url) }) {
		if strings.HasPrefix(word, ":") || strings.HasPrefix(word, l.current) {
			b.WriteString(word + "\n")
		}
	}
	return c.print(b.String())
}

// A typedLine is a command line that is being written.
type typedLine struct {
	node    *kong.Node
	given   []*kong.Flag // before the current word
	words   []string     // positional arguments before it
	value   *kong.Flag   // whose value the current word is, nil: of none
	url     string       // the bucket URL, "" if there is none yet
	current string       // the word under the cursor
}

// readLine parses the words before the current one, which is the last.
func readLine(root *kong.Node, words []string) typedLine {
	l := typedLine{node: root, current: words[len(words)-1]}
	for _, word := range words[:len(words)-1] {
		if l.value != nil {
			l.value = nil
			continue
		}
		if strings.HasPrefix(word, "-") && word != stdoutTarget {
			name, _, complete := strings.Cut(word, "=")
			if flag := l.flagNamed(name); flag != nil {
				l.given = append(l.given, flag)
				if !complete && !flag.IsBool() {
					l.value = flag
				}
			}
			continue
		}
		l.take(word)
	}
	if name, _, found := strings.Cut(l.current, "="); found && l.value == nil && strings.HasPrefix(name, "--") {
		l.value = l.flagNamed(name)
	}
	return l
}

// take takes a word that is no flag: a command or an argument.
func (l *typedLine) take(word string) {
	for _, child := range l.node.Children {
		if child.Name == word {
			l.node = child
			return
		}
	}
	l.words = append(l.words, word)
	if strings.Contains(word, "://") {
		l.url = word
	}
}

// flags returns those of the command and all above it.
func (l *typedLine) allFlags() []*kong.Flag { return slices.Concat(l.node.AllFlags(true)...) }

func (l *typedLine) flagNamed(name string) *kong.Flag {
	for _, f := range l.allFlags() {
		if name == "--"+f.Name || f.Short != 0 && name == "-"+string(f.Short) {
			return f
		}
	}
	return nil
}

// complete returns words that may replace the current one. Some do not begin with
// it.
func (l *typedLine) complete(ids func() []string) []string {
	switch {
	case l.value != nil:
		before := ""
		if strings.HasPrefix(l.current, "--") {
			before = "--" + l.value.Name + "="
		}
		words := completeValue(l.value.Value, l.value.PlaceHolder, ids)
		for i, word := range words {
			if !strings.HasPrefix(word, ":") {
				words[i] = before + word
			}
		}
		return words
	case strings.HasPrefix(l.current, "-"):
		var words []string
		for _, f := range l.allFlags() {
			if !slices.Contains(l.given, f) || f.IsCumulative() {
				words = append(words, "--"+f.Name+"\t"+f.Help)
			}
		}
		return words
	case len(l.node.Children) > 0 && len(l.words) == 0:
		var words []string
		for _, child := range l.node.Children {
			if !child.Hidden {
				words = append(words, child.Name+"\t"+child.Help)
			}
		}
		return words
	case len(l.words) < len(l.node.Positional):
		argument := l.node.Positional[len(l.words)]
		if takesURL(argument.Target.Type()) {
			return completeURL(l.current)
		}
		return completeValue(argument, "FILE", ids)
	}
	return nil
}

// completeValue returns the values that a flag or an argument may have.
func completeValue(v *kong.Value, placeholder string, ids func() []string) []string {
	switch {
	case v.Enum != "":
		return slices.DeleteFunc(v.EnumSlice(), func(s string) bool { return s == "" })
	case v.Target.Type() == reflect.TypeFor[choice]():
		words := ids()
		if v.Name == "snapshot" || v.Name == "id" {
			words = append([]string{"latest\tthe newest"}, words...)
		}
		return words
	case placeholder == "FILE", placeholder == defaultConfig:
		return []string{":files"}
	case placeholder == "DIR":
		return []string{":dirs"}
	}
	return nil
}

// completeURL offers the two kinds of bucket URLs, and directories.
func completeURL(current string) []string {
	path, found := strings.CutPrefix(current, "file://")
	if !found {
		return []string{"s3://\tbucket and prefix in an S3-compatible store", "file:///\ta directory"}
	}
	entries, err := os.ReadDir(filepath.Dir(path + "x"))
	if err != nil {
		return nil
	}
	var words []string
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(filepath.Dir(path+"x"), e.Name())); err == nil && info.IsDir() {
			words = append(words, "file://"+filepath.Join(filepath.Dir(path+"x"), e.Name())+"/")
		}
	}
	return words
}

// snapshotIDs returns the snapshots of a series, the newest first, or nothing.
func snapshotIDs(ctx context.Context, c *console, text string) []string {
	var url bucketURL
	if url.UnmarshalText([]byte(text)) != nil {
		return nil
	}
	b, err := seriesFlags{url, duration(time.Second)}.open(ctx, c, upload.Options{})
	if err != nil {
		return nil
	}
	all, err := series.Snapshots(ctx, b, time.Time{})
	if err != nil {
		return nil
	}
	var words []string
	for _, s := range slices.Backward(all) {
		words = append(words, string(s.ID)+"\t"+terminal.Ago(s.ID.Time(), time.Now())+", "+terminal.Size(s.Object.Size))
	}
	return words
}
