package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// An Entry is what is known of one snapshot.
type Entry struct {
	// Object is the snapshot's object. Its name, size and ETag are kept.
	Object bucket.Object
	// Encryption is the Fingerprint of what the object is encrypted with, "" if there
	// is none: then no other snapshot counts as encrypted alike.
	Encryption string
	// Reference is what a differential on it has in its manifest.
	snapshot.Reference
	PageSize  int // bytes
	PageCount int
	// Check is the check that the content has passed.
	Check snapshot.CheckLevel

	damaged bool // a drill has found it so
}

// A place is what a directory of the cache belongs to.
type place struct {
	Endpoint string `json:"endpoint"`
	URL      string `json:"url"`
	Database string `json:"database"` // its name
}

// dir returns the name of the place's directory.
func (p place) dir() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", p.Endpoint, p.URL, p.Database))
	return hex.EncodeToString(sum[:])
}

// isPlace reports whether a name is one that dir returns.
func isPlace(name string) bool {
	sum, err := hex.DecodeString(name)
	return err == nil && len(sum) == sha256.Size
}

// document is an entry as its file has it. The place tells a directory that was
// copied from another series' from one that was not.
type document struct {
	Place      place               `json:"series"`
	Name       string              `json:"name"` // of the object
	Size       int64               `json:"size"` // of the object, bytes
	ETag       string              `json:"etag"`
	Encryption string              `json:"encryption"`
	Snapshot   snapshot.Reference  `json:"snapshot"`
	PageSize   int                 `json:"page_size"`
	PageCount  int                 `json:"page_count"`
	Check      snapshot.CheckLevel `json:"check"`
	Damaged    bool                `json:"damaged,omitempty"` // found so by a drill
}

// maxEntry bounds an entry's file, in bytes.
const maxEntry = 64 << 10

// encode returns the entry's file: the SHA-256 of the document, in hex and on a line
// of its own, and the document.
func (e Entry) encode(p place) ([]byte, error) {
	text, err := json.Marshal(document{p, e.Object.Name, e.Object.Size, e.Object.ETag, e.Encryption, e.Reference, e.PageSize, e.PageCount, e.Check, e.damaged})
	if err != nil {
		return nil, err
	}
	return append(seal(text), text...), nil
}

func seal(text []byte) []byte {
	sum := sha256.Sum256(text)
	return fmt.Appendf(nil, "%x\n", sum)
}

// decodeEntry is the reverse of encode. It returns an error for whatever encode has
// not made for an entry of that place.
func decodeEntry(content []byte, p place) (Entry, error) {
	var d document
	length := len(seal(nil))
	if len(content) < length || !bytes.Equal(content[:length], seal(content[length:])) {
		return Entry{}, errors.New("it does not match its checksum")
	}
	if err := json.Unmarshal(content[length:], &d); err != nil {
		return Entry{}, err
	}
	if d.Place != p {
		return Entry{}, fmt.Errorf("it is of the database %q in %s at %q", d.Place.Database, d.Place.URL, d.Place.Endpoint)
	}
	e := Entry{bucket.Object{Name: d.Name, Size: d.Size, ETag: d.ETag}, d.Encryption, d.Snapshot, d.PageSize, d.PageCount, d.Check, d.Damaged}
	return e, e.validate()
}

// validate returns why the entry can be of no snapshot.
func (e Entry) validate() error {
	name, ok := series.ParseName(e.Object.Name)
	switch {
	case !ok || name.ID != e.ID:
		return fmt.Errorf("%q is not the name of snapshot %q", e.Object.Name, e.ID)
	case e.Object.Size < 1 || e.Object.ETag == "":
		return fmt.Errorf("%s has a size of %d and the ETag %q", e.Object.Name, e.Object.Size, e.Object.ETag)
	case !sqlite.ValidPageSize(e.PageSize) || e.PageCount < 1 || int64(e.PageCount) > 1<<32:
		return fmt.Errorf("%s has %d pages of %d bytes", e.Object.Name, e.PageCount, e.PageSize)
	case e.Digest == "" || e.Manifest == "":
		return fmt.Errorf("%s has no digest or no hash of its manifest", e.Object.Name)
	}
	return nil
}

// pagesSize returns the bytes of the page digests.
func (e Entry) pagesSize() int64 { return int64(e.PageCount) * snapshot.PageDigestSize }
