// Package evidence makes the page of lifeboat report: one static HTML document about one
// series or many, with charts as inline SVG, no script, and nothing fetched from anywhere.
// Every number in it is computed here, by pure functions of what a bucket lists, from
// retention's own decisions, and from the records of drills.
package evidence

import (
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Input is what the page says of one series.
type Input struct {
	Name string // of the database: its path, or the name in its tags, "" if neither is known
	URL  string
	// Err is why the series could not be examined, "" if it was. Then no other field but
	// Name and URL counts.
	Err string
	// Now is the present by the store's clock.
	Now time.Time
	// State is that of lifeboat status, in a word, and Well whether it is one to leave as
	// it is.
	State string
	Well  bool
	// Verdict is why the state is none to leave as it is, "" if it is one.
	Verdict string
	// MaxAge is the age beyond which the newest snapshot, and that of a copy, is too old,
	// 0: none is.
	MaxAge time.Duration
	// Warnings are those of lifeboat status.
	Warnings []string
	// Retention is what carries it out, in words.
	Retention string
	// Decisions are about all snapshots of the series, sorted by ID.
	Decisions []lifecycle.Decision
	// Policy is the one that the decisions were made by. With a nil one nothing expires,
	// unless Elsewhere: what expires is decided by prune, or by rules that these keys may
	// not read.
	Policy    lifecycle.Policy
	Elsewhere bool
	// Drills are the newest records, sorted by time, and Older how many there are beside
	// them. NoDrills is why they could not be read, "" if they were.
	Drills   []drill.Recorded
	Older    int
	NoDrills string
	Copies   []Copy
}

// Copy is another place with snapshots of the same series.
type Copy struct {
	URL       string
	Err       string // why it could not be listed, "" if it was
	Now       time.Time
	Snapshots []series.Snapshot
}

// Terms are what a page is computed by, beside the series.
type Terms struct {
	// Tool is the program's name and version, and Made when it makes the page.
	Tool string
	Made time.Time
	// Every is how often a backup is to run, 0: as the newest snapshots show.
	Every  time.Duration
	Prices Prices
}

// Prices are what a store charges. What is 0 is not on the page.
type Prices struct {
	Currency string
	Storage  float64 // for a GiB and month
	Uploads  float64 // for 1,000 of them
	Egress   float64 // for a GiB
}

// Page is all that the template prints.
type Page struct {
	Terms
	Sections []Section
	Fleet    bool // an overview stands before the sections
	Well     int  // sections of series that are as they should be
	Proved   int  // sections of series with a drill that passed
	Unread   int  // sections of series whose drills are not known
	Copied   bool // a section names a second place
	Stored   int64
	Cost     float64 // of storage, a month
}

// New computes a page of series, in their order.
func New(all []Section, fleet bool, t Terms) Page {
	p := Page{Terms: t, Sections: all, Fleet: fleet}
	for _, s := range all {
		p.Stored += s.Total.Stored
		if s.Well {
			p.Well++
		}
		if s.Proved != nil {
			p.Proved++
		}
		if s.Err != "" || s.NoDrills != "" {
			p.Unread++
		}
		p.Copied = p.Copied || len(s.Copied) > 0
	}
	p.Cost = t.Prices.storage(p.Stored)
	return p
}

const gib = 1 << 30

// storage returns what it costs to store so many bytes for a month.
func (p Prices) storage(bytes int64) float64 { return p.Storage * float64(bytes) / gib }

// egress returns what it costs to fetch so many bytes.
func (p Prices) egress(bytes int64) float64 { return p.Egress * float64(bytes) / gib }
