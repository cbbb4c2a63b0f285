package query

import (
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A Parameter is a value for the parameter of that name, such as id for :id, @id or $id.
type Parameter struct {
	Name string
	// Text is what the user wrote; value explains what it becomes.
	Text string
}

// decimal are numbers as a user writes them who means a number.
var decimal = regexp.MustCompile(`^-?[0-9]+\.[0-9]+([eE][-+]?[0-9]+)?$`)

// value returns what the text stands for: an integer, a number with a decimal point, a
// blob such as x'00ff', or else the text itself. 007 and +1 are texts: a number would not
// be written like that.
func (p Parameter) value() driver.Value {
	if n, err := strconv.ParseInt(p.Text, 10, 64); err == nil && strconv.FormatInt(n, 10) == p.Text {
		return n
	}
	if decimal.MatchString(p.Text) {
		if f, err := strconv.ParseFloat(p.Text, 64); err == nil {
			return f
		}
	}
	if digits, found := strings.CutPrefix(strings.ToLower(p.Text), "x'"); found && strings.HasSuffix(digits, "'") {
		if blob, err := hex.DecodeString(strings.TrimSuffix(digits, "'")); err == nil {
			return blob
		}
	}
	return p.Text
}

// CheckParameters returns an error if a parameter of a statement has no value, which
// SQLite would take for NULL, or a value is for none.
func CheckParameters(statements []Statement, given []Parameter) error {
	values, used := map[string]bool{}, map[string]bool{}
	for _, p := range given {
		if values[p.Name] {
			return fmt.Errorf("parameter %s has two values", p.Name)
		}
		values[p.Name] = true
	}
	for _, s := range statements {
		for _, marked := range s.Parameters {
			name := marked[1:]
			if marked[0] == '?' {
				return fmt.Errorf("parameter %s: give it a name, such as :id", marked)
			}
			if !values[name] {
				return fmt.Errorf("parameter %s has no value", marked)
			}
			used[name] = true
		}
	}
	for _, p := range given {
		if !used[p.Name] {
			return fmt.Errorf("there is no parameter :%s in a statement", p.Name)
		}
	}
	return nil
}

// named returns the parameters as the driver takes them.
func named(given []Parameter) []driver.NamedValue {
	var all []driver.NamedValue
	for i, p := range given {
		all = append(all, driver.NamedValue{Name: p.Name, Ordinal: i + 1, Value: p.value()})
	}
	return all
}
