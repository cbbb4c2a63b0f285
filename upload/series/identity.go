package series

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

const (
	// tablesKept and pagesKept are how many tables and pages an identity names:
	// those with the smallest hashes. Together they fit into a tag.
	tablesKept = 12
	pagesKept  = 32
	// enoughPages is how many pages must be named to judge by them that two
	// databases have nothing in common: in a small one every page changes.
	enoughPages = 16

	// alikeFrom: from one in ten on, what they have in common is no chance. Empty
	// pages, those of a table that is filled at the start, and inner pages of
	// equally long rows are the same in many databases of one application.
	alikeFrom = 10

	tokenSize = 4 // characters: 24 bits of a hash
)

// An Identity distinguishes databases of one name, as the tag lifeboat-identity has
// it:
//
//	<page size>:<application_id>:<tables>:<pages>
//
// The application_id is in hexadecimal. Tables are hashes of the names of up to
// 12 tables, pages are taken of the 32 smallest page digests: 4 characters of
// base64url each. Neither is known of an encrypted snapshot, and pages not of a
// compact copy.
type Identity struct {
	pageSize    int
	application uint32
	tables      []string
	pages       []string
}

// IdentityOf returns the identity of a database that was read.
func IdentityOf(ctx context.Context, c snapshot.Taken, d *snapshot.Digest) (Identity, error) {
	i := Identity{pageSize: c.Header.PageSize, application: uint32(c.Header.ApplicationID)}
	for _, name := range c.Tables {
		hash := sha256.Sum256([]byte(name))
		i.tables = append(i.tables, token(hash[:]))
	}
	slices.Sort(i.tables)
	i.tables = slices.Compact(i.tables)
	i.tables = i.tables[:min(tablesKept, len(i.tables))]
	if c.Method == snapshot.MethodVacuum {
		return i, nil // one longer row moves all behind it to other pages
	}
	pages, err := smallest(ctx, d.Pages(), c.Header.PageCount)
	for _, digest := range pages {
		i.pages = append(i.pages, token(digest[8:])) // the first bytes of the smallest are much alike
	}
	return i, err
}

func token(hash []byte) string { return base64.RawURLEncoding.EncodeToString(hash[:3]) }

// String returns the tag's value.
func (i Identity) String() string {
	return fmt.Sprintf("%d:%x:%s:%s", i.pageSize, i.application, strings.Join(i.tables, ""), strings.Join(i.pages, ""))
}

// parseIdentity reports false for what String does not return, and for "".
func parseIdentity(value string) (i Identity, ok bool) {
	parts := strings.Split(value, ":")
	if len(parts) != 4 || len(parts[2])%tokenSize != 0 || len(parts[3])%tokenSize != 0 {
		return i, false
	}
	pageSize, err := strconv.Atoi(parts[0])
	application, err2 := strconv.ParseUint(parts[1], 16, 32)
	if err != nil || err2 != nil {
		return i, false
	}
	return Identity{pageSize, uint32(application), tokens(parts[2]), tokens(parts[3])}, true
}

func tokens(s string) (all []string) {
	for ; len(s) >= tokenSize; s = s[tokenSize:] {
		all = append(all, s[:tokenSize])
	}
	return all
}

// shared counts what two lists have in common.
func shared(a, b []string) (n int) {
	for _, token := range a {
		if slices.Contains(b, token) {
			n++
		}
	}
	return n
}

// A Likeness is what two snapshots have in common, as far as their tags show it.
type Likeness int

const (
	// Unknown: the tags do not tell.
	Unknown Likeness = iota
	// Alike: they have the same content, or some of the same pages.
	Alike
	// Rewritten: they have the tables of one application, but hardly a page in
	// common: two databases, or one that was rewritten as a whole, as VACUUM
	// with another page size does.
	Rewritten
	// Foreign: they have neither a page nor a table in common, or are marked as
	// those of two applications.
	Foreign
)

// Compare returns what the tags of two snapshots tell of their content.
func Compare(a, b bucket.Tags) Likeness {
	if a[TagDigest] != "" && a[TagDigest] == b[TagDigest] {
		return Alike
	}
	one, ok := parseIdentity(a[TagIdentity])
	other, ok2 := parseIdentity(b[TagIdentity])
	if !ok || !ok2 {
		return Unknown
	}
	return one.compare(other)
}

func (i Identity) compare(other Identity) Likeness {
	fewer := min(len(i.pages), len(other.pages))
	common := shared(i.pages, other.pages)
	tables := len(i.tables) > 0 && len(other.tables) > 0
	switch {
	case i.pageSize == other.pageSize && common*alikeFrom > fewer:
		return Alike
	case i.application != 0 && other.application != 0 && i.application != other.application,
		tables && shared(i.tables, other.tables) == 0:
		return Foreign
	case i.pageSize != other.pageSize, fewer >= enoughPages:
		return Rewritten
	}
	return Unknown
}

// DatabaseName returns the database's name in a snapshot's tags, "" if there is
// none. A tag that EncodeTag has not written is returned as it is.
func DatabaseName(tags bucket.Tags) string {
	if name, err := DecodeTag(tags[TagDatabase]); err == nil {
		return name
	}
	return tags[TagDatabase]
}
