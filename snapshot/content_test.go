package snapshot

import (
	"bytes"
	"io"
	"testing"
)

// The pages that a reading has, laid over its base, are the database; the copy's
// content is the database as well.
func TestContent(t *testing.T) {
	path := makeDB(t, 1, "page_size=1024", "journal_mode=delete")
	full := takeFull(t, path, 1)
	base := file(t, path)
	app := application(t, path)
	for _, whim := range whims[:3] {
		if err := app.Exec(t.Context(), whim); err != nil {
			t.Fatal(err)
		}
	}
	now := file(t, path)
	copied := take(t, path, CopyOptions{})
	whole, err := io.ReadAll(io.NewSectionReader(copied.Content(), 0, copied.Header.Size()))
	if err != nil || !bytes.Equal(whole[100:], now[100:]) {
		t.Errorf("the copy's content is not the database: %v", err)
	}
	r := read(t, path, full.base, ReadOptions{})
	content, err := r.Content()
	if err != nil {
		t.Fatal(err)
	}
	got, missing := make([]byte, len(now)), 0
	copy(got, base)
	for at := 0; at < len(now); at += 1024 {
		if _, err := content.ReadAt(got[at:at+1024], int64(at)); err != nil {
			missing++
		}
	}
	if !bytes.Equal(got[100:], now[100:]) || missing == 0 || missing != len(now)/1024-r.Pages() {
		t.Errorf("%d pages of %d are missing, and the rest is not the database", missing, len(now)/1024)
	}
}
