package untrusted

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/mattn/go-sqlite3"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

// Select prepares a query of the user's, which must be one SELECT; the caller closes
// it. It is prepared as a part of another one first: whatever is not one SELECT is a
// syntax error there, before it can take effect, as some pragmas do when they are
// prepared. What closes its parenthesis early is a syntax error by itself.
func Select(ctx context.Context, c *sqlite.Conn, query string) (*sqlite3.SQLiteStmt, error) {
	inside := strings.TrimRight(query, "; \t\r\n")
	within, notWithin := prepare(ctx, c, "SELECT EXISTS (\n"+inside+"\n)")
	if notWithin == nil {
		notWithin = within.Close()
	} else if isSyntax(notWithin) {
		notWithin = fmt.Errorf("%w (it must be one SELECT)", notWithin)
	}
	if notWithin != nil && !reads.MatchString(inside) {
		return nil, notWithin
	}
	alone, err := prepare(ctx, c, inside)
	if err != nil {
		return nil, err // it is about the text as the user knows it
	}
	if notWithin == nil && !alone.Readonly() {
		notWithin = errors.New("it would write")
	}
	if notWithin != nil {
		return nil, errors.Join(notWithin, alone.Close())
	}
	return alone, nil
}

// reads matches what takes no effect when it is prepared.
var reads = regexp.MustCompile(`(?i)^\s*(SELECT|VALUES|WITH)\b`)

// prepare prepares the first statement of a text.
func prepare(ctx context.Context, c *sqlite.Conn, text string) (*sqlite3.SQLiteStmt, error) {
	statement, err := c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return statement.(*sqlite3.SQLiteStmt), nil
}

func isSyntax(err error) bool {
	return sqlite.Code(err) == sqlite3.ErrError && strings.Contains(err.Error(), "syntax error")
}
