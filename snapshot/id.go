package snapshot

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"
)

const (
	idTime   = "20060102T150405Z"
	idRandom = 3 // random bytes behind the time
	idLength = len(idTime) + 1 + 2*idRandom
)

// An ID names one snapshot: the UTC second at which its read transaction
// began and six random hex digits, such as 20261123T201500Z-3f9c2a. Sorting
// IDs as strings sorts them by time.
type ID string

// NewID returns a fresh ID for a snapshot taken at t. Fractions of a second
// are dropped.
func NewID(t time.Time) ID {
	var random [idRandom]byte
	rand.Read(random[:]) // never fails, see crypto/rand
	return ID(t.UTC().Format(idTime) + "-" + hex.EncodeToString(random[:]))
}

// ParseID returns s as an ID, or an error if s is not exactly one.
func ParseID(s string) (ID, error) {
	if len(s) != idLength || s[len(idTime)] != '-' {
		return "", fmt.Errorf("%q is not a snapshot ID such as 20261123T201500Z-3f9c2a", s)
	}
	if _, err := time.Parse(idTime, s[:len(idTime)]); err != nil {
		return "", fmt.Errorf("%q is not a snapshot ID: its time is not valid", s)
	}
	for _, c := range []byte(s[len(idTime)+1:]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", fmt.Errorf("%q is not a snapshot ID: it must end in six lower-case hex digits", s)
		}
	}
	return ID(s), nil
}

// Time returns the UTC second in the ID, or the zero time if id is not valid.
func (id ID) Time() time.Time {
	if len(id) < len(idTime) {
		return time.Time{}
	}
	t, err := time.Parse(idTime, string(id[:len(idTime)]))
	if err != nil {
		return time.Time{}
	}
	return t
}
