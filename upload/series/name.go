package series

import (
	"fmt"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// What the names of snapshots' objects end with: <ID>.<class>.db.zst for a full
// one, <ID>.<class>.on-<base ID>.wal.zst for a differential, .age behind either if
// it is encrypted.
const (
	suffixFull         = ".db.zst"
	suffixDifferential = ".wal.zst"
	suffixAge          = ".age"
	on                 = "on-"
)

// A Name is what the name of a snapshot's object says: part of the bucket layout.
type Name struct {
	ID    snapshot.ID
	Class Class
	// Base is the snapshot that a differential stands on, "" for a full one.
	Base snapshot.ID
	// Encrypted: the object is the archive as age encrypts it, see Decrypt.
	Encrypted bool
}

// Full reports whether the snapshot needs no other.
func (n Name) Full() bool { return n.Base == "" }

// String returns the name of the object under the prefix.
func (n Name) String() string {
	name := string(n.ID) + "." + string(n.Class)
	if n.Full() {
		name += suffixFull
	} else {
		name += "." + on + string(n.Base) + suffixDifferential
	}
	if n.Encrypted {
		name += suffixAge
	}
	return name
}

// ParseName reports false for what String does not return.
func ParseName(s string) (n Name, ok bool) {
	s, n.Encrypted = strings.CutSuffix(s, suffixAge)
	id, rest, _ := strings.Cut(s, ".")
	class, kind, _ := strings.Cut(rest, ".")
	var err, classErr, baseErr error
	n.ID, err = snapshot.ParseID(id)
	n.Class, classErr = ParseClass(class)
	if "."+kind != suffixFull {
		base, found := strings.CutPrefix(kind, on)
		base, ended := strings.CutSuffix(base, suffixDifferential)
		if !found || !ended {
			return Name{}, false
		}
		n.Base, baseErr = snapshot.ParseID(base)
	}
	if err != nil || classErr != nil || baseErr != nil {
		return Name{}, false
	}
	return n, true
}

// Describes returns an error, which wraps snapshot.ErrDamaged, for the manifest of an
// archive of another kind, or on another base, than the name says.
func (n Name) Describes(m snapshot.Manifest) error {
	if m.Base.ID == n.Base { // "" of a full one
		return nil
	}
	kind := func(base snapshot.ID) string {
		if base == "" {
			return "a full snapshot"
		}
		return "a differential on " + string(base)
	}
	return fmt.Errorf("%w: its name says that it is %s, its manifest %s", snapshot.ErrDamaged, kind(n.Base), kind(m.Base.ID))
}

// mayStandOn returns why a snapshot of that name may not stand on the other one, or
// nil. That its base has a longer class and is of the same period is what lets it
// outlive what stands on it, whenever either is released.
func (n Name) mayStandOn(base Name) error {
	switch {
	case n.Class.Longer(Daily):
		return fmt.Errorf("a %s snapshot is a full one", n.Class)
	case base.ID >= n.ID:
		return fmt.Errorf("its base, %s, is not older", base.ID)
	case !base.Class.Longer(n.Class):
		return fmt.Errorf("its base, %s, has no longer class", base.ID)
	case !base.Class.samePeriod(base.ID.Time(), n.ID.Time()):
		return fmt.Errorf("its base, %s, is of another period", base.ID)
	}
	return nil
}
