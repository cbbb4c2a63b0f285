package diff

import (
	"math"
	"strconv"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/restore/diff/btree"
)

// An Affinity is the kind of values that a column prefers. Source:
// https://www.sqlite.org/datatype3.html#determination_of_column_affinity
type Affinity byte

// The affinities. Integer and numeric store alike.
const (
	blobAffinity Affinity = iota
	textAffinity
	numericAffinity
	realAffinity
)

func affinityOf(declared string) Affinity {
	declared = strings.ToUpper(declared)
	has := func(part string) bool { return strings.Contains(declared, part) }
	switch {
	case has("INT"):
		return numericAffinity
	case has("CHAR"), has("CLOB"), has("TEXT"):
		return textAffinity
	case has("BLOB"), declared == "", declared == "ANY":
		return blobAffinity
	case has("REAL"), has("FLOA"), has("DOUB"):
		return realAffinity
	}
	return numericAffinity
}

// read returns a stored value as the column has it: a whole number in a column of
// floating-point numbers is stored as an integer.
func (a Affinity) read(v btree.Value) btree.Value {
	if a == realAffinity && v.Kind == btree.Integer {
		return btree.Value{Kind: btree.Real, Float: float64(v.Int)}
	}
	return v
}

// value returns the default of a column with that affinity.
func (d Default) value(a Affinity) btree.Value {
	v := btree.Value{Int: d.Int, Float: d.Float, Bytes: d.Bytes, Length: int64(len(d.Bytes))}
	switch d.Kind {
	case "integer":
		v.Kind = btree.Integer
	case "real":
		v.Kind = btree.Real
	case "text":
		v.Kind = btree.Text
	case "blob":
		v.Kind = btree.Blob
	}
	switch {
	case a == textAffinity && v.Kind == btree.Integer:
		return textValue(strconv.FormatInt(v.Int, 10))
	case a == textAffinity && v.Kind == btree.Real:
		return textValue(FormatReal(v.Float))
	case (a == numericAffinity || a == realAffinity) && v.Kind == btree.Text:
		v = numberOf(v)
	}
	if a == numericAffinity {
		return wholeOf(v)
	}
	return a.read(v)
}

// wholeOf returns a number as such a column stores it: a whole one as an integer.
func wholeOf(v btree.Value) btree.Value {
	if v.Kind == btree.Real && v.Float == math.Trunc(v.Float) && v.Float > -1<<63 && v.Float < 1<<63 {
		return btree.Value{Kind: btree.Integer, Int: int64(v.Float)}
	}
	return v
}

func textValue(s string) btree.Value {
	return btree.Value{Kind: btree.Text, Bytes: []byte(s), Length: int64(len(s))}
}

// numberOf returns a text that is a number as that number.
func numberOf(v btree.Value) btree.Value {
	s := strings.TrimSpace(string(v.Bytes))
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return btree.Value{Kind: btree.Integer, Int: i}
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && !strings.ContainsAny(s, "xXnNpP_") {
		return btree.Value{Kind: btree.Real, Float: f}
	}
	return v
}

// FormatReal returns a floating-point number as SQLite writes it: never without a
// point, an exponent or a name.
func FormatReal(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if strings.Trim(s, "-0123456789") == "" {
		s += ".0"
	}
	return s
}
