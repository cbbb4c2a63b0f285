package drill_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

const id = snapshot.ID("20261123T201500Z-3f9c2a")

// example is a record with every field.
func example(now time.Time) drill.Record {
	return drill.Record{
		Format: drill.Format, Tool: "lifeboat v1", Host: "drill-1", Time: now.UTC().Truncate(time.Second), Snapshot: id,
		Chain: []drill.Object{{Name: string(id) + ".daily.db.zst", Size: 7, ETag: "e"}}, Exit: 12, Reason: "query_false",
		Frames: true, Check: snapshot.CheckQuick, Asked: 2, True: 1, Size: 4096, Reused: 1,
		Seconds: drill.Seconds{Fetch: 1, Decode: 2, Check: 3, Queries: 4, Total: 11},
		Content: &drill.Content{
			Database: "app.db", Digest: "lb1:00", Error: "a query is not true", ForeignKeys: &untrusted.ForeignKeys{Violations: 1, First: []string{"row 1"}},
			Queries: []untrusted.QueryResult{{SQL: "SELECT 'secret'", Answer: "not a number"}, {SQL: "SELECT 1", Answer: "1", True: true}},
		},
	}
}

func open(t *testing.T, u bucket.URL) bucket.Bucket {
	t.Helper()
	b, err := upload.OpenURL(t.Context(), u, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stores calls test with a series in each kind of store, and the place of its records.
func stores(t *testing.T, test func(t *testing.T, of, place bucket.Bucket)) {
	server := testserver.Start(t)
	server.Setenv(t)
	for name, u := range map[string]bucket.URL{"S3": {Bucket: server.Bucket(t), Prefix: "team/app"}, "directory": {Dir: filepath.Join(t.TempDir(), "app")}} {
		t.Run(name, func(t *testing.T) { test(t, open(t, u), open(t, drill.Place(u))) })
	}
}

func readAll(t *testing.T, place bucket.Bucket, after time.Time) []drill.Recorded {
	t.Helper()
	entries, err := drill.List(t.Context(), place, after)
	if err != nil {
		t.Fatal(err)
	}
	all, err := drill.Read(t.Context(), place, entries)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Records are read as they were written, in order, and never replaced: one of the same
// snapshot and second gets a second of its own.
func TestRecords(t *testing.T) {
	stores(t, func(t *testing.T, of, place bucket.Bucket) {
		if all := readAll(t, place, time.Time{}); len(all) != 0 {
			t.Fatalf("before the first: %v", all)
		}
		now := time.Now().Truncate(time.Second)
		for range 2 {
			for _, at := range []time.Time{now, now.Add(-time.Hour)} {
				if _, err := drill.Write(t.Context(), place, example(at), nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		all := readAll(t, place, time.Time{})
		if len(all) != 4 || len(readAll(t, place, now)) != 2 {
			t.Fatalf("%d records, want 4 and 2 of them since %v", len(all), now)
		}
		for i, ago := range []time.Duration{time.Hour, time.Hour - time.Second, 0, -time.Second} {
			want := example(now.Add(-ago))
			if got := all[i]; got.Err != nil || !reflect.DeepEqual(got.Record, want) || !got.Time.Equal(want.Time) || got.Snapshot != id || got.Implausible(time.Now()) {
				t.Errorf("record %d: %+v, want %+v", i, got, want)
			}
		}
		none, err := series.Snapshots(t.Context(), of, time.Time{})
		if used, err := of.NeverUsed(t.Context()); err != nil || used {
			t.Errorf("a series with drills was never used: %v, %v", used, err)
		}
		if len(none) != 0 || err != nil {
			t.Errorf("snapshots %v, %v", none, err)
		}
		tags, err := place.Tags(t.Context(), all[0].Object)
		if err != nil || len(tags) != 0 {
			t.Errorf("tags %v, %v", tags, err)
		}
	})
}

// Of an encrypted snapshot's record nothing of the content is readable without a key: no
// query, answer or digest, no name and no error.
func TestSealed(t *testing.T) {
	me, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	place := open(t, drill.Place(bucket.URL{Dir: dir}))
	now := time.Now()
	secret := example(now)
	secret.Encrypted = true
	for _, recipients := range [][]age.Recipient{{me.Recipient()}, nil} {
		if _, err := drill.Write(t.Context(), place, secret, recipients); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, drill.Folder, "*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"SELECT", "not a number", "app.db", "lb1", "row 1", "not true"} {
			if strings.Contains(string(text), word) {
				t.Errorf("%s has %q", file, word)
			}
		}
	}
	all := readAll(t, place, time.Time{})
	for i, sealed := range []bool{true, false} {
		r := all[i].Record
		if r.Content != nil || (r.Sealed != "") != sealed || r.Seconds != secret.Seconds || r.True != 1 || r.Reason != "query_false" {
			t.Errorf("record %d without a key: %+v", i, r)
		}
		if err := r.Unseal([]age.Identity{other}); sealed != errors.Is(err, series.ErrWrongIdentity) || r.Content != nil {
			t.Errorf("with another key: %+v, %v", r.Content, err)
		}
		if err := r.Unseal([]age.Identity{other, me}); err != nil || sealed != reflect.DeepEqual(r.Content, secret.Content) {
			t.Errorf("with the key: %+v, %v", r.Content, err)
		}
	}
	broken := all[0].Record
	broken.Sealed = strings.Replace(broken.Sealed, "\n", "\nAAAA", 2)
	if err := broken.Unseal([]age.Identity{me}); !errors.Is(err, drill.ErrDamaged) {
		t.Errorf("a damaged seal: %v", err)
	}
}

// What others put there, or change there, is no record, and no proof.
func TestForeignRecords(t *testing.T) {
	dir := filepath.Join(t.TempDir(), drill.Folder)
	place := open(t, bucket.URL{Dir: dir})
	now := time.Now().Truncate(time.Second)
	passed := example(now)
	passed.Passed = true
	good, err := drill.Write(t.Context(), place, passed, nil)
	if err != nil {
		t.Fatal(err)
	}
	name := func(at time.Time) string { return drill.Name{Time: at, Snapshot: id}.String() }
	whole := string(buckettest.ReadAll(t, place, buckettest.Find(t, place, name(good.Time))))
	plant := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, foreign := range []string{"README", "20261123T201500Z.json", string(id) + ".json", name(now) + "x", "20269923T201500Z-" + string(id) + ".json"} {
		plant(foreign, whole)
	}
	ahead := now.Add(time.Hour)
	plant(name(ahead), strings.Replace(whole, now.UTC().Format(time.RFC3339), ahead.UTC().Format(time.RFC3339), 1))
	fetched := regexp.MustCompile(`"fetch": [0-9.]+`)
	for i, seconds := range []string{"1e300", "-1"} {
		at := now.Add(-time.Duration(i+1) * time.Hour)
		text := strings.Replace(whole, now.UTC().Format(time.RFC3339), at.UTC().Format(time.RFC3339), 1)
		plant(name(at), fetched.ReplaceAllString(text, `"fetch": `+seconds))
	}
	for i, text := range []string{whole, "", "{", "null", "[]", `{"format": 0}`, strings.Replace(whole, `"format": 1`, `"format": 2`, 1), whole + strings.Repeat(" ", 1<<20)} {
		plant(name(now.Add(-time.Duration(i+1)*time.Minute)), text)
	}
	all := readAll(t, place, time.Time{})
	if len(all) != 12 {
		t.Fatalf("%d records", len(all))
	}
	var proofs []time.Time
	for _, r := range all {
		if r.Proves(time.Now()) {
			proofs = append(proofs, r.Time)
		}
		if !r.Time.Equal(now) && !r.Time.Equal(ahead) && !errors.Is(r.Err, drill.ErrDamaged) && !errors.Is(r.Err, drill.ErrNewerFormat) {
			t.Errorf("%s: %v", r.Object.Name, r.Err)
		}
	}
	if !slices.EqualFunc(proofs, []time.Time{now}, time.Time.Equal) || !all[11].Implausible(time.Now()) {
		t.Errorf("proved at %v, want %v: %+v", proofs, now, all[11])
	}
}

// A record is not written where it could not be read.
func TestRecordTooLarge(t *testing.T) {
	place := open(t, drill.Place(bucket.URL{Dir: t.TempDir()}))
	r := example(time.Now())
	r.Content.Error = strings.Repeat("x", 1<<20)
	if _, err := drill.Write(t.Context(), place, r, nil); err == nil {
		t.Error("it was written")
	}
	if all := readAll(t, place, time.Time{}); len(all) != 0 {
		t.Error(all)
	}
}

func FuzzParseName(f *testing.F) {
	f.Add(drill.Name{Time: time.Now(), Snapshot: id}.String())
	f.Add(fmt.Sprintf("20261123T201500Z-%s.json", id))
	f.Fuzz(func(t *testing.T, s string) {
		if n, ok := drill.ParseName(s); ok && n.String() != s {
			t.Errorf("%q is %q", s, n)
		}
	})
}
