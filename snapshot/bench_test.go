package snapshot

import (
	"errors"
	"io"
	"testing"
)

const benchMiB = 64

func benchCopy(b *testing.B) *Copy {
	b.Helper()
	path := makeDB(b, benchMiB, "journal_mode=wal")
	c := take(b, path, CopyOptions{})
	b.SetBytes(c.Header.Size())
	b.ReportAllocs()
	return c
}

func BenchmarkCopy(b *testing.B) {
	benchTake(b, func(*Copy) error { return nil })
}

// BenchmarkCopyAndDigest is what every backup does, and all that one of an
// unchanged database does: the two overlap.
func BenchmarkCopyAndDigest(b *testing.B) {
	benchTake(b, func(c *Copy) error {
		_, err := c.Digest(b.Context(), nil)
		return err
	})
}

// benchTake measures a copy and what is done with it.
func benchTake(b *testing.B, then func(*Copy) error) {
	b.Helper()
	path := makeDB(b, benchMiB, "journal_mode=wal")
	temp := b.TempDir()
	b.ReportAllocs()
	for b.Loop() {
		c, err := Take(b.Context(), path, CopyOptions{TempDir: temp})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(c.Header.Size())
		if err := errors.Join(then(c), c.Close()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckQuick(b *testing.B) {
	c := benchCopy(b)
	for b.Loop() {
		if err := c.Check(b.Context(), CheckQuick); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	c := benchCopy(b)
	c.early = nil
	for b.Loop() {
		if _, err := c.Digest(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteArchive(b *testing.B) {
	for _, level := range []Level{LevelFastest, LevelDefault, LevelBetter, LevelBest} {
		b.Run(string(level), func(b *testing.B) {
			c := benchCopy(b)
			d, err := c.Digest(b.Context(), nil)
			if err != nil {
				b.Fatal(err)
			}
			var written counter
			for b.Loop() {
				written = 0
				if _, err := c.WriteArchive(b.Context(), &written, d, ArchiveOptions{ID: NewID(c.TakenAt), Level: level}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(c.Header.Size())/float64(written), "ratio")
		})
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func BenchmarkExtract(b *testing.B) {
	c := benchCopy(b)
	packed, _ := archive(b, c, ArchiveOptions{})
	chain, err := chainOf(b, packed)
	if err != nil {
		b.Fatal(err)
	}
	out := make(memory, chain.Manifest().Size)
	b.Run("parallel", func(b *testing.B) {
		b.SetBytes(c.Header.Size())
		b.ReportAllocs()
		for b.Loop() {
			if err := chain.Extract(b.Context(), out, ExtractOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("in order", func(b *testing.B) {
		b.SetBytes(c.Header.Size())
		b.ReportAllocs()
		for b.Loop() {
			if err := chain.Stream(b.Context(), io.Discard, ExtractOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
