package databases

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// plant makes files, and symlinks where a name has an arrow, below a new
// directory.
func plant(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		name, target, link := strings.Cut(name, " -> ")
		path := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if link {
			err = errors.Join(err, os.Symlink(target, path))
		} else {
			err = errors.Join(err, os.WriteFile(path, nil, 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// A pattern takes no database over a symlink that it has matched, for its owner
// is not the operator; what stands before the pattern, and a path, may be one.
func TestMatches(t *testing.T) {
	tenants := plant(t, "a/data.db", "a/data.db-wal", "a/.hidden.db", "a/x.db -> data.db", "a/deep/data.db", "b/data.db -> ../a/data.db", "c -> a",
		"self/loop -> .", "self/again -> .", "self/data.db", "broken/data.db -> nowhere", "wal/data.db -> ../a/data.db-wal", "dir/data.db -> ../a",
		"bad\xff/data.db", "app[1].db", "x[1].db -> a/data.db")
	if err := os.Symlink(tenants, tenants+"-link"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(tenants + "-link") })
	for _, c := range []struct {
		pattern          string
		databases, links string
	}{
		{"a/data.db", "a/data.db", ""},
		{"b/data.db", "b/data.db", ""}, // a path: the operator's own word
		{"gone.db", "gone.db", ""},
		{"a/*.db", "a/data.db", "a/x.db"},
		{"?/data.db", "a/data.db", "b/data.db c"},
		{"{a,b,c}/data.db", "a/data.db", "b/data.db c/data.db"},
		{"[bc]/data.db", "", "b/data.db c"},
		{"*/deep/data.db", "a/deep/data.db", "c"},
		{"self/**", "self/data.db", ""},
		{"self/**/*.db", "self/data.db", ""},
		{"**/deep/*.db", "a/deep/data.db", ""},
		{"bro*/data.db", "", "broken/data.db"},
		{"wal/d*.db", "", "wal/data.db"},
		{"dir/*.db", "", ""},
		{"bad*/data.db", "bad\xff/data.db", ""},
		{"bad?/*", "bad\xff/data.db", ""},
		{"app[1].db", "app[1].db", ""},
		{"x[1].db", "", ""},
	} {
		for _, root := range []string{tenants, tenants + "-link"} {
			found, err := matches(t.Context(), filepath.Join(root, c.pattern), false)
			if err != nil {
				t.Errorf("%s: %v", c.pattern, err)
			}
			for kind, got := range map[string][]string{c.databases: found.databases, "links: " + c.links: found.links} {
				for i := range got {
					got[i] = strings.TrimPrefix(got[i], root+"/")
				}
				slices.Sort(got)
				if want := strings.TrimPrefix(kind, "links: "); strings.Join(got, " ") != want {
					t.Errorf("%s: got %q, want %q", c.pattern, got, want)
				}
			}
		}
	}
	for pattern, want := range map[string]string{
		"?/data.db": "a/data.db b/data.db c/data.db", "a/*.db": "a/data.db a/x.db", "x[1].db": "x[1].db", "self/*/*.db": "self/again/data.db self/loop/data.db",
	} {
		found, err := matches(t.Context(), filepath.Join(tenants, pattern), true)
		if got := strings.ReplaceAll(strings.Join(found.databases, " "), tenants+"/", ""); err != nil || got != want || len(found.links) > 0 {
			t.Errorf("%s, following: %q, %v, %v", pattern, got, found.links, err)
		}
	}
}

func TestMatchesEnds(t *testing.T) {
	root := plant(t, "a/x.db")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := matches(ctx, root+"/**/*.db", false); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	if found, err := matches(t.Context(), root+"/gone/*.db", false); !errors.Is(err, snapshot.ErrSource) || len(found.databases) > 0 {
		t.Errorf("without its directory: %v, %v", found, err)
	}
}
