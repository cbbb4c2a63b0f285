package series

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// tagOf returns the tags that a backup of the database would set.
func tagOf(t *testing.T, path string) bucket.Tags {
	t.Helper()
	c, err := snapshot.Take(t.Context(), path, snapshot.CopyOptions{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	digest, err := c.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	i, err := IdentityOf(t.Context(), c.Taken, digest)
	if err != nil {
		t.Fatal(err)
	}
	value := i.String()
	if again, ok := parseIdentity(value); !ok || again.String() != value {
		t.Errorf("%q is read as %+v", value, again)
	}
	if encoded, err := EncodeTag(value); err != nil || encoded != value {
		t.Errorf("%q cannot be a tag: %v", value, err)
	}
	return bucket.Tags{TagIdentity: value, TagDigest: digest.String()}
}

// What happens to one database leaves it what it is; another one of the same
// application, or of another, is told apart.
func TestIdentity(t *testing.T) {
	const schema = "CREATE TABLE account (name); CREATE TABLE entry (amount); CREATE VIEW v AS SELECT 1; INSERT INTO account VALUES ('a')"
	for what, test := range map[string]struct {
		change func(t *testing.T, path string) string // returns the other database
		want   Likeness
	}{
		"nothing":        {func(*testing.T, string) string { return "" }, Alike},
		"rows are added": {func(t *testing.T, path string) string { sqlitetest.Fill(t, path, 300); return "" }, Alike},
		"rows change": {func(t *testing.T, path string) string {
			sqlitetest.Exec(t, path, "UPDATE item SET body = 'x' WHERE id < 10; DELETE FROM item WHERE id > 900")
			return ""
		}, Alike},
		"a table is renamed": {func(t *testing.T, path string) string {
			sqlitetest.Exec(t, path, "ALTER TABLE account RENAME TO customer; ALTER TABLE item ADD COLUMN more")
			return ""
		}, Alike},
		"all tables are renamed": {func(t *testing.T, path string) string {
			sqlitetest.Exec(t, path, "ALTER TABLE account RENAME TO a; ALTER TABLE entry RENAME TO b; ALTER TABLE item RENAME TO c")
			return ""
		}, Alike},
		"VACUUM": {func(t *testing.T, path string) string {
			sqlitetest.Exec(t, path, "DELETE FROM item WHERE id % 7 = 0; VACUUM")
			return ""
		}, Rewritten},
		"another page size": {func(t *testing.T, path string) string {
			sqlitetest.Exec(t, path, "PRAGMA page_size=1024; VACUUM")
			return ""
		}, Rewritten},
		"an application_id is set": {func(t *testing.T, path string) string { sqlitetest.Exec(t, path, "PRAGMA application_id=7"); return "" }, Alike},
		"it came up empty": {func(t *testing.T, path string) string {
			empty := filepath.Join(t.TempDir(), "app.db")
			sqlitetest.Exec(t, empty, "VACUUM")
			return empty
		}, Unknown},
		"the application's database on another host": {func(t *testing.T, path string) string { return sqlitetest.Application(t, schema, 1000) }, Rewritten},
		"another application": {func(t *testing.T, path string) string {
			other := sqlitetest.Application(t, "CREATE TABLE song (title); INSERT INTO song VALUES (1)", 1000)
			sqlitetest.Exec(t, other, "ALTER TABLE item RENAME TO track")
			return other
		}, Foreign},
		"a small one of another application": {func(t *testing.T, path string) string {
			other := filepath.Join(t.TempDir(), "app.db")
			sqlitetest.Exec(t, other, "CREATE TABLE song (title)")
			return other
		}, Foreign},
	} {
		t.Run(what, func(t *testing.T) {
			path := sqlitetest.Application(t, schema, 1000)
			before := tagOf(t, path)
			other := test.change(t, path)
			if other == "" {
				other = path
			}
			if got := Compare(before, tagOf(t, other)); got != test.want {
				t.Errorf("likeness %d, want %d", got, test.want)
			}
		})
	}
}

// Two applications that both mark their files are two, whatever their tables.
func TestIdentityByApplicationID(t *testing.T) {
	var tags []bucket.Tags
	for id := range 3 {
		path := sqlitetest.Application(t, fmt.Sprintf("PRAGMA application_id=%d", id), 1000)
		tags = append(tags, tagOf(t, path))
	}
	if Compare(tags[1], tags[2]) != Foreign || Compare(tags[0], tags[1]) != Rewritten {
		t.Errorf("%d, %d", Compare(tags[1], tags[2]), Compare(tags[0], tags[1]))
	}
}

func TestIdentityOfRubbish(t *testing.T) {
	for _, value := range []string{"", ":::", "4096:0:", "x:0::", "4096:g::", "4096:0:abc:", "4096:0::abcde", "4096:0:::"} {
		if i, ok := parseIdentity(value); ok {
			t.Errorf("%q is %+v", value, i)
		}
		if got := Compare(bucket.Tags{TagIdentity: value}, bucket.Tags{TagIdentity: "4096:0:abcd:abcd"}); got != Unknown {
			t.Errorf("%q: %d", value, got)
		}
	}
}
