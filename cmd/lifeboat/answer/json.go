package answer

import (
	"bufio"
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// JSON writes one document that grows with the rows: what is known at its beginning, a
// list of answers, and what is known at its end. However the answers end, the document
// is whole once Close has been called.
type JSON struct {
	w       *bufio.Writer
	answers int
	rows    int // of this answer
	open    bool
	next    func() string // the statement of the next answer
}

// An Answer is how the document has each answer.
type Answer struct {
	SQL     string   `json:"sql"`
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"` // a row a line
}

// NewJSON begins a document with the fields of head. next returns the statement whose
// answer begins.
func NewJSON(w io.Writer, head any, next func() string) (*JSON, error) {
	fields, err := fields(head)
	if err != nil {
		return nil, err
	}
	j := &JSON{w: bufio.NewWriter(w), next: next}
	_, err = j.w.WriteString("{\n" + fields + ",\n  \"answers\": [")
	return j, err
}

// Columns implements Writer.
func (j *JSON) Columns(names []string) error {
	between := "\n"
	if j.answers++; j.answers > 1 {
		between = ",\n"
	}
	columns, err := encoded(terminal.ValidTexts(names))
	if err != nil {
		return err
	}
	statement, err := encoded(terminal.ValidText(j.next()))
	if err != nil {
		return err
	}
	j.open, j.rows = true, 0
	_, err = fmt.Fprintf(j.w, "%s    {\n      \"sql\": %s,\n      \"columns\": %s,\n      \"rows\": [", between, statement, columns)
	return err
}

// Row implements Writer.
func (j *JSON) Row(values []driver.Value) error {
	row := make([]any, len(values))
	for i, v := range values {
		row[i] = jsonValue(v)
	}
	text, err := encoded(row)
	if err != nil {
		return err
	}
	between := "\n"
	if j.rows++; j.rows > 1 {
		between = ",\n"
	}
	_, err = j.w.WriteString(between + "        " + text)
	return err
}

// End implements Writer.
func (j *JSON) End() error {
	if !j.open {
		return nil
	}
	j.open = false
	text := "]\n    }"
	if j.rows > 0 {
		text = "\n      " + text
	}
	if _, err := j.w.WriteString(text); err != nil {
		return err
	}
	return j.w.Flush()
}

// Close ends the document with the fields of tail.
func (j *JSON) Close(tail any) error {
	fields, err := fields(tail)
	if err != nil {
		return err
	}
	if err := j.End(); err != nil {
		return err
	}
	end := "],\n"
	if j.answers > 0 {
		end = "\n  ],\n"
	}
	if _, err := j.w.WriteString(end + fields + "\n}\n"); err != nil {
		return err
	}
	return j.w.Flush()
}

// jsonValue returns a value as JSON has it. A number that JSON does not have is one that
// every reader takes for infinite.
func jsonValue(v driver.Value) any {
	switch v := v.(type) {
	case string:
		return terminal.ValidText(v)
	case []byte:
		return blob(v)
	case float64:
		return json.RawMessage(strings.NewReplacer("Inf", "9e999", "+", "").Replace(real(v)))
	}
	return v
}

// encoded returns a value in one line.
func encoded(v any) (string, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return terminal.PrintableJSON(strings.TrimSuffix(b.String(), "\n")), err
}

// fields returns the fields of a document, without its braces.
func fields(document any) (string, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(document)
	text := strings.TrimSuffix(strings.TrimPrefix(b.String(), "{\n"), "\n}\n")
	return terminal.PrintableJSON(text), err
}
