package extract

import (
	"bufio"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// Script writes the database at path, which is private to the caller, as SQL for the
// stock sqlite3 tool: into a new database the script brings the same content, rowids and
// types included.
func Script(ctx context.Context, path string, w io.Writer) (err error) {
	c, err := sqlite.Open(path, 0, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.Exec(ctx, "PRAGMA trusted_schema = OFF"); err != nil {
		return err
	}
	h, err := readHeader(ctx, c)
	if err != nil {
		return err
	}
	s := &scriptWriter{c: c, w: bufio.NewWriterSize(w, 64<<10), encoding: h.encoding}
	if err := s.database(ctx, h); err != nil {
		return err
	}
	return s.w.Flush()
}

type scriptWriter struct {
	c        *sqlite.Conn
	w        *bufio.Writer // its first error stays
	encoding string
}

func (s *scriptWriter) line(format string, args ...any) { fmt.Fprintf(s.w, format+";\n", args...) }

func (s *scriptWriter) database(ctx context.Context, h header) error {
	schema, err := readSchema(ctx, s.c)
	if err != nil {
		return err
	}
	s.line("PRAGMA foreign_keys = OFF")
	s.line("PRAGMA page_size = %d", h.pageSize)
	s.line("PRAGMA encoding = %s", literal(h.encoding))
	s.line("PRAGMA auto_vacuum = %d", h.autoVacuum)
	s.line("BEGIN")
	var tables []object
	for _, o := range schema {
		if o.kind == "table" && !isInternal(o.name) && schema.owner(o.name) == "" {
			tables = append(tables, o)
		}
	}
	slices.SortStableFunc(tables, func(a, b object) int { return rank(a) - rank(b) })
	for _, o := range tables {
		if err := s.table(ctx, schema, o); err != nil {
			return err
		}
	}
	if err := s.internal(ctx, schema); err != nil {
		return err
	}
	for _, kind := range []string{"index", "view", "trigger"} {
		for _, o := range schema {
			if o.kind == kind && o.sql != "" {
				if err := s.statement(o); err != nil {
					return err
				}
			}
		}
	}
	for _, o := range tables {
		if v, ok := virtualOf(o); ok && v.isRebuilt() {
			s.line("%s", v.rebuild())
		}
	}
	s.line("PRAGMA user_version = %d", h.userVersion)
	s.line("PRAGMA application_id = %d", h.applicationID)
	s.line("COMMIT")
	return ctx.Err()
}

// statement writes a statement of the schema. The database may be hostile, and the tool
// that reads the script runs lines that begin with a dot: no statement may end before or
// behind its end.
func (s *scriptWriter) statement(o object) error {
	sql := o.sql
	if terminator.MatchString(sql) {
		sql = oneLine(sql)
	}
	whole := sql + "\n;"
	if n, ended := statementLength(whole); !ended || n != len(whole) || strings.Contains(sql, "\x00") {
		return reason.Errorf(ErrContent, nil, "the statement of %s %s cannot stand in a script", o.kind, o.name)
	}
	if !strings.Contains(sql, "--") { // a comment to the end of the line
		whole = sql + ";"
	}
	s.w.WriteString(whole + "\n")
	return nil
}

// terminator matches lines that end a statement for the tool, as those of other
// databases' tools: "go" and "/". Source: https://www.sqlite.org/cli.html
var terminator = regexp.MustCompile(`(?im)^\s*(go\b|/($|[^*]))`)

// oneLine returns a statement without line breaks between its tokens.
func oneLine(sql string) string {
	var b strings.Builder
	for sql != "" {
		n, kind := token(sql)
		if kind == blank {
			b.WriteByte(' ')
		} else {
			b.WriteString(sql[:n])
		}
		sql = sql[n:]
	}
	return b.String()
}

// table writes a table with its rows.
func (s *scriptWriter) table(ctx context.Context, schema schema, o object) error {
	if err := s.statement(o); err != nil {
		return err
	}
	v, ok := virtualOf(o)
	if !ok {
		return s.ordinary(ctx, o)
	}
	for _, part := range v.copied() {
		there, found := schema.named(part)
		if !found {
			continue
		}
		s.line("DELETE FROM %s", quote(part))
		if err := s.ordinary(ctx, there); err != nil {
			return err
		}
	}
	return nil
}

// ordinary writes the rows of an ordinary table.
func (s *scriptWriter) ordinary(ctx context.Context, o object) error {
	names, taken, alias, err := columns(ctx, s.c, o.name)
	if err != nil {
		return err
	}
	has, err := hasRowid(ctx, s.c, o.name)
	if err != nil {
		return err
	}
	into := list(names)
	values := names
	if i := slices.IndexFunc(rowidNames, func(name string) bool { return !taken[name] }); has && !alias && i >= 0 {
		into, values = rowidNames[i]+", "+into, append([]string{rowidNames[i]}, names...)
	}
	return s.rows(ctx, o.name, into, values)
}

// internal writes what SQLite's own tables hold.
func (s *scriptWriter) internal(ctx context.Context, schema schema) error {
	for _, o := range schema {
		if o.kind != "table" || !isInternal(o.name) {
			continue
		}
		name := lower(o.name)
		switch {
		case name == "sqlite_sequence":
			s.line("DELETE FROM sqlite_sequence")
		case strings.HasPrefix(name, "sqlite_stat"):
			s.line("ANALYZE sqlite_schema") // makes the table
		default:
			continue
		}
		names, _, _, err := columns(ctx, s.c, o.name)
		if err == nil {
			err = s.rows(ctx, o.name, list(names), names)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rows writes an INSERT for each row. An expression has no declared type, by which the
// driver would change a value.
func (s *scriptWriter) rows(ctx context.Context, table, into string, names []string) error {
	var values []string
	for _, name := range names {
		q := quote(name)
		values = append(values, "typeof("+q+")", "CASE typeof("+q+") WHEN 'text' THEN CAST("+q+" AS BLOB) ELSE "+q+" END")
	}
	head := insert + quote(table) + " (" + into + ") VALUES ("
	err := s.c.Each(ctx, "SELECT "+strings.Join(values, ", ")+" FROM main."+quote(table)+" NOT INDEXED", func(row []driver.Value) {
		s.w.WriteString(head)
		for i := 0; i < len(row); i += 2 {
			if i > 0 {
				s.w.WriteString(", ")
			}
			s.value(text(row[i]), row[i+1])
		}
		s.w.WriteString(");\n")
	})
	if err == nil {
		_, err = s.w.Write(nil)
	}
	return err
}

// value writes a value as a literal.
func (s *scriptWriter) value(kind string, v driver.Value) {
	switch v := v.(type) {
	case nil:
		s.w.WriteString("NULL")
	case int64:
		s.w.WriteString(strconv.FormatInt(v, 10))
	case float64:
		s.w.WriteString(realLiteral(v))
	case []byte:
		plain, ok := s.plain(v)
		switch {
		case kind == "blob":
			s.hex(v)
		case ok:
			s.w.WriteString(literal(plain))
		default:
			s.w.WriteString("CAST(")
			s.hex(v)
			s.w.WriteString(" AS TEXT)")
		}
	}
}

func (s *scriptWriter) hex(bytes []byte) {
	s.w.WriteString("X'")
	// The writer keeps an error.
	_, _ = hex.NewEncoder(s.w).Write(bytes)
	s.w.WriteString("'")
}

// plain returns a text in UTF-8, if it can stand in a script as it is: valid, and without
// characters that the tool or a terminal takes for something else.
func (s *scriptWriter) plain(bytes []byte) (string, bool) {
	text := string(bytes)
	if s.encoding != "UTF-8" {
		var ok bool
		if text, ok = fromUTF16(bytes, s.encoding); !ok {
			return "", false
		}
	}
	if !utf8.ValidString(text) {
		return "", false
	}
	for _, r := range text {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == '\ufeff' || r&0xfffe == 0xfffe {
			return "", false
		}
	}
	return text, true
}

// fromUTF16 returns a text in UTF-8, unless that would lose something.
func fromUTF16(bytes []byte, encoding string) (string, bool) {
	var order binary.ByteOrder = binary.LittleEndian
	if encoding == "UTF-16be" {
		order = binary.BigEndian
	}
	if len(bytes)%2 != 0 {
		return "", false
	}
	units := make([]uint16, len(bytes)/2)
	for i := range units {
		units[i] = order.Uint16(bytes[2*i:])
	}
	runes := utf16.Decode(units)
	return string(runes), slices.Equal(utf16.Encode(runes), units)
}
