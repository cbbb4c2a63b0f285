package sqlite

import (
	"encoding/binary"
	"errors"
)

// HeaderSize is what ParseHeader needs, in bytes.
const HeaderSize = 100

// A Header is the part of a SQLite database's first 100 bytes that Lifeboat
// needs. Source: https://www.sqlite.org/fileformat2.html#the_database_header
type Header struct {
	PageSize      int   // bytes, a power of two from 512 to 65536
	PageCount     int   // of the database, if no -wal file changes it
	WAL           bool  // the journal mode is WAL
	UserVersion   int32 // PRAGMA user_version
	ApplicationID int32 // PRAGMA application_id
}

// ParseHeader parses the first 100 bytes of a database file. Its error means that
// they are not those of a SQLite database.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize || string(b[:16]) != "SQLite format 3\x00" {
		return Header{}, errors.New("no SQLite header")
	}
	h := Header{
		PageSize:      int(binary.BigEndian.Uint16(b[16:])),
		PageCount:     int(binary.BigEndian.Uint32(b[28:])),
		WAL:           b[18] == 2 && b[19] == 2,
		UserVersion:   int32(binary.BigEndian.Uint32(b[60:])),
		ApplicationID: int32(binary.BigEndian.Uint32(b[68:])),
	}
	if h.PageSize == 1 {
		h.PageSize = 65536
	}
	if !ValidPageSize(h.PageSize) {
		return Header{}, errors.New("SQLite header has no valid page size")
	}
	return h, nil
}

// Size returns the database's size in bytes.
func (h Header) Size() int64 { return int64(h.PageSize) * int64(h.PageCount) }

// JournalMode returns the journal mode as the header has it: "wal" or "delete".
func (h Header) JournalMode() string {
	if h.WAL {
		return "wal"
	}
	return "delete"
}

// ValidPageSize reports whether a database can have pages of n bytes.
func ValidPageSize(n int) bool { return n >= 512 && n <= 65536 && n&(n-1) == 0 }
