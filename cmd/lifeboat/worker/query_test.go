package worker

import (
	"database/sql/driver"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/restore/query"
)

var someValues = []driver.Value{nil, int64(math.MinInt64), int64(7), math.Inf(-1), 0.1, "", "caf\xe9\x00", []byte{}, []byte{0, 0xff}}

func TestValues(t *testing.T) {
	encoded := encodeRow(nil, someValues)
	row := make([]driver.Value, len(someValues))
	if rest, err := decodeRow(encoded, row); err != nil || len(rest) != 0 || !reflect.DeepEqual(row, someValues) {
		t.Errorf("%#v, %v", row, err)
	}
	for cut := range encoded {
		if _, err := decodeRow(encoded[:cut], row); err == nil {
			t.Errorf("cut to %d bytes: no error", cut)
		}
	}
}

// Whatever a worker sends, the program does not fail but by an error.
func FuzzValues(f *testing.F) {
	f.Add(encodeRow(nil, someValues))
	f.Add([]byte{valueText, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, message []byte) {
		row := make([]driver.Value, 3)
		rest, err := decodeRow(message, row)
		if err != nil {
			return
		}
		if again := encodeRow(nil, row); len(again) > len(message)-len(rest) { // a length may have been written longer
			t.Errorf("%q: %v", message, row)
		}
	})
}

// rowsOf counts what comes.
type rowsOf struct {
	columns []string
	rows    int
}

func (r *rowsOf) Columns(names []string) error {
	r.columns = names
	return nil
}

func (r *rowsOf) Row([]driver.Value) error {
	r.rows++
	return nil
}

// A worker that breaks the rules ends the query.
func TestAnswerOfAStranger(t *testing.T) {
	columns := encodeRow([]byte{messageColumns}, []driver.Value{"a", "b"})
	row := encodeRow([]byte{messageRows}, []driver.Value{"x", int64(1)})
	two := append(append([]byte{}, row...), row[1:]...)
	for name, c := range map[string]struct {
		messages [][]byte
		rows     int
		wrong    bool
	}{
		"rows":                  {[][]byte{columns, two, row}, 3, false},
		"rows before columns":   {[][]byte{row}, 0, true},
		"columns twice":         {[][]byte{columns, columns}, 0, true},
		"no columns":            {[][]byte{{messageColumns}}, 0, true},
		"a column that is none": {[][]byte{encodeRow([]byte{messageColumns}, []driver.Value{int64(1)})}, 0, true},
		"half a row":            {[][]byte{columns, row[:len(row)-9]}, 0, true},
		"too many rows":         {[][]byte{columns, two, two}, 3, true},
		"too many rows later":   {[][]byte{columns, two, row, row}, 3, true},
		"what is not known":     {[][]byte{{'?'}}, 0, true},
		"half an error":         {[][]byte{{messageWrong}}, 0, true},
	} {
		sink := &rowsOf{}
		a := &answer{sink: sink, most: 3}
		var err error
		for _, message := range c.messages {
			if err == nil {
				err = a.receive(message)
			}
		}
		if sink.rows != c.rows || (err != nil) != c.wrong || err != nil && !errors.Is(err, errMessage) {
			t.Errorf("%s: %d rows, %v", name, sink.rows, err)
		}
	}
}

// Rows are sent together, none of them too large.
func TestRowSender(t *testing.T) {
	var sizes []int
	s := &rowSender{send: func(message []byte) error {
		sizes = append(sizes, len(message))
		return nil
	}}
	if err := s.Columns([]string{"a"}); err != nil {
		t.Fatal(err)
	}
	big := strings.Repeat("x", MaxMessage-10) // no room for a small one beside it
	for _, text := range []string{"small", big, "small"} {
		if err := s.Row([]driver.Value{text}); err != nil {
			t.Fatal(err)
		}
	}
	var wrong *query.Error
	if err := s.Row([]driver.Value{big + big}); !errors.As(err, &wrong) || !strings.Contains(wrong.Message, "a row of 31 MiB is too large") {
		t.Error(err)
	}
	if err := s.flush(); err != nil || len(sizes) < 4 {
		t.Errorf("%v, %v", sizes, err)
	}
	for _, size := range sizes {
		if size > MaxMessage {
			t.Errorf("a message of %d bytes", size)
		}
	}
}
