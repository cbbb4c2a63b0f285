package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// streamed returns what a chain streams. Nothing may be left in the temp directory.
func streamed(t testing.TB, chain *Chain) []byte {
	t.Helper()
	var b bytes.Buffer
	var done, total int64
	o := ExtractOptions{TempDir: t.TempDir(), Progress: func(d, all int64) {
		if d < done {
			t.Errorf("progress went from %d back to %d", done, d)
		}
		done, total = d, all
	}}
	if err := chain.Stream(t.Context(), &b, o); err != nil {
		t.Fatal(err)
	}
	if done != total || total != contentSize(chain.archives) {
		t.Errorf("progress ended with %d of %d bytes", done, total)
	}
	if left, _ := os.ReadDir(o.TempDir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return b.Bytes()
}

// What a chain streams is what it is extracted to, and its page digests are those
// of the copy, whatever the archives have done to the database's size.
func TestStreamChain(t *testing.T) {
	sizes := []int{4096}
	if !needs.Few() {
		sizes = []int{512, 4096, 65536}
	}
	for _, pageSize := range sizes {
		t.Run(fmt.Sprint(pageSize), func(t *testing.T) {
			path := makeDB(t, 6, fmt.Sprintf("page_size=%d", pageSize))
			last := takeFull(t, path, 1)
			archives := [][]byte{last.archive}
			for i, change := range []string{
				"UPDATE t SET a = 'x' WHERE id % 100 = 3",
				"DELETE FROM t WHERE id % 50; VACUUM",
				"INSERT INTO t (a, b) SELECT hex(randomblob(30)), randomblob(7000) FROM generate_series(1, 1500)",
				"UPDATE t SET a = 'y' WHERE id % 100 = 0",
			} {
				runSQL(t, path, change)
				last = takeDifferential(t, path, i+2, last.base)
				archives = append(archives, last.archive)
				chain, err := chainOf(t, archives...)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(streamed(t, chain), last.content) {
					t.Errorf("after %s: the chain streams something else than the copy", change)
				}
				if err := chain.Verify(t.Context(), ExtractOptions{}); err != nil {
					t.Errorf("after %s: %v", change, err)
				}
				var digests bytes.Buffer
				if err := chain.WritePages(t.Context(), &digests); err != nil {
					t.Fatal(err)
				}
				m := chain.Manifest()
				if got, err := DigestOf(t.Context(), &digests, m.PageSize, m.PageCount); got != m.Digest || digests.Len() > 0 {
					t.Errorf("after %s: its page digests give %s, %v", change, got, err)
				}
			}
			chain, err := chainOf(t, archives[0])
			if err != nil {
				t.Fatal(err)
			}
			if got := streamed(t, chain); digestOf(got, pageSize) != chain.Manifest().Digest {
				t.Error("a full snapshot streams something else")
			}
		})
	}
}

// A patch is a Target: what it makes of a database is what a file becomes.
func TestPatch(t *testing.T) {
	const pageSize = 512
	beneath := bytes.Repeat([]byte{1}, 40*pageSize)
	path := t.TempDir() + "/file"
	write(t, path, beneath)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m := Manifest{PageSize: pageSize, PageCount: 100, Size: int64(len(beneath)), Pages: 100}
	p, err := (&Chain{[]*Archive{{manifest: m}, {manifest: m}}}).newPatch(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for _, target := range []Target{f, p} {
		for _, step := range []struct{ page, size int }{{3, 40}, {39, 41}, {40, 41}, {0, 7}, {20, 70}, {20, 30}, {70, 80}, {65, 90}} {
			page := bytes.Repeat([]byte{byte(step.page + 2)}, pageSize)
			_, err := target.WriteAt(page, int64(step.page*pageSize))
			if err := errors.Join(err, target.Truncate(int64(step.size*pageSize))); err != nil {
				t.Fatal(err)
			}
		}
	}
	var got bytes.Buffer
	for rest := beneath; len(rest) > 0; rest = rest[8*pageSize:] {
		if err := p.pass(bytes.Clone(rest[:8*pageSize]), &got); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.end(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), file(t, path)) {
		t.Error("the patch makes another database than the file")
	}
}

// What is damaged in any archive is found, and nothing is left behind.
func TestStreamRefusesDamage(t *testing.T) {
	needs.Time(t)
	path := makeDB(t, 0, "page_size=512")
	full := takeFull(t, path, 1)
	runSQL(t, path, "INSERT INTO t (a) VALUES (1)")
	b := takeDifferential(t, path, 2, full.base).archive
	temp := t.TempDir()
	for what, read := range map[string]func(*Chain) error{
		"stream": func(c *Chain) error { return c.Stream(t.Context(), io.Discard, ExtractOptions{TempDir: temp}) },
		"verify": func(c *Chain) error { return c.Verify(t.Context(), ExtractOptions{}) },
	} {
		t.Run(what, func(t *testing.T) {
			refusesDamage(t, b, func(changed []byte) error {
				chain, err := chainOf(t, full.archive, changed)
				if err != nil {
					return err
				}
				return read(chain)
			})
		})
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	ctx, cancel := context.WithCancel(t.Context())
	chain, err := chainOf(t, full.archive, b)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := chain.Stream(ctx, io.Discard, ExtractOptions{TempDir: temp}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
