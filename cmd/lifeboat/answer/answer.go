// Package answer writes the rows of a query for people and for programs. People get
// printable text, whatever a database holds. Programs get every byte.
package answer

import (
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore/query"
)

// A Writer writes the answers to several statements, one after the other: each is
// its columns, its rows, and its end.
type Writer interface {
	query.Sink
	// End ends an answer whose columns were written.
	End() error
}

// exact returns a value as programs take it. NULL is empty.
func exact(v driver.Value) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		return blob(v)
	case float64:
		return real(v)
	}
	return fmt.Sprint(v)
}

// shown returns a value for people, not yet printable. A text that reads like NULL or a
// blob is in quotes, so that it is neither.
func shown(v driver.Value) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case string:
		if v == "NULL" || strings.HasPrefix(v, "x'") {
			return "'" + v + "'"
		}
	}
	return exact(v)
}

// abbreviated returns a value for people in about so many columns of a terminal.
func abbreviated(v driver.Value, width int) string {
	switch long := v.(type) {
	case []byte:
		if few := max((width-20)/2, 4); len(long) > few {
			return fmt.Sprintf("x'%s...' (%s)", hex.EncodeToString(long[:few]), terminal.Size(int64(len(long))))
		}
	case string:
		// Printable makes of a byte up to ten, and what is far off both ends is not shown.
		if most := 10 * width; len(long) > 2*most {
			v = long[:most] + long[len(long)-most:]
		}
	}
	return terminal.Shorten(terminal.Printable(shown(v)), width)
}

func blob(v []byte) string { return "x'" + hex.EncodeToString(v) + "'" }

// real returns a number as SQLite writes it, with as many digits as it takes to get it
// back.
func real(v float64) string {
	switch magnitude := math.Abs(v); {
	case math.IsInf(v, 1):
		return "Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	case magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e15):
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
