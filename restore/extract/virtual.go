package extract

import (
	"regexp"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// A virtual is a virtual table of a module that comes with SQLite.
type virtual struct {
	name, module string
	// external: the content is in another table, content, or nowhere if that is "".
	external bool
	content  string
}

// modules has the suffixes of the tables in which a module keeps its data.
var modules = map[string][]string{
	"fts5":      {"config", "content", "docsize", "idx", "data"},
	"fts4":      {"content", "stat", "docsize", "segdir", "segments"},
	"fts3":      {"content", "segdir", "segments"},
	"rtree":     {"node", "parent", "rowid"},
	"rtree_i32": {"node", "parent", "rowid"},
	// They show the terms of a full-text table, and have no data.
	"fts5vocab": nil,
	"fts4aux":   nil,
}

var using = regexp.MustCompile(`(?is)^\s*CREATE\s+VIRTUAL\s+TABLE\b.*?\bUSING\s+["'\x60\[]?(\w+)["'\x60\]]?\s*(\(.*)?$`)

// virtualOf returns the virtual table that an object is. SQLite keeps the statement as
// it was written, so a name with USING in it is another module, which find refuses.
func virtualOf(o object) (virtual, bool) {
	if o.kind != "table" {
		return virtual{}, false
	}
	parts := using.FindStringSubmatch(afterName(o.sql))
	if parts == nil {
		return virtual{}, false
	}
	v := virtual{name: o.name, module: lower(parts[1])}
	if v.isText() {
		v.content, v.external = content(parts[2], v.module)
	}
	return v, true
}

// afterName replaces the name of a virtual table, which may hold any text, by a plain one.
func afterName(sql string) string {
	head := virtualHead.FindString(sql)
	rest := sql[len(head):]
	if head == "" || rest == "" {
		return sql
	}
	closing := map[byte]byte{'"': '"', '\'': '\'', '`': '`', '[': ']'}[rest[0]]
	if closing == 0 {
		return sql
	}
	for i := 1; i < len(rest); i++ {
		if rest[i] != closing {
			continue
		}
		if closing != ']' && i+1 < len(rest) && rest[i+1] == closing { // doubled
			i++
			continue
		}
		return head + "x" + rest[i+1:]
	}
	return sql
}

var virtualHead = regexp.MustCompile(`(?is)^\s*CREATE\s+VIRTUAL\s+TABLE\s+`)

// content returns the value of content= among the arguments of a full-text table. FTS5
// takes the beginning of an option's name for the name. Source:
// https://www.sqlite.org/fts5.html#external_content_and_contentless_tables
func content(arguments, module string) (value string, found bool) {
	for _, argument := range splitArguments(arguments) {
		key, value, ok := strings.Cut(argument, "=")
		if key = lower(strings.TrimSpace(key)); !ok || key == "" {
			continue
		}
		if key == "content" || module == "fts5" && strings.HasPrefix("content", key) {
			return unquote(strings.TrimSpace(value)), true
		}
	}
	return "", false
}

// splitArguments splits "(a, b='c,d')" at the commas outside quotes and parentheses.
func splitArguments(list string) (arguments []string) {
	list = strings.TrimPrefix(strings.TrimSpace(list), "(")
	depth, begin := 0, 0
	var quoted byte
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '\'' || c == '"' || c == '`':
			quoted = c
		case c == '[':
			quoted = ']'
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == ')', c == ',' && depth == 0:
			arguments = append(arguments, list[begin:i])
			begin = i + 1
		}
	}
	return append(arguments, list[begin:])
}

// unquote returns a quoted text without its quotes.
func unquote(s string) string {
	if len(s) < 2 {
		return s
	}
	switch first, last := s[0], s[len(s)-1]; {
	case first == '[' && last == ']':
		return s[1 : len(s)-1]
	case first == last && strings.ContainsRune("'\"`", rune(first)):
		return strings.ReplaceAll(s[1:len(s)-1], string(first)+string(first), string(first))
	}
	return s
}

func (v virtual) isText() bool { return v.module == "fts3" || v.module == "fts4" || v.module == "fts5" }

// isContentless: there is only the index, which nothing can rebuild.
func (v virtual) isContentless() bool { return v.external && v.content == "" }

// isRebuilt: the index is made anew from the content.
func (v virtual) isRebuilt() bool { return v.isText() && !v.isContentless() }

// parts returns the names of all tables that the virtual table may have.
func (v virtual) parts() (names []string) {
	for _, suffix := range modules[v.module] {
		names = append(names, v.name+"_"+suffix)
	}
	return names
}

// copied returns the names of those whose rows are copied as they are.
func (v virtual) copied() []string {
	if !v.isRebuilt() {
		return v.parts()
	}
	var names []string
	for _, suffix := range []string{"content", "config"} {
		names = append(names, v.name+"_"+suffix)
	}
	return names
}

// note says what is special about its extraction.
func (v virtual) note() string {
	switch {
	case v.isContentless():
		return "a full-text index without content, copied as it is"
	case v.external:
		return "full-text index rebuilt from " + v.content
	case v.isText():
		return "full-text index rebuilt"
	}
	return ""
}

// extractable returns why the virtual table cannot be extracted with those tables.
func (v virtual) extractable(s schema, tables []object) error {
	if _, known := modules[v.module]; !known {
		return reason.Errorf(ErrMissing, nil, "%s is a virtual table of the module %s, which only its application has", v.name, v.module)
	}
	if !v.external || v.content == "" {
		return nil
	}
	for _, o := range tables {
		if sameName(o.name, v.content) {
			return nil
		}
	}
	if o, found := s.named(v.content); found && o.kind == "view" {
		return reason.Errorf(ErrRequest, nil, "the full-text table %s takes its content from %s, which is a view: only --all brings both", v.name, o.name)
	}
	return reason.Errorf(ErrRequest, nil, "the full-text table %s takes its content from %s: extract that table too", v.name, v.content)
}

// rebuild returns the statement that makes the index anew.
func (v virtual) rebuild() string {
	return "INSERT INTO main." + quote(v.name) + "(" + quote(v.name) + ") VALUES ('rebuild')"
}
