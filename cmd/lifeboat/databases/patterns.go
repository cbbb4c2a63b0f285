package databases

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// followKey is the key that lets a pattern match symlinks.
const followKey = "follow-symlinks"

// notDatabase matches the names of files beside databases: SQLite's own, and those
// that a restore keeps.
var notDatabase = regexp.MustCompile(`-(wal|shm|journal|mj[0-9A-F]{9,})$|\.before-\d{8}T\d{6}Z-[0-9a-f]{6}`)

// matched are the databases of a path or pattern.
type matched struct {
	databases []string // in order
	links     []string // matches left out, because they are symlinks or behind one
	unread    []unread // files that may be databases, and cannot be read
	others    []string // files that a search has read, and that are no databases
	base      string   // the directory that a pattern or a search begins in, "" for a path
}

// An unread is a file that cannot be read, and why.
type unread struct {
	path string
	err  error
}

// matches expands a path or pattern.
//
// A path need not exist, and may lead over symlinks; so may the directory that a
// pattern begins in. What the pattern itself matches may do so only with follow:
// the owner of a directory below could put a symlink to another user's database
// there. If a part of a pattern's files cannot be read, matches returns the others
// and an error that wraps snapshot.ErrSource.
func matches(ctx context.Context, pattern string, follow bool) (matched, error) {
	if !isPattern(pattern) {
		return matched{databases: []string{pattern}}, nil
	}
	base, rest := doublestar.SplitPattern(filepath.ToSlash(filepath.Clean(pattern)))
	t := &tree{ctx: ctx, base: base, follow: follow}
	found, err := t.glob(rest)
	if ctx.Err() != nil {
		return matched{}, ctx.Err()
	}
	m := matched{base: base}
	for _, name := range found {
		t.sort(name, &m)
	}
	if !follow {
		m.links = append(m.links, t.linkedDirectories(rest)...)
	}
	if len(found) == 0 {
		// A name such as app[1].db.
		if info, missing := os.Stat(pattern); missing == nil && info.Mode().IsRegular() && (follow || !behindLink(base, pattern)) {
			m.databases, err = []string{pattern}, nil
		}
	}
	if _, missing := os.Stat(base); missing != nil && errors.Is(err, doublestar.ErrPatternNotExist) {
		err = missing
	}
	if err != nil && !errors.Is(err, doublestar.ErrBadPattern) {
		err = fmt.Errorf("the databases of %s: %w: %w", pattern, snapshot.ErrSource, err)
	}
	return m, err
}

// isPattern reports whether a path may match others than itself.
func isPattern(path string) bool { return strings.ContainsAny(path, "*?[{") }

// sort adds what a pattern matches to the databases or to the links, unless it is
// neither.
func (t *tree) sort(name string, m *matched) {
	path := filepath.Join(t.base, name)
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular(), notDatabase.MatchString(filepath.Base(path)):
	case !t.follow && behindLink(t.base, path):
		m.links = append(m.links, path)
	default:
		m.databases = append(m.databases, path)
	}
}

// behindLink reports whether a path below base is a symlink or leads over one.
func behindLink(base, path string) bool {
	below, err := filepath.Rel(base, path)
	if err != nil {
		return true
	}
	at := base
	for _, name := range strings.Split(below, "/") {
		at = filepath.Join(at, name)
		if info, err := os.Lstat(at); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return true
		}
	}
	return false
}

// A tree is a directory as doublestar reads it. Unlike os.DirFS it takes names
// that are not UTF-8, ends with ctx, and notes which symlinks it has seen.
type tree struct {
	ctx    context.Context
	base   string
	follow bool     // symlinks
	links  []string // below base
}

// glob returns the files that a pattern matches. If a directory cannot be read, it
// returns the others and an error.
func (t *tree) glob(pattern string) ([]string, error) {
	options := []doublestar.GlobOption{doublestar.WithFilesOnly(), doublestar.WithNoHidden()}
	if !t.follow {
		options = append(options, doublestar.WithNoFollow())
	}
	found, err := doublestar.Glob(t, pattern, append(options, doublestar.WithFailOnIOErrors(), doublestar.WithFailOnPatternNotExist())...)
	if err != nil && !errors.Is(err, doublestar.ErrBadPattern) {
		found, _ = doublestar.Glob(t, pattern, options...) // the others
	}
	return found, err
}

// linkedDirectories returns the symlinks to directories where the pattern has
// one, but not those that a ** would have looked through.
func (t *tree) linkedDirectories(pattern string) []string {
	var linked []string
	slices.Sort(t.links)
	for _, name := range slices.Compact(t.links) {
		above := segments(pattern)
		depth := strings.Count(name, "/") + 1
		if depth >= len(above) {
			continue
		}
		ancestors := strings.Join(above[:depth], "/")
		if is, err := doublestar.Match(ancestors, name); err != nil || !is || strings.Contains(ancestors, "**") {
			continue
		}
		full := filepath.Join(t.base, name)
		if info, err := os.Stat(full); err == nil && info.IsDir() {
			linked = append(linked, full)
		}
	}
	return linked
}

// segments splits a pattern at each slash that is not within braces.
func segments(pattern string) []string {
	var all []string
	begin, depth := 0, 0
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			depth--
		case '/':
			if depth == 0 {
				all, begin = append(all, pattern[begin:i]), i+1
			}
		}
	}
	return append(all, pattern[begin:])
}

// Open implements fs.FS. Nothing needs the files themselves.
func (t *tree) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
}

// Stat implements fs.StatFS.
func (t *tree) Stat(name string) (fs.FileInfo, error) {
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	return os.Stat(filepath.Join(t.base, name))
}

// ReadDir implements fs.ReadDirFS.
func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(t.base, name))
	for _, entry := range entries {
		if entry.Type()&fs.ModeSymlink != 0 {
			t.links = append(t.links, path.Join(name, entry.Name()))
		}
	}
	return entries, err
}
