package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A bucketURL is a bucket URL as an argument.
type bucketURL struct{ bucket.URL }

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *bucketURL) UnmarshalText(text []byte) error {
	if above, id := objectURL(string(text)); id != "" {
		return fmt.Errorf("%q names one snapshot, and this command is about all: %s", text, above)
	}
	return u.parse(string(text))
}

func (u *bucketURL) parse(text string) (err error) {
	if u.URL, err = bucket.ParseURL(text); err != nil {
		return &urlError{text, err}
	}
	return nil
}

// A snapshotURL is a bucket URL, or that of a snapshot's object.
type snapshotURL struct {
	bucketURL
	Named choice // "" unless it is an object's
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *snapshotURL) UnmarshalText(text []byte) error {
	above, named := objectURL(string(text))
	u.Named = named
	return u.parse(above)
}

// objectURL returns the bucket URL of an object's, and the snapshot that it names: ""
// if text is another URL, which is returned as it is.
func objectURL(text string) (above string, named choice) {
	at := strings.LastIndexByte(text, '/')
	if id := idOf(text[at+1:]); at > 0 && id != "" {
		return text[:at], choice(id)
	}
	return text, ""
}

// A treeURL is a bucket URL, or that of all of a bucket.
type treeURL struct{ bucketURL }

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *treeURL) UnmarshalText(text []byte) (err error) {
	if u.URL, err = bucket.ParseTree(string(text)); err != nil {
		return &urlError{string(text), err}
	}
	return nil
}

// of returns where the copies of a series are below this place: at the series' own prefix
// or directory.
func (u treeURL) of(series bucket.URL) (treeURL, error) {
	below := strings.Trim(series.Prefix+series.Dir, "/")
	place := u.URL
	if place.Dir != "" {
		place.Dir = filepath.Join(place.Dir, filepath.FromSlash(below))
	} else {
		place.Prefix = strings.Trim(place.Prefix+"/"+below, "/")
	}
	checked, err := bucket.ParseURL(place.String())
	if err != nil {
		return treeURL{}, err
	}
	return treeURL{bucketURL{checked}}, nil
}

// isSeries returns an error for a place that holds no series of its own: all of a bucket.
func (u treeURL) isSeries() error {
	_, err := bucket.ParseURL(u.String())
	return err
}
