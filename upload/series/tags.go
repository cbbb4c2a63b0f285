package series

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The tags of a snapshot. They are part of the bucket layout.
const (
	TagRetention = "lifeboat-retention" // Held(class), Pinned, or a class
	TagDigest    = "lifeboat-digest"    // the digest of the database's content
	TagDatabase  = "lifeboat-database"  // the database's name, see EncodeTag
	TagIdentity  = "lifeboat-identity"  // distinguishes databases of one name: page size, application_id, some tables and pages
	TagOrigin    = "lifeboat-origin"    // of a copy: distinguishes the series of its place, whatever their databases are
	TagCheck     = "lifeboat-check"     // the check that the snapshot's copy has passed
	TagConfirmed = "lifeboat-confirmed" // RFC 3339 time of the last unchanged run
	TagVerified  = "lifeboat-verified"  // RFC 3339 time of the last drill that succeeded and was recorded
	TagRetired   = "lifeboat-retired"   // RFC 3339 time: the database is gone, so nothing will supersede the newest
)

// Pinned is the value of TagRetention of a snapshot that is kept until it is unpinned.
// No lifecycle rule may match it, nor what Held returns.
const Pinned = "pinned"

const held = "held-"

// Held returns the value of TagRetention of a snapshot of that class that has not
// been released: what every upload has.
func Held(c Class) string { return held + string(c) }

// IsHeld reports whether a value of TagRetention is one that Held returns.
func IsHeld(tag string) bool {
	class, found := strings.CutPrefix(tag, held)
	_, err := ParseClass(class)
	return found && err == nil
}

// maxTag is the most characters that S3 takes in a tag's value.
const maxTag = 256

// EncodeTag returns s as a tag value. S3 takes only letters, digits, space and
// + - = . _ : / @ there, at most 256 of them. ASCII letters and digits and
// + - . _ : / @ stand for themselves; every other byte of s, the equals sign
// and spaces too, is written as = and two upper-case hex digits. It is an
// error if the result is too long.
func EncodeTag(s string) (string, error) {
	var b strings.Builder
	for _, c := range []byte(s) {
		if plainInTag(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	if b.Len() > maxTag {
		return "", fmt.Errorf("%q is too long for an object tag: %d characters of at most %d", s, b.Len(), maxTag)
	}
	return b.String(), nil
}

// DecodeTag returns what EncodeTag encoded, or an error for anything else.
func DecodeTag(value string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		c := value[i]
		if plainInTag(c) {
			b.WriteByte(c)
			continue
		}
		decoded, err := decodeByte(value[i:])
		if err != nil {
			return "", fmt.Errorf("tag value %q, byte %d: %w", value, i, err)
		}
		b.WriteByte(decoded)
		i += 2
	}
	return b.String(), nil
}

// IsTag reports whether a value is one that EncodeTag returns, as all are that Lifeboat
// writes: any store takes it.
func IsTag(value string) bool {
	decoded, err := DecodeTag(value)
	if err == nil {
		_, err = EncodeTag(decoded)
	}
	return err == nil
}

// decodeByte decodes the escape at the beginning of s.
func decodeByte(s string) (byte, error) {
	if s[0] != '=' {
		return 0, fmt.Errorf("%q should be escaped", s[0])
	}
	if len(s) < 3 || s[1:3] != strings.ToUpper(s[1:3]) {
		return 0, errors.New("= must be followed by two upper-case hex digits")
	}
	n, err := strconv.ParseUint(s[1:3], 16, 8)
	if err != nil || plainInTag(byte(n)) {
		return 0, errors.New("not an escape that is ever written")
	}
	return byte(n), nil
}

func plainInTag(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("+-._:/@", c) >= 0
}
