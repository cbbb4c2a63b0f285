package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// Format is the newest archive format that this package reads. It writes a full
// snapshot in format 1 and a differential in format 2, so that an archive is
// refused by those readers alone that cannot know its kind.
const Format = 2

// A Kind is what an archive holds of a database.
type Kind string

// The kinds.
const (
	// KindFull: all of it.
	KindFull Kind = "full"
	// KindDifferential: the pages that differ from the base.
	KindDifferential Kind = "differential"
)

var formats = map[Kind]int{KindFull: 1, KindDifferential: 2}

const maxManifest = 16 << 10 // bytes of JSON

// A Manifest describes the content of an archive. Readers ignore unknown fields and
// refuse a newer Format.
type Manifest struct {
	Format        int       `json:"format"` // see Format
	ID            ID        `json:"id"`
	Kind          Kind      `json:"kind"`
	Database      string    `json:"database"` // the database's name
	Created       time.Time `json:"created"`  // when the read transaction began
	Tool          string    `json:"tool"`     // name and version of the writer
	SQLite        string    `json:"sqlite"`   // version of the writer's SQLite
	Method        Method    `json:"method"`
	Check         string    `json:"check"`     // the check that the copy has passed
	Size          int64     `json:"size"`      // of the database, bytes
	PageSize      int       `json:"page_size"` // bytes
	PageCount     int       `json:"page_count"`
	JournalMode   string    `json:"journal_mode"` // of the source: "wal" or "delete"
	UserVersion   int32     `json:"user_version"`
	ApplicationID int32     `json:"application_id"`
	Digest        string    `json:"digest"` // of the content: "lb1:" and 64 hex digits
	Level         Level     `json:"level"`
	Base          Reference `json:"base,omitzero"`  // of a differential
	Pages         int       `json:"pages,omitzero"` // of a differential: how many it holds
	FrameTable    string    `json:"frame_table"`    // SHA-256 of the frame table's frame, hex

	hash string
}

// A Reference names the base of a differential, and what it must be.
type Reference struct {
	ID       ID     `json:"id"`
	Digest   string `json:"digest"`   // of its content
	Manifest string `json:"manifest"` // see Manifest.Hash
}

// Hash returns the SHA-256 of the manifest as its archive has it, in hex. It is
// empty for a manifest that was neither written nor read.
func (m Manifest) Hash() string { return m.hash }

// encode returns the payload of the manifest's frame behind its tag.
func (m *Manifest) encode() ([]byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if len(text) > maxManifest {
		return nil, fmt.Errorf("manifest of %s has %d bytes, more than %d", m.ID, len(text), maxManifest)
	}
	own := sha256.Sum256(text)
	m.hash = hex.EncodeToString(own[:])
	return append(own[:], text...), nil
}

// decodeManifest is the reverse of encode, and checks what can be checked
// without the rest of the archive.
func decodeManifest(payload []byte) (Manifest, error) {
	var m Manifest
	if len(payload) < sha256.Size || len(payload) > sha256.Size+maxManifest {
		return m, damaged("manifest has %d bytes", len(payload))
	}
	text := payload[sha256.Size:]
	m.hash = hex.EncodeToString(payload[:sha256.Size])
	if own := sha256.Sum256(text); !bytes.Equal(own[:], payload[:sha256.Size]) {
		return m, damaged("manifest does not match its checksum")
	}
	var version struct{ Format int }
	if err := json.Unmarshal(text, &version); err != nil {
		return m, damaged("manifest: %v", err)
	}
	if version.Format > Format {
		return m, fmt.Errorf("%w: format %d, this version of Lifeboat reads up to format %d", ErrNewerFormat, version.Format, Format)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, damaged("manifest: %v", err)
	}
	return m, m.validate()
}

func (m *Manifest) validate() error {
	format, known := formats[m.Kind]
	if !known {
		return damaged("manifest has an unknown kind %q", m.Kind)
	}
	if m.Format != format {
		return damaged("manifest of a %s snapshot has format %d", m.Kind, m.Format)
	}
	if _, err := ParseID(string(m.ID)); err != nil {
		return damaged("manifest: %v", err)
	}
	if !sqlite.ValidPageSize(m.PageSize) || m.PageCount < 1 || int64(m.PageCount) > 1<<32 ||
		m.Size != int64(m.PageSize)*int64(m.PageCount) {
		return damaged("manifest has %d pages of %d bytes, and a size of %d", m.PageCount, m.PageSize, m.Size)
	}
	if !isDigest(m.Digest) {
		return damaged("manifest has no valid digest")
	}
	if err := m.validateBase(); err != nil {
		return err
	}
	if !isSum(m.FrameTable) {
		return damaged("manifest has no valid checksum of the frame table")
	}
	return nil
}

func (m *Manifest) validateBase() error {
	if m.Kind == KindFull {
		if m.Base != (Reference{}) || m.Pages != 0 {
			return damaged("manifest of a full snapshot names a base")
		}
		return nil
	}
	if _, err := ParseID(string(m.Base.ID)); err != nil || m.Base.ID >= m.ID || !isDigest(m.Base.Digest) || !isSum(m.Base.Manifest) {
		return damaged("manifest has no valid base")
	}
	if m.Pages < 1 || m.Pages > m.PageCount {
		return damaged("manifest lists %d of %d pages", m.Pages, m.PageCount)
	}
	return nil
}

func isDigest(s string) bool {
	digest, found := strings.CutPrefix(s, digestPrefix)
	return found && isSum(digest)
}

func isSum(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size
}
