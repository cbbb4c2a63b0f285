package upload

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
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

// An identity is what tells databases of one name apart, as the tag
// lifeboat-identity has it:
//
//	<page size>:<application_id>:<tables>:<pages>
//
// The application_id is in hexadecimal. Tables are hashes of the names of up to
// 12 tables, pages are taken of the 32 smallest page digests: 4 characters of
// base64url each. Neither is known of an encrypted snapshot, and pages not of a
// compact copy.
type identity struct {
	pageSize    int
	application uint32
	tables      []string
	pages       []string
}

// identityOf returns the identity of a copy.
func identityOf(ctx context.Context, c *snapshot.Copy, d *snapshot.Digest) (identity, error) {
	i := identity{pageSize: c.Header.PageSize, application: uint32(c.Header.ApplicationID)}
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
	pages, err := d.Smallest(ctx, pagesKept, c.Header.PageCount)
	for _, digest := range pages {
		i.pages = append(i.pages, token(digest[8:])) // the first bytes of the smallest are much alike
	}
	return i, err
}

func token(hash []byte) string { return base64.RawURLEncoding.EncodeToString(hash[:3]) }

// String returns the tag's value.
func (i identity) String() string {
	return fmt.Sprintf("%d:%x:%s:%s", i.pageSize, i.application, strings.Join(i.tables, ""), strings.Join(i.pages, ""))
}

// parseIdentity reports false for what String does not return, and for "".
func parseIdentity(value string) (i identity, ok bool) {
	parts := strings.Split(value, ":")
	if len(parts) != 4 || len(parts[2])%tokenSize != 0 || len(parts[3])%tokenSize != 0 {
		return i, false
	}
	pageSize, err := strconv.Atoi(parts[0])
	application, err2 := strconv.ParseUint(parts[1], 16, 32)
	if err != nil || err2 != nil {
		return i, false
	}
	return identity{pageSize, uint32(application), tokens(parts[2]), tokens(parts[3])}, true
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

// A Likeness says what two snapshots have in common, as far as their tags tell.
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

func (i identity) compare(other identity) Likeness {
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

// checkIdentity refuses a database that is another than the newest snapshot's
// although it has its name, and warns where it may be.
func (o *BackupOptions) checkIdentity(b bucket.Bucket, newest Snapshot, tags, own bucket.Tags) error {
	if o.Adopt || newest.ID == "" {
		return nil
	}
	switch Compare(tags, own) {
	case Foreign:
		return fmt.Errorf("%w: it has the name of the one in the newest snapshot in %s, %s, but no table and no page in common with it, or another application_id",
			ErrOtherDatabase, b.URL(), newest.ID)
	case Rewritten:
		o.Log.Warn("this database has hardly a page in common with the newest snapshot: another one of the same name must have a prefix of its own; after VACUUM or a restore all is well",
			"snapshot", newest.ID, "url", b.URL().String())
	}
	return nil
}

// checkAlone looks for snapshots of another database that came into the series
// since the first listing, where that had nothing to compare with: the first
// backups of two databases into one prefix do not know of each other before.
func (o *BackupOptions) checkAlone(ctx context.Context, b bucket.Bucket, newest Snapshot, tags, own bucket.Tags, id snapshot.ID) error {
	if tags[TagDatabase] != "" && !o.Adopt {
		return nil
	}
	all, err := Snapshots(ctx, b, newest.ID.Time())
	if err != nil {
		return fmt.Errorf("%w: look for snapshots of other databases: %w", ErrIncomplete, err)
	}
	for _, s := range all {
		if s.ID <= newest.ID || s.ID == id {
			continue
		}
		tags, err := b.Tags(ctx, s.Object)
		if errors.Is(err, bucket.ErrNotFound) || errors.Is(err, bucket.ErrTagsDamaged) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: look at snapshot %s, which came meanwhile: %w", ErrIncomplete, s.ID, err)
		}
		if name := tags[TagDatabase]; name != "" && name != own[TagDatabase] || Compare(tags, own) > Alike {
			return fmt.Errorf("%w: %w: snapshot %s of %q came into %s meanwhile", ErrIncomplete, ErrOtherDatabase, s.ID, decodeName(name), b.URL())
		}
	}
	return nil
}

// decodeName returns the database's name in a tag, as it is if it is none of
// ours.
func decodeName(tag string) string {
	if name, err := DecodeTag(tag); err == nil {
		return name
	}
	return tag
}
