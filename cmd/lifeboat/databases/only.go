package databases

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Only returns the databases that at least one of the wanted words meets, in their own
// order, and the words that meet none. A word is a name or a pattern: it meets a
// database's name, its path, its bucket URL, or the last element of that. A word that is none
// of these to the letter meets those that it is without the suffix, as acme is acme.db.
func Only(all []*Database, wanted []string) (met []*Database, missed []string) {
	is := map[*Database]bool{}
	for _, word := range wanted {
		found := false
		for _, meets := range []func(*Database, string) bool{(*Database).isExactly, (*Database).matches, (*Database).isWithoutSuffix} {
			for _, d := range all {
				if meets(d, word) {
					is[d], found = true, true
				}
			}
			if found {
				break
			}
		}
		if !found {
			missed = append(missed, word)
		}
	}
	for _, d := range all {
		if is[d] {
			met = append(met, d)
		}
	}
	return met, missed
}

// ArePlaces reports whether each word is the path or the bucket URL of one of the
// databases: then no other database can be meant, not even one that is gone.
func ArePlaces(all []*Database, words []string) bool {
	for _, word := range words {
		if !strings.Contains(word, "/") || !slices.ContainsFunc(all, func(d *Database) bool { return d.isAt(word) }) {
			return false
		}
	}
	return true
}

// AreNames reports whether no word is a pattern.
func AreNames(words []string) bool { return !slices.ContainsFunc(words, isPattern) }

// calls returns what a database is called by: its name and the last element of its
// bucket URL, "" where it has none.
func (d *Database) calls() [2]string {
	last := ""
	if u := pathOf(d.URL); u != "" {
		last = path.Base(u)
	}
	return [2]string{d.Name, last}
}

func (d *Database) isExactly(word string) bool {
	for _, name := range d.calls() {
		if name == word && word != "" {
			return true
		}
	}
	return d.isAt(word)
}

// isAt reports whether the word is the database's bucket URL or its path.
func (d *Database) isAt(word string) bool {
	return d.URL != bucket.URL{} && d.BucketURL() == word || d.Path != "" && (d.Path == word || absolute(d.Path) == absolute(word))
}

// matches reports whether the word is a pattern that the database matches.
func (d *Database) matches(word string) bool {
	if !isPattern(word) {
		return false
	}
	for _, name := range d.calls() {
		if is, err := doublestar.Match(word, name); is && err == nil && name != "" {
			return true
		}
	}
	if d.Path == "" {
		return false
	}
	is, err := doublestar.Match(filepath.ToSlash(absolute(word)), filepath.ToSlash(absolute(d.Path)))
	return is && err == nil
}

func (d *Database) isWithoutSuffix(word string) bool {
	for _, name := range d.calls() {
		if suffix := path.Ext(name); suffix != "" && suffix != name && strings.TrimSuffix(name, suffix) == word {
			return true
		}
	}
	return false
}

func absolute(path string) string {
	full, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return full
}
