package restore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// unchecked makes a database of the SQL and a snapshot of it, whatever SQLite
// thinks of it.
func unchecked(t testing.TB, b bucket.Bucket, sql string, spoil func(path string)) series.Snapshot {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	run(t, path, sql)
	if spoil != nil {
		spoil(path)
	}
	r, err := upload.Backup(t.Context(), b, path, upload.BackupOptions{
		Check: snapshot.CheckNone, Always: true, Copy: snapshot.CopyOptions{TempDir: t.TempDir()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.Snapshot
}

// verify makes a drill, and fails if anything is left in the temp directory.
func verify(t testing.TB, b bucket.Bucket, s series.Snapshot, o VerifyOptions) (VerifyReport, error) {
	t.Helper()
	o.TempDir = t.TempDir()
	r, err := Verify(t.Context(), b, s, o)
	noFiles(t, o.TempDir)
	return r, err
}

func noFiles(t testing.TB, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// From both stores, plain and encrypted: a drill reads all and checks all.
func TestVerify(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	me := identity(t)
	for name, url := range map[string]string{"file": "file://" + t.TempDir(), "S3": "s3://" + server.Bucket(t) + "/app"} {
		t.Run(name, func(t *testing.T) {
			b := openBucket(t, url)
			db := filepath.Join(t.TempDir(), "app.db")
			run(t, db, "PRAGMA journal_mode=WAL;"+fillSQL(genNew))
			for _, s := range []series.Snapshot{backUpTo(t, b, db).Snapshot, backUpTo(t, b, db, me.Recipient()).Snapshot} {
				var done int64
				count := fmt.Sprintf("SELECT count(*) = %d FROM account;", rows)
				o := VerifyOptions{Identities: []age.Identity{me}, Check: snapshot.CheckFull, Queries: []string{count}, Progress: func(d, _ int64) { done = d }}
				r, err := verify(t, b, s, o)
				if err != nil || !r.Frames || r.Passed != snapshot.CheckFull || r.ForeignKeys == nil || r.ForeignKeys.Violations != 0 ||
					len(r.Queries) != 1 || !r.Queries[0].True || r.Manifest.ID != s.ID || done != r.Manifest.Size {
					t.Errorf("%+v, %v, progress %d", r, err, done)
				}
				r, err = verify(t, b, s, VerifyOptions{Identities: o.Identities, Fast: true})
				if err != nil || !r.Frames || r.Passed != "" {
					t.Errorf("%+v, %v", r, err)
				}
				if _, err := verify(t, b, s, VerifyOptions{}); s.Encrypted != errors.Is(err, series.ErrNoIdentity) {
					t.Errorf("without an identity: %v", err)
				}
			}
		})
	}
}

// Any byte changed, or a cut at any length, is a damaged snapshot.
func TestVerifyDamaged(t *testing.T) {
	needs.Time(t)
	dir := t.TempDir()
	b := openBucket(t, "file://"+dir)
	s := unchecked(t, b, "PRAGMA page_size=512; CREATE TABLE t(x); INSERT INTO t VALUES (1), (2);", nil)
	object := filepath.Join(dir, s.Object.Name)
	good, err := os.ReadFile(object)
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	refused := func(changed []byte, what string, n int) {
		write(t, object, changed)
		listed, err := Select(t.Context(), b, Selector{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Verify(t.Context(), b, listed, VerifyOptions{Fast: n%2 == 0, TempDir: temp})
		if !errors.Is(err, snapshot.ErrDamaged) && !errors.Is(err, snapshot.ErrNewerFormat) {
			t.Fatalf("%s %d: %v", what, n, err)
		}
	}
	for i := range good {
		changed := bytes.Clone(good)
		changed[i] ^= 1 << (i % 8)
		refused(changed, "flip", i)
		refused(good[:i], "cut to", i)
	}
	noFiles(t, temp)
}

// An archive whose every frame has the right checksum, but not the content of its
// digest: a restore does not see that, a drill does.
func TestVerifyDigest(t *testing.T) {
	dir := t.TempDir()
	b := openBucket(t, "file://"+dir)
	s := unchecked(t, b, "CREATE TABLE t(x); INSERT INTO t VALUES ('one');", nil)
	object := filepath.Join(dir, s.Object.Name)
	forge(t, object)
	s, err := Select(t.Context(), b, Selector{})
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "new.db")
	if _, err := Restore(t.Context(), b, s, target, Options{}); err != nil || run(t, target, "SELECT x FROM t") != "two\n" {
		t.Fatalf("the forgery is not a good one: %v", err)
	}
	for _, fast := range []bool{false, true} {
		r, err := verify(t, b, s, VerifyOptions{Fast: fast})
		if !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(fmt.Sprint(err), "content digest") || r.Frames {
			t.Errorf("fast %v: %+v, %v", fast, r, err)
		}
	}
}

// forge exchanges a word in the only data frame of an archive, and mends the
// checksums of its bytes up to the manifest's own. Page digests and content
// digests stay. The layout is in snapshot/doc.go.
func forge(t *testing.T, object string) {
	t.Helper()
	old, err := os.ReadFile(object)
	if err != nil {
		t.Fatal(err)
	}
	count := int(binary.LittleEndian.Uint32(old[len(old)-9:]))
	list := old[len(old)-9-8*count:]
	var frames [][]byte
	offset := 0
	for i := range count {
		length := int(binary.LittleEndian.Uint32(list[8*i:]))
		frames = append(frames, bytes.Clone(old[offset:offset+length]))
		offset += length
	}
	seekTable := bytes.Clone(old[offset:])

	decoder, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	content, err := decoder.DecodeAll(frames[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	frames[0] = encoder.EncodeAll(bytes.Replace(content, []byte("one"), []byte("two"), 1), nil)
	table, manifest := frames[count-2], frames[count-1]
	hash := sha256.Sum256(frames[0])
	copy(table[12:], hash[:])
	var m map[string]any
	if err := json.Unmarshal(manifest[12+32:], &m); err != nil {
		t.Fatal(err)
	}
	hash = sha256.Sum256(table)
	text := bytes.Replace(manifest[12+32:], []byte(m["frame_table"].(string)), []byte(hex.EncodeToString(hash[:])), 1)
	hash = sha256.Sum256(text)
	copy(manifest[12:], append(hash[:], text...))
	binary.LittleEndian.PutUint32(seekTable[8:], uint32(len(frames[0])))
	write(t, object, append(bytes.Join(frames, nil), seekTable...))
}

// Frames that are right, with a database in them that is not.
func TestVerifyBroken(t *testing.T) {
	overwrite := func(offset int64) func(string) {
		return func(path string) {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, 300), offset)
			}
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	quick, full, none := snapshot.CheckQuick, snapshot.CheckFull, snapshot.CheckNone
	for _, c := range []struct {
		name  string
		sql   string
		spoil func(string)
		want  map[snapshot.CheckLevel]error
	}{
		{"a spoilt page", fillSQL(genNew), overwrite(5 * 4096), map[snapshot.CheckLevel]error{"": ErrCheck, quick: ErrCheck, full: ErrCheck, none: nil}},
		{"an index of another column", "CREATE TABLE t(a, b); CREATE INDEX i ON t(a); INSERT INTO t VALUES (1, 2); PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql='CREATE INDEX i ON t(b)' WHERE name='i'",
			nil, map[snapshot.CheckLevel]error{quick: nil, full: ErrCheck}},
		{"a collation of the application", "CREATE TABLE t(a COLLATE NOCASE UNIQUE); INSERT INTO t VALUES ('a'), ('b'); PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, 'NOCASE', 'OURS')",
			nil, map[snapshot.CheckLevel]error{full: snapshot.ErrUncheckable, none: nil}},
	} {
		b := openBucket(t, "file://"+t.TempDir()) // each is another database
		s := unchecked(t, b, c.sql, c.spoil)
		for check, want := range c.want {
			r, err := verify(t, b, s, VerifyOptions{Check: check})
			if !errors.Is(err, want) || errors.Is(err, snapshot.ErrDamaged) || errors.Is(err, snapshot.ErrSource) || !r.Frames {
				t.Errorf("%s, %q: %+v, %v", c.name, check, r, err)
			}
			if want != nil && !strings.Contains(err.Error(), string(s.ID)) {
				t.Errorf("%s: which one? %v", c.name, err)
			}
			if want == nil && (r.Passed != check || (r.ForeignKeys == nil) != (check == none)) {
				t.Errorf("%s, %q: %+v", c.name, check, r)
			}
		}
	}
	// Without a check it is the query that meets the spoilt page.
	b := openBucket(t, "file://"+t.TempDir())
	s := unchecked(t, b, fillSQL(genNew), overwrite(5*4096))
	if _, err := verify(t, b, s, VerifyOptions{Check: none, Queries: []string{"SELECT sum(length(note)) FROM account"}}); !errors.Is(err, ErrCheck) {
		t.Error(err)
	}
}

func TestVerifyForeignKeys(t *testing.T) {
	b := openBucket(t, "file://"+t.TempDir())
	s := unchecked(t, b, `CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p); CREATE TABLE w(k PRIMARY KEY, p REFERENCES p) WITHOUT ROWID;
		INSERT INTO p VALUES (1); INSERT INTO c VALUES (1), (7), (8), (9), (10), (11); INSERT INTO w VALUES ('x', 12);`, nil)
	r, err := verify(t, b, s, VerifyOptions{Queries: []string{"SELECT count(*) = 6 FROM pragma_foreign_key_check"}})
	if err != nil || r.ForeignKeys.Violations != 6 || len(r.ForeignKeys.First) != 5 {
		t.Errorf("%+v, %v", r.ForeignKeys, err)
	}
	if all := strings.Join(r.ForeignKeys.First, "\n"); !strings.Contains(all, "row 2 of c refers to no row of p") {
		t.Error(all)
	}
	s = unchecked(t, b, "CREATE TABLE p(a); CREATE TABLE c(x REFERENCES p(a)); INSERT INTO c VALUES (1)", nil)
	if r, err = verify(t, b, s, VerifyOptions{}); err != nil || !strings.Contains(r.ForeignKeys.Unknown, "foreign key mismatch") {
		t.Errorf("%+v, %v", r.ForeignKeys, err)
	}
}

func TestVerifyQueries(t *testing.T) {
	b := openBucket(t, "file://"+t.TempDir())
	s := unchecked(t, b, "CREATE TABLE t(x, ok BOOLEAN); INSERT INTO t VALUES (1, 1), (2, 0)", nil)
	outside := filepath.Join(t.TempDir(), "outside.db")
	endless := "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n) SELECT max(i) FROM n"
	for query, want := range map[string]string{
		"SELECT count(*) > 1 FROM t":                          "true 1",
		"SELECT count(*) FROM t;\n ":                          "true 2",
		"VALUES (-0.5)":                                       "true -0.5",
		"SELECT ok FROM t WHERE x = 1 -- really":              "true 1",
		"WITH a AS (SELECT x FROM t LIMIT 1) SELECT x FROM a": "true 1",
		"SELECT count(*) > 2 FROM t":                          "false 0",
		"SELECT ok FROM t WHERE x = 2":                        "false 0",
		"SELECT max(x) FROM t WHERE x > 5":                    "false NULL",
		"SELECT 'secret'":                                     "false not a number",
		"SELECT x FROM t":                                     "false it has more than one row",
		"SELECT x FROM t WHERE x > 5":                         "false it has no row",
		"SELECT 1, 1":                                         "false it has 2 columns instead of one",
		"SELECT missing FROM t":                               "false no such column: missing",
		"SELECT count(*) FROM missing":                        "false no such table: missing",
		"SELECT 1; SELECT 0":                                  `false near ";": syntax error (it must be one SELECT)`,
		"":                                                    `false near ")": syntax error (it must be one SELECT)`,
		"INSERT INTO t VALUES (3, 1) RETURNING 1":             `false near "INSERT": syntax error (it must be one SELECT)`,
		"DELETE FROM t RETURNING 1":                           `false near "DELETE": syntax error (it must be one SELECT)`,
		"ATTACH '" + outside + "' AS o":                       `false near "ATTACH": syntax error (it must be one SELECT)`,
		"SELECT 1); ATTACH '" + outside + "' AS o; SELECT * FROM (SELECT 1": `false near ")": syntax error`,
		"SELECT 1) SELECT 1; SELECT (0":                                     `false near ")": syntax error`,
		"VACUUM INTO '" + outside + "'":                                     `false near "VACUUM": syntax error (it must be one SELECT)`,
		"PRAGMA journal_mode = DELETE":                                      `false near "PRAGMA": syntax error (it must be one SELECT)`,
		endless:                                                             "false no answer within 2s",
	} {
		limit := 10 * time.Minute
		if query == endless {
			limit = 2 * time.Second
		}
		r, err := verify(t, b, s, VerifyOptions{Queries: []string{"SELECT 1", query, "SELECT 2"}, QueryTime: limit})
		if len(r.Queries) != 3 || r.Queries[1].SQL != query || !r.Queries[0].True || !r.Queries[2].True {
			t.Fatalf("%s: %+v, %v", query, r, err)
		}
		got := fmt.Sprint(r.Queries[1].True, " ", r.Queries[1].Answer)
		if got != want || errors.Is(err, ErrQuery) == r.Queries[1].True {
			t.Errorf("%s: %s, want %s: %v", query, got, want, err)
		}
	}
	if _, err := os.Stat(outside); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a query wrote a file: %v", err)
	}
}
