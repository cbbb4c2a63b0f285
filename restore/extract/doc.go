// Package extract takes tables out of a database that nobody vouches for, into a new
// database file or a script: schema, rows and indexes.
//
// Copy reads the tables through a connection, so that only their pages are read, and
// builds indexes anew from the rows. Mask runs a user's statements on the new file, and
// Script writes it as SQL. What a schema can do to the process that runs SQLite, it can
// do to this one: the program calls this package in a worker.
//
// It belongs to Lifeboat's own packages and promises nothing to applications.
package extract

import (
	"errors"

	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
)

// The reasons of this package's errors, beside those of package untrusted.
var (
	// ErrRequest: the request names what is not there, or what cannot be extracted.
	ErrRequest = errors.New("it cannot be extracted")
	// ErrMissing: the schema needs a collation, function, tokenizer or module that only
	// its application has.
	ErrMissing = errors.New("something is missing here that only the application has")
	// ErrStatement: a statement of the user's script failed.
	ErrStatement = errors.New("a statement failed")
	// ErrContent: what the database holds contradicts its own schema.
	ErrContent = untrusted.ErrCheck
)

// A Request names what to extract: Tables, or the result of Query.
type Request struct {
	Tables []string
	// Where chooses rows of the only table; "" is all.
	Where string
	// Query is one SELECT, and As the name of the table for its result.
	Query, As string
	// Triggers takes the triggers of the tables along.
	Triggers bool
	// Views takes the views along that need nothing but the tables.
	Views bool
}

// A Report is what an extraction did. Its JSON is part of what the program prints.
type Report struct {
	Tables []Table  `json:"tables"`
	Views  []string `json:"views"`
	// LeftOut is what belongs to the tables and is not in the new database.
	LeftOut []Omission `json:"left_out"`
	// Dangling are the foreign keys that refer to nothing there.
	Dangling []Dangling `json:"dangling"`
}

// NewReport returns a Report of nothing.
func NewReport() Report {
	return Report{Tables: []Table{}, Views: []string{}, LeftOut: []Omission{}, Dangling: []Dangling{}}
}

// A Table is one that was extracted. Rows is -1 for a virtual table, whose rows are in
// tables of its own.
type Table struct {
	Name     string `json:"name"`
	Rows     int64  `json:"rows"`
	Indexes  int    `json:"indexes"`
	Triggers int    `json:"triggers"`
	// Note is what is special about it, or "".
	Note string `json:"note,omitempty"`
}

// An Omission is what was left out, and why.
type Omission struct {
	Kind  string `json:"kind"` // index, trigger, view, or rowids
	Name  string `json:"name"`
	Table string `json:"table,omitempty"`
	Why   string `json:"why"`
	// Asked: the request was for it, or it is a part of what the request was for.
	Asked bool `json:"asked"`
}

// A Dangling is a foreign key, with the number of rows that refer to nothing.
type Dangling struct {
	Table  string `json:"table"`
	Parent string `json:"parent"`
	Rows   int64  `json:"rows"`
	// Extracted: the parent is in the new database, and so the rows dangle in the
	// snapshot too, unless the request chose rows.
	Extracted bool `json:"parent_extracted"`
	// Unknown is why SQLite could not check the key, or "".
	Unknown string `json:"unknown,omitempty"`
}

// Whole reports whether all that was asked for is in the new database.
func (r Report) Whole() bool {
	for _, o := range r.LeftOut {
		if o.Asked {
			return false
		}
	}
	return true
}
