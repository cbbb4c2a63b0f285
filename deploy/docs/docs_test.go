// Package docs_test checks the documents themselves: the program runs their
// commands in its own tests.
package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// TestPicture checks the numbers in the picture of two weeks against the plan
// that retention goes by.
func TestPicture(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 30, 0, 0, time.UTC)
	var objects []bucket.Object
	var previous time.Time
	for taken := time.Date(2026, 11, 10, 13, 7, 0, 0, time.UTC); taken.Before(now); taken = taken.Add(time.Hour) {
		name := series.Name{ID: snapshot.NewID(taken), Class: series.ClassAt(previous, taken)}
		if bases := series.Bases(series.Of(objects, now), name.Class, taken); len(bases) > 0 {
			name.Base = bases[0].ID
		}
		objects = append(objects, bucket.Object{Name: name.String(), Size: 1, Modified: taken})
		previous = taken
	}
	var items []lifecycle.Item
	for _, s := range series.Of(objects, now) {
		items = append(items, lifecycle.Item{Snapshot: s})
	}
	count := map[string]int{}
	for _, d := range lifecycle.Decide(items, lifecycle.Terms{Policy: lifecycle.DefaultPolicy(), Hold: lifecycle.DefaultHold}, now) {
		count[string(d.Action)+" "+string(d.Class)]++
	}
	text := docstest.Read(t, docstest.Page(t, "retention"))
	for _, want := range []string{
		fmt.Sprintf(" %d snapshots taken", len(items)),
		fmt.Sprintf(" %d held,", count["keep hourly"]+count["keep daily"]+count["keep weekly"]),
		fmt.Sprintf(" %d hourly,", count["release hourly"]),
		fmt.Sprintf(" %d daily,", count["release daily"]),
		fmt.Sprintf(" %d monthly,", count["release monthly"]),
		fmt.Sprintf(" %d other hours", count["expire hourly"]),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the picture does not say%s: %v", want, count)
		}
	}
}

// What the documents link to is there: files, and headings as GitHub names them.
func TestLinks(t *testing.T) {
	for _, document := range docstest.All(t) {
		for _, link := range regexp.MustCompile(`\]\(([^):]*)\)`).FindAllStringSubmatch(docstest.Read(t, document), -1) {
			path, heading, _ := strings.Cut(link[1], "#")
			target := document
			if path != "" {
				target = filepath.Join(filepath.Dir(document), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", document, err)
			} else if heading != "" && !slices.Contains(headings(docstest.Read(t, target)), heading) {
				t.Errorf("%s: %s has no heading %s", document, target, heading)
			}
		}
	}
}

// The files that the page on the house sends to are there.
func TestPathsInArchitecture(t *testing.T) {
	root, seen := docstest.Top(t), 0
	for _, path := range regexp.MustCompile("`([a-z0-9]+(?:/[a-z0-9*.]+)+)`").FindAllStringSubmatch(docstest.Read(t, docstest.Page(t, "architecture")), -1) {
		seen++
		if found, err := filepath.Glob(filepath.Join(root, path[1])); err != nil || len(found) == 0 {
			t.Errorf("%s: found %v, %v", path[1], found, err)
		}
	}
	if seen < 15 {
		t.Errorf("only %d paths", seen)
	}
}

// A page is read on a screen: the README has at most 180 lines, and no cell of a
// table is longer than 200 characters.
func TestDocumentsAreShort(t *testing.T) {
	all := docstest.All(t)
	if lines := strings.Count(docstest.Read(t, all[0]), "\n"); lines > 180 {
		t.Errorf("the README has %d lines", lines)
	}
	for _, document := range all {
		for _, line := range strings.Split(docstest.Read(t, document), "\n") {
			if !strings.HasPrefix(line, "| ") {
				continue
			}
			for _, cell := range strings.Split(strings.Trim(line, "| "), " | ") {
				if len([]rune(cell)) > 200 {
					t.Errorf("%s: a cell of %d characters: %.60s...", document, len([]rune(cell)), cell)
				}
			}
		}
	}
}

// headings returns the anchors of a document.
func headings(document string) (anchors []string) {
	for _, heading := range regexp.MustCompile("(?m)^#+ (.*)$").FindAllStringSubmatch(document, -1) {
		plain := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		anchors = append(anchors, strings.ReplaceAll(plain, " ", "-"))
	}
	return anchors
}
