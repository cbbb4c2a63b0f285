package databases

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// An Origin reads an entry backwards: from a bucket URL to the database whose snapshots
// are there, although that database may be gone from this machine.
type Origin struct {
	// Root is the place that all bucket URLs of the entry lie below: a prefix, a whole
	// bucket (an empty Prefix), or a directory.
	Root bucket.URL
	// Flat: each series is a folder right below Root, not deeper.
	Flat bool

	entry Entry
	names templateNames // host alone
	urls  *regexp.Regexp
}

// The placeholders of a template stand as these while it is parsed. No key or path has
// them: they are of Unicode's private area.
const (
	markName = "\U000F0001"
	markDir  = "\U000F0002"
)

// Origin returns the entry's origin, with false for an entry of one path, or with one
// bucket URL, which names its database itself. host is as in Find.
func (e Entry) Origin(host string) (Origin, bool, error) {
	o := Origin{entry: e, names: templateNames{below: e.Discover}}
	if !isPattern(e.Path.Text()) && !e.Discover {
		return o, false, nil
	}
	if strings.Contains(e.URL.Text(), "{host}") {
		var err error
		if o.names.host, err = hostName(host, inContainer(), os.Hostname); err != nil {
			return o, false, Problem(e.URL.Line, "%w", err)
		}
	}
	names := o.names
	names.name, names.dir = e.Settings["name"].Text(), markDir
	if names.name == "" {
		names.name = markName
	}
	text, err := expandTemplate(e.URL.Text(), names)
	if err != nil {
		return o, false, Problem(e.URL.Line, "url: %w", err)
	}
	u, err := bucket.ParseURL(text)
	if err != nil {
		return o, false, Problem(e.URL.Line, "url: %w", err)
	}
	first := strings.IndexAny(pathOf(u), markName+markDir)
	if first < 0 {
		return o, false, nil
	}
	o.Root, o.Flat = rootOf(u, first)
	segment, name := `[^/]+`, `[^/]+`
	if e.Discover {
		o.Flat, name = false, `.+`
	}
	quoted := regexp.QuoteMeta(pathOf(u))
	quoted = strings.Replace(quoted, markName, `(?P<name>`+name+`)`, 1)
	quoted = strings.Replace(quoted, markDir, `(?P<dir>`+segment+`)`, 1)
	quoted = strings.NewReplacer(markName, name, markDir, segment).Replace(quoted)
	o.urls, err = regexp.Compile("^(?s:" + quoted + ")$")
	return o, err == nil, err
}

func pathOf(u bucket.URL) string {
	if u.Dir != "" {
		return u.Dir
	}
	return u.Prefix
}

// rootOf returns the folder that the first placeholder is in, which stands at an offset
// of the path, and whether it is in the last folder of the path.
func rootOf(u bucket.URL, first int) (root bucket.URL, isLast bool) {
	path := pathOf(u)
	above := path[:max(strings.LastIndexByte(path[:first], '/'), 0)]
	isLast = !strings.Contains(path[first:], "/")
	if u.Dir != "" {
		return bucket.URL{Dir: "/" + strings.TrimPrefix(above, "/")}, isLast
	}
	return bucket.URL{Bucket: u.Bucket, Prefix: above}, isLast
}

// Below returns the bucket URL of a folder right below Root.
func (o Origin) Below(folder string) bucket.URL {
	u := o.Root
	if u.Dir != "" {
		u.Dir = filepath.Join(u.Dir, folder)
	} else {
		u.Prefix = strings.TrimPrefix(u.Prefix+"/"+folder, "/")
	}
	return u
}

// Database returns the database of which a bucket URL has the snapshots, false if it is
// none of the entry's. Its Path is "" if the pattern leaves open which one it was.
func (o Origin) Database(u bucket.URL) (*Database, bool) {
	found := o.urls.FindStringSubmatch(pathOf(u))
	if found == nil || u.Bucket != o.Root.Bucket {
		return nil, false
	}
	capture := func(name string) string {
		if i := o.urls.SubexpIndex(name); i >= 0 {
			return found[i]
		}
		return ""
	}
	base, below := capture("name"), o.entry.base()
	path := placedBackwards(o.entry.Path.Text(), base, capture("dir"))
	if o.entry.Discover {
		path = ""
		if base != "" {
			path = filepath.Join(below, filepath.FromSlash(base))
		}
	}
	if path == "" {
		return o.openPath(u, base)
	}
	// Forwards again: the pattern must match the path, and the template give the URL.
	d := o.entry.database(path, below, o.names)
	is, err := true, error(nil)
	if !o.entry.Discover {
		is, err = doublestar.Match(filepath.ToSlash(o.entry.Path.Text()), filepath.ToSlash(path))
	}
	return d, err == nil && is && d.Err == nil && d.URL == u && !notDatabase.MatchString(filepath.Base(path))
}

// base returns the directory in which the entry's pattern or search begins.
func (e Entry) base() string {
	clean := filepath.Clean(e.Path.Text())
	if e.Discover {
		return clean
	}
	base, _ := doublestar.SplitPattern(filepath.ToSlash(clean))
	return base
}

// openPath is Database where the pattern leaves open in which directory the file was.
func (o Origin) openPath(u bucket.URL, base string) (*Database, bool) {
	pattern := segments(filepath.ToSlash(o.entry.Path.Text()))
	if is, err := doublestar.Match(pattern[len(pattern)-1], base); !o.entry.Discover && base != "" && (err != nil || !is) {
		return nil, false
	}
	return &Database{Entry: o.entry, Name: cmp.Or(o.entry.Settings["name"].Text(), base), URL: u}, true
}

// placedBackwards returns the path that a pattern matches, given the name of the file
// and that of its directory, "" where one is not known. It returns "" if the pattern
// leaves more open than these.
func placedBackwards(pattern, base, dir string) string {
	parts := segments(filepath.ToSlash(filepath.Clean(pattern)))
	for i, part := range parts {
		literal := escaped.ReplaceAllString(part, "$1")
		switch {
		case !isPattern(escaped.ReplaceAllString(part, "")):
			parts[i] = literal
		case i == len(parts)-1 && base != "":
			parts[i] = base
		case i == len(parts)-2 && dir != "" && part != "**":
			parts[i] = dir
		default:
			return ""
		}
	}
	return strings.Join(parts, "/")
}

// escaped matches a character that a pattern takes literally, behind a backslash.
var escaped = regexp.MustCompile(`\\(.)`)
