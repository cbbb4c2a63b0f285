package main

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/agessh"

	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// A drill is recorded in an object of its own and beside the other tags, whatever has
// become of them since the listing. Where that cannot be, no tag is lost.
func TestRecord(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	for name, url := range map[string]string{"directory": "file://" + t.TempDir(), "S3": "s3://" + server.Bucket(t) + "/app"} {
		t.Run(name, func(t *testing.T) {
			v := &verifyCmd{Record: true}
			if err := v.URL.UnmarshalText([]byte(url)); err != nil {
				t.Fatal(err)
			}
			c := &console{globals: &globals{}, log: slog.New(slog.DiscardHandler)}
			b, err := v.open(t.Context(), c, upload.Options{})
			if err != nil {
				t.Fatal(err)
			}
			recorder, err := v.recorder(t.Context(), c, b, &witness{})
			if err != nil {
				t.Fatal(err)
			}
			id := snapshot.NewID(time.Now())
			object := buckettest.Put(t, b, buckettest.ObjectName(id), []byte("x"), bucket.Tags{series.TagRetention: series.Held(series.Daily)})
			s := series.Snapshot{Name: series.Name{ID: id, Class: series.Daily}, Object: object}
			record := func(d drillDocument, err error) error {
				t.Helper()
				name, err := recorder.record(t.Context(), s, d, restore.VerifyReport{}, err)
				if !strings.HasPrefix(name, ".drills/2") || !strings.HasSuffix(name, "Z-"+string(id)+".json") {
					t.Errorf("recorded as %q: %v", name, err)
				}
				return err
			}
			set := func(tags bucket.Tags) {
				t.Helper()
				if err := b.SetTags(t.Context(), object, tags); err != nil {
					t.Fatal(err)
				}
			}
			has := func(want bucket.Tags) {
				t.Helper()
				got, err := b.Tags(t.Context(), object)
				if _, wants := want[series.TagVerified]; wants {
					want[series.TagVerified] = got[series.TagVerified]
					if at, err := time.Parse(time.RFC3339, got[series.TagVerified]); err != nil || time.Since(at).Abs() > 10*time.Minute {
						t.Errorf("verified at %v, %v", at, err)
					}
				}
				if err != nil || !maps.Equal(got, want) {
					t.Errorf("tags %v, want %v: %v", got, want, err)
				}
			}
			tags := bucket.Tags{series.TagRetention: "daily", "team": "blue"}
			set(tags)
			if err := record(drillDocument{}, restore.ErrCheck); err != nil {
				t.Fatal(err)
			}
			has(tags)
			if err := record(drillDocument{Verified: true}, nil); err != nil {
				t.Fatal(err)
			}
			tags[series.TagVerified] = ""
			has(tags)
			if name == "S3" { // takes ten tags
				delete(tags, series.TagVerified)
				for i := 0; len(tags) < 10; i++ {
					tags[fmt.Sprint("mine-", i)] = "x"
				}
				set(tags)
				if err := record(drillDocument{Verified: true}, nil); !errors.Is(err, errNotRecorded) {
					t.Error(err)
				}
				has(tags)
			}
			if err := b.Delete(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			if err := record(drillDocument{Verified: true}, nil); !errors.Is(err, errNotRecorded) || errors.Is(err, bucket.ErrNotFound) {
				t.Errorf("recorded on nothing: %v", err)
			}
			if name, err := recorder.record(t.Context(), s, drillDocument{}, restore.VerifyReport{}, bucket.ErrUnreachable); name != "" || err != nil {
				t.Errorf("in a store that is away: %q, %v", name, err)
			}
		})
	}
}

// The content of a record is encrypted to whom has read the snapshot, of whatever kind
// the key is.
func TestWitness(t *testing.T) {
	x, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	overSSH, err := agessh.NewEd25519Identity(private)
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{}
	identities := w.watch([]age.Identity{x, hybrid, overSSH})
	if w.recipient() != nil {
		t.Error("somebody has read before the first")
	}
	for _, to := range []age.Recipient{x.Recipient(), hybrid.Recipient(), overSSH.Recipient()} {
		for range 2 { // to the key, and then to what the witness has seen
			var sealed bytes.Buffer
			writer, err := age.Encrypt(&sealed, to)
			if err == nil {
				err = writer.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := age.Decrypt(&sealed, identities...); err != nil {
				t.Errorf("%T: %v", to, err)
			}
			if to = w.recipient(); to == nil {
				t.Fatal("nobody has read")
			}
		}
	}
}

// A sample is the newest and some of the older ones that count, each as often as any
// other.
func TestSample(t *testing.T) {
	var all []series.Snapshot
	for i := range 10 {
		all = append(all, series.Snapshot{Name: series.Name{ID: snapshot.ID(fmt.Sprint(i))}, Implausible: i == 9, Broken: i == 4})
	}
	random := rand.New(rand.NewPCG(1, 2))
	picked := map[snapshot.ID]int{}
	for range 1000 {
		chosen := sample(all, all[8], 3, random)
		slices.SortFunc(chosen, func(a, b series.Snapshot) int { return int(b.ID[0]) - int(a.ID[0]) })
		if len(chosen) != 4 || chosen[0].ID != "8" {
			t.Fatal(chosen)
		}
		for i, s := range chosen {
			if !s.Counts() || i > 0 && s.ID == chosen[i-1].ID {
				t.Fatal(chosen)
			}
			picked[s.ID]++
		}
	}
	for id, n := range picked { // 1000 times 3 of 7
		if id != "8" && (n < 350 || n > 510) {
			t.Errorf("%s was picked %d times", id, n)
		}
	}
	if len(picked) != 8 {
		t.Errorf("picked %v", picked)
	}
	if got := sample(all, all[8], 100, random); len(got) != 8 {
		t.Error(got)
	}
	if got := sample(all, all[8], 0, random); len(got) != 1 || got[0].ID != "8" {
		t.Error(got)
	}
}
