package lifecycle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// One file with damaged tags stops nothing: its snapshot has no tags, stays,
// and is named.
func TestDamagedTags(t *testing.T) {
	dir := t.TempDir()
	b, err := upload.OpenURL(t.Context(), bucket.URL{Dir: dir}, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		lifecycletest.Put(t, b, time.Now().Add(time.Duration(i-10)*24*time.Hour), series.Held(series.Daily), "0123456789")
	}
	all, err := Load(t.Context(), b, time.Time{})
	if err != nil || Damaged(all) != nil {
		t.Fatal(err, Damaged(all))
	}
	damaged := all[4].ID
	path := filepath.Join(dir, string(damaged)+".tags")
	if err := os.Truncate(path, 10); err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(30 * day)
	for what, look := range map[string]func() ([]Item, error){
		"load":   func() ([]Item, error) { return Load(t.Context(), b, time.Time{}) },
		"survey": func() ([]Item, error) { return Survey(t.Context(), b, time.Second) },
	} {
		items, err := look()
		if err != nil || len(items) != 10 || items[4].Held() || !items[4].TagsKnown {
			t.Fatalf("%s: %v, %v", what, items, err)
		}
		if err := Damaged(items); !errors.Is(err, bucket.ErrTagsDamaged) || !strings.Contains(err.Error(), string(damaged)) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		}
	}
	later := lifecycletest.Timed{Bucket: b, Now: now}
	terms := Terms{Policy: Policy{Recent: 4}, Hold: DefaultHold}
	options := Options{Terms: terms, Settle: time.Millisecond}
	goes := func(decisions []Decision) bool {
		return decisions[4].Action == ActKeep && decisions[3].Action == ActExpire
	}
	if decisions, err := WouldPrune(t.Context(), later, terms); !errors.Is(err, bucket.ErrTagsDamaged) || !goes(decisions) {
		t.Errorf("would be deleted: %+v, %v", decisions[4], err)
	}
	if decisions, deleted, err := Prune(t.Context(), later, Options{Terms: terms}); !errors.Is(err, bucket.ErrTagsDamaged) || !goes(decisions) || deleted != 8 {
		t.Errorf("%d deleted, %+v, %v", deleted, decisions[4], err)
	}
	result, err := Release(t.Context(), later, Options{})
	if err != nil || len(result.Released) != 0 || !errors.Is(result.Damaged, bucket.ErrTagsDamaged) {
		t.Errorf("released %v, %v, %v", result.Released, result.Damaged, err)
	}
	// Pinned and unpinned it is as the others are.
	if _, err := Pin(t.Context(), later, damaged, options); err != nil {
		t.Fatal(err)
	}
	if _, err := Unpin(t.Context(), later, damaged, options); err != nil {
		t.Fatal(err)
	}
	if _, deleted, err := Prune(t.Context(), later, Options{Terms: terms}); err != nil || deleted != 1 {
		t.Errorf("mended: %d deleted, %v", deleted, err)
	}
}
