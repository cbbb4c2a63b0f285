package upload

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A sidecar is a small JSON object of strings: an object's tags, where a bucket
// has no tags of its own. It is named after the object, by the snapshot ID alone
// where the object's name begins with one.
const sidecarSuffix = ".tags"

// maxSidecar bounds what is read of a sidecar, in bytes: ten tags of full
// length fit several times.
const maxSidecar = 64 << 10

// sidecarOf returns the name of an object's sidecar.
func sidecarOf(name string) string { return stem(name) + sidecarSuffix }

// isSidecar reports whether a name is a sidecar's.
func isSidecar(name string) bool { return strings.HasSuffix(name, sidecarSuffix) }

// stem returns what a name has in common with its sidecar's.
func stem(name string) string {
	if id, _, _ := strings.Cut(name, "."); isID(id) {
		return id
	}
	return name
}

func isID(s string) bool {
	_, err := snapshot.ParseID(s)
	return err == nil
}

// isSnapshotName reports whether a name begins with a snapshot ID.
func isSnapshotName(name string) bool { return isID(stem(name)) }

// isOrphan reports whether a name is that of the sidecar of a snapshot that is
// not there. stems are those of all objects that are.
func isOrphan(name string, stems map[string]bool) bool {
	return isSidecar(name) && name == sidecarOf(name) && isSnapshotName(name) && !stems[stem(name)]
}

// sidecarContent returns tags as a sidecar holds them.
func sidecarContent(tags bucket.Tags) ([]byte, error) {
	if tags == nil {
		tags = bucket.Tags{}
	}
	return json.Marshal(tags)
}

// parseSidecar returns the tags in a sidecar. Whatever is not one JSON object of
// strings, such as what a power cut leaves, is ErrTagsDamaged. where names the
// sidecar.
func parseSidecar(data []byte, where string) (bucket.Tags, error) {
	damaged := func(why string) (bucket.Tags, error) {
		return nil, fmt.Errorf("%w: %s: %s", bucket.ErrTagsDamaged, where, why)
	}
	if len(data) > maxSidecar {
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
