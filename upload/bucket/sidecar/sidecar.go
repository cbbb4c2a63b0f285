// Package sidecar is about the files in which a bucket without tags of its own
// keeps an object's tags, beside the object: a small JSON object of strings.
package sidecar

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Suffix ends a sidecar's name. It begins with the object's name, or with the
// snapshot ID alone where the object's name begins with one.
const Suffix = ".tags"

// MaxSize bounds what is read of a sidecar, in bytes: ten tags of full
// length fit several times.
const MaxSize = 64 << 10

// Of returns the name of an object's sidecar.
func Of(name string) string { return Stem(name) + Suffix }

// Is reports whether a name is a sidecar's.
func Is(name string) bool { return strings.HasSuffix(name, Suffix) }

// Stem returns what a name has in common with its sidecar's.
func Stem(name string) string {
	if id, _, _ := strings.Cut(name, "."); isID(id) {
		return id
	}
	return name
}

func isID(s string) bool {
	_, err := snapshot.ParseID(s)
	return err == nil
}

// IsSnapshot reports whether a name begins with a snapshot ID.
func IsSnapshot(name string) bool { return isID(Stem(name)) }

// IsOrphan reports whether a name is that of the sidecar of a snapshot that is
// not there. stems are those of all objects that are.
func IsOrphan(name string, stems map[string]bool) bool {
	return Is(name) && name == Of(name) && IsSnapshot(name) && !stems[Stem(name)]
}

// Format returns tags as a sidecar holds them.
func Format(tags bucket.Tags) ([]byte, error) {
	if tags == nil {
		tags = bucket.Tags{}
	}
	return json.Marshal(tags)
}

// Parse returns the tags in a sidecar. Whatever is not one JSON object of
// strings, such as what a power cut leaves, is ErrTagsDamaged. where names the
// sidecar.
func Parse(data []byte, where string) (bucket.Tags, error) {
	damaged := func(why string) (bucket.Tags, error) {
		return nil, fmt.Errorf("%w: %s: %s", bucket.ErrTagsDamaged, where, why)
	}
	if len(data) > MaxSize {
		return damaged("it is too long")
	}
	var values map[string]*string
	if err := json.Unmarshal(data, &values); err != nil {
		return damaged(err.Error())
	}
	if values == nil {
		return damaged("it is null")
	}
	tags := bucket.Tags{}
	for key, value := range values {
		if value == nil {
			return damaged(fmt.Sprintf("%q is null", key))
		}
		tags[key] = *value
	}
	return tags, nil
}
