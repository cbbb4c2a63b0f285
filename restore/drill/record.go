package drill

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Format is the newest format of records that this package reads.
const Format = 1

var (
	// ErrDamaged: an object in the folder of records is none, or not the one that its
	// name says.
	ErrDamaged = errors.New("drill record damaged")
	// ErrNewerFormat: a record has a newer format than Format.
	ErrNewerFormat = errors.New("the drill record has a newer format")
)

// A Record is the result of one drill, as its object holds it.
type Record struct {
	Format int       `json:"format"`
	Tool   string    `json:"tool"` // name and version
	Host   string    `json:"host"`
	Time   time.Time `json:"time"` // when the drill ended, by the store's clock
	// Snapshot is the one that was drilled, and Chain the objects that were to be read,
	// that of the full one first.
	Snapshot  snapshot.ID `json:"snapshot"`
	Chain     []Object    `json:"chain"`
	Encrypted bool        `json:"encrypted"`
	// Passed: all that was asked for was true. Otherwise Exit is the exit code that the
	// drill had, and Reason the word for it.
	Passed bool   `json:"passed"`
	Exit   int    `json:"exit"`
	Reason string `json:"reason,omitempty"`
	// Frames: all were fetched and decoded, with the right digests. Check is the check
	// that the database has passed.
	Frames bool                `json:"frames"`
	Check  snapshot.CheckLevel `json:"check,omitempty"`
	// Asked is how many queries were to be true, and True how many were.
	Asked int `json:"asked"`
	True  int `json:"true"`
	// Size of the database in bytes, 0 if the drill did not come so far.
	Size int64 `json:"size,omitempty"`
	// Reused is how many objects of the chain the same run had rebuilt before, so that
	// Seconds are not those of a restore. 0: all were fetched.
	Reused  int     `json:"reused,omitempty"`
	Seconds Seconds `json:"seconds"`
	// Content is what the record says of the database's content. Of an encrypted snapshot
	// it is in Sealed, as an armored age file, or nowhere.
	Content *Content `json:"content,omitempty"`
	Sealed  string   `json:"sealed,omitempty"`
}

// An Object is one object of a chain.
type Object struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	ETag string `json:"etag"`
}

// Seconds is how long each stage of a drill took. Fetch and Decode together are how long
// it takes to have the database back.
type Seconds struct {
	Fetch   float64 `json:"fetch"`   // waiting for the store
	Decode  float64 `json:"decode"`  // the rest of rebuilding the database
	Check   float64 `json:"check"`   // SQLite's check and that of foreign keys
	Queries float64 `json:"queries"` // all of them
	Total   float64 `json:"total"`
}

// Content is what a drill found in the database.
type Content struct {
	Database    string                  `json:"database,omitempty"` // its name
	Digest      string                  `json:"digest,omitempty"`
	Queries     []untrusted.QueryResult `json:"queries,omitempty"`
	ForeignKeys *untrusted.ForeignKeys  `json:"foreign_keys,omitempty"` // nil: not looked at
	Error       string                  `json:"error,omitempty"`
}

// Recovery returns how long it took to have the database back, and false if the drill
// did not rebuild it from nothing.
func (r Record) Recovery() (time.Duration, bool) {
	seconds := r.Seconds.Fetch + r.Seconds.Decode
	return time.Duration(seconds * float64(time.Second)), r.Frames && r.Reused == 0
}

// Stored returns the size in bytes of the objects of the chain.
func (r Record) Stored() (bytes int64) {
	for _, o := range r.Chain {
		bytes += o.Size
	}
	return bytes
}

// ChainOf returns the objects of a snapshot's chain.
func ChainOf(s series.Snapshot) []Object {
	var chain []Object
	for _, part := range s.Chain() {
		chain = append(chain, Object{part.Object.Name, part.Object.Size, part.Object.ETag})
	}
	return chain
}

// seal moves the content of an encrypted snapshot's record into Sealed. Without a
// recipient it is left out.
func (r *Record) seal(recipients []age.Recipient) error {
	if !r.Encrypted || r.Content == nil {
		return nil
	}
	content := r.Content
	r.Content = nil
	if len(recipients) == 0 {
		return nil
	}
	var text strings.Builder
	armored := armor.NewWriter(&text)
	sealed, err := age.Encrypt(armored, recipients...)
	if err != nil {
		return fmt.Errorf("%w: %w", series.ErrRecipients, err)
	}
	if err := errors.Join(json.NewEncoder(sealed).Encode(content), sealed.Close(), armored.Close()); err != nil {
		return fmt.Errorf("encrypt the drill record: %w", err)
	}
	r.Sealed = text.String()
	return nil
}

// Unseal decrypts what is sealed of the record, if anything is. It returns
// series.ErrWrongIdentity where none of the identities fits, and ErrDamaged.
func (r *Record) Unseal(identities []age.Identity) error {
	if r.Sealed == "" || len(identities) == 0 {
		return nil
	}
	plain, err := age.Decrypt(armor.NewReader(strings.NewReader(r.Sealed)), identities...)
	if noMatch := (*age.NoIdentityMatchError)(nil); errors.As(err, &noMatch) {
		return fmt.Errorf("open drill record of %s: %w", r.Snapshot, series.ErrWrongIdentity)
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(plain)
	}
	var content Content
	if err == nil {
		err = json.Unmarshal(text, &content)
	}
	if err != nil {
		return fmt.Errorf("%w: of %s: %w", ErrDamaged, r.Snapshot, err)
	}
	r.Content = &content
	return nil
}

// parse returns the record in an object of that name.
func parse(text []byte, name Name) (Record, error) {
	var r Record
	if err := json.Unmarshal(bytes.TrimSpace(text), &r); err != nil {
		return r, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	switch {
	case r.Format > Format:
		return r, fmt.Errorf("%w: %d, newer than %d", ErrNewerFormat, r.Format, Format)
	case r.Format < 1:
		return r, fmt.Errorf("%w: it has no format", ErrDamaged)
	case r.Snapshot != name.Snapshot || !r.Time.Equal(name.Time):
		return r, fmt.Errorf("%w: it is of %s at %s", ErrDamaged, r.Snapshot, r.Time.UTC().Format(time.RFC3339))
	case !r.Seconds.possible():
		return r, fmt.Errorf("%w: no drill can have taken these seconds: %v", ErrDamaged, r.Seconds)
	}
	return r, nil
}

// longest is how long no drill takes, in seconds: a year. What is added up of shorter ones is
// a time.Duration.
const longest = 366 * 24 * 60 * 60

// possible reports whether each stage can have taken so long.
func (s Seconds) possible() bool {
	for _, stage := range []float64{s.Fetch, s.Decode, s.Check, s.Queries, s.Total} {
		if stage < 0 || stage > longest {
			return false
		}
	}
	return true
}
