package snapshot

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// A CheckLevel says how thoroughly a copy is checked.
type CheckLevel string

// The levels, by what SQLite looks at. Source:
// https://www.sqlite.org/pragma.html#pragma_integrity_check
const (
	CheckNone  CheckLevel = "none"
	CheckQuick CheckLevel = "quick" // PRAGMA quick_check
	CheckFull  CheckLevel = "full"  // PRAGMA integrity_check
)

// Check lets SQLite check the copy. A copy that is not sound is an error that
// wraps ErrSource and has SQLite's first findings.
func (c *Copy) Check(ctx context.Context, level CheckLevel) error {
	if c.adopted != nil {
		return c.adopted.Check(ctx, level)
	}
	return CheckFile(ctx, c.path, c.source, level)
}

// CheckFile lets SQLite check the database file at path, which nobody may
// write meanwhile and which has no sidecars. name stands for it in messages.
// One that is not sound, or not a database at all, is an error that wraps
// ErrSource and has SQLite's first findings; one that cannot be checked here
// wraps ErrUncheckable too.
func CheckFile(ctx context.Context, path, name string, level CheckLevel) (err error) {
	var pragma string
	cache := copyCache
	switch level {
	case CheckNone:
		return nil
	case CheckQuick:
		pragma = "PRAGMA quick_check(5)"
	case CheckFull:
		pragma, cache = "PRAGMA integrity_check(5)", fullCheckCache
	default:
		return fmt.Errorf("check %s: unknown check %q", name, level)
	}
	// immutable: no sidecars appear beside the copy, and no locks are taken.
	db, err := openConn(path, "ro", 0, url.Values{"immutable": {"1"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var rows []driver.Value
	if _, err = db.query(ctx, "PRAGMA page_count"); err == nil {
		err = db.boundCache(ctx, cache)
	}
	if err == nil {
		rows, err = db.query(ctx, pragma)
	}
	if err != nil {
		if unknownToUs(err) {
			return &reasonError{fmt.Sprintf("%s cannot be checked: it needs a function or collation of its application, which is not known here (%v); without a check it can be backed up", name, err), ErrSource, errors.Join(ErrUncheckable, err)}
		}
		if errors.Is(err, ErrSource) {
			return &reasonError{fmt.Sprintf("%s failed its check: %v", name, err), ErrSource, err}
		}
		return err
	}
	if len(rows) == 1 && rows[0] == "ok" {
		return nil
	}
	var findings []string
	for _, row := range rows {
		findings = append(findings, fmt.Sprint(row))
	}
	return &reasonError{fmt.Sprintf("%s failed its check: %s", name, strings.Join(findings, "; ")), ErrSource, nil}
}

// unknownToUs tells that the schema uses what only the application registers.
func unknownToUs(err error) bool {
	text := err.Error()
	return strings.Contains(text, "no such collation sequence") || strings.Contains(text, "unknown function") || strings.Contains(text, "no such function")
}
