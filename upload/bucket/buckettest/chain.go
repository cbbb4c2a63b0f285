package buckettest

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A Series stores snapshots of a database, of whatever class and on whatever base the
// test wants. They are a second apart, and all of one hour that is over.
type Series struct {
	Bucket     bucket.Bucket
	DB         string
	Recipients []age.Recipient
	Taken      time.Time // when the latest snapshot was taken

	t     testing.TB
	bases map[snapshot.ID]snapshot.Base
}

// NewSeries returns an empty series.
func NewSeries(t testing.TB, b bucket.Bucket, db string) *Series {
	return &Series{
		Bucket: b, DB: db, t: t, bases: map[snapshot.ID]snapshot.Base{},
		Taken: series.Hourly.Start(time.Now()).Add(-30 * time.Minute),
	}
}

// Full stores a full snapshot of the database as it is.
func (s *Series) Full(class series.Class) snapshot.ID {
	s.t.Helper()
	c, err := snapshot.Take(s.t.Context(), s.DB, snapshot.CopyOptions{TempDir: s.t.TempDir()})
	if err != nil {
		s.t.Fatal(err)
	}
	digest, err := c.Digest(s.t.Context(), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	id := s.put(series.Name{Class: class}, digest, func(ctx context.Context, w io.Writer, o snapshot.ArchiveOptions) (snapshot.Manifest, error) {
		return c.WriteArchive(ctx, w, digest, o)
	})
	if err := c.Close(); err != nil {
		s.t.Error(err)
	}
	return id
}

// On stores a differential of the database as it is.
func (s *Series) On(base snapshot.ID, class series.Class) snapshot.ID {
	s.t.Helper()
	r, err := snapshot.Read(s.t.Context(), s.DB, s.bases[base], snapshot.ReadOptions{CopyOptions: snapshot.CopyOptions{TempDir: s.t.TempDir()}})
	if err != nil {
		s.t.Fatal(err)
	}
	id := s.put(series.Name{Class: class, Base: base}, r.Digest, r.WriteArchive)
	if err := r.Close(); err != nil {
		s.t.Error(err)
	}
	return id
}

// put stores what write produces under a name that gets its ID here.
func (s *Series) put(name series.Name, digest *snapshot.Digest, write func(context.Context, io.Writer, snapshot.ArchiveOptions) (snapshot.Manifest, error)) snapshot.ID {
	s.t.Helper()
	s.Taken = s.Taken.Add(time.Second)
	name.ID, name.Encrypted = snapshot.NewID(s.Taken), len(s.Recipients) > 0
	var archive bytes.Buffer
	m, err := write(s.t.Context(), &archive, snapshot.ArchiveOptions{ID: name.ID, Database: "app.db", Check: snapshot.CheckNone})
	if err != nil {
		s.t.Fatal(err)
	}
	pages := make([]byte, 16*m.PageCount)
	if _, err := digest.Pages().ReadAt(pages, 0); err != nil {
		s.t.Fatal(err)
	}
	s.bases[name.ID] = snapshot.NewBase(m, bytes.NewReader(pages))
	sealer, err := series.NewSealer(s.Recipients)
	if err != nil {
		s.t.Fatal(err)
	}
	tags := bucket.Tags{series.TagRetention: series.Held(name.Class), series.TagDatabase: "app.db", series.TagDigest: digest.String()}
	options := bucket.PutOptions{MaxSize: sealer.Size(int64(archive.Len())), Tags: sealer.Tags(tags)}
	_, err = s.Bucket.Put(s.t.Context(), name.String(), options, sealer.Seal(func(w io.Writer) error {
		_, err := w.Write(archive.Bytes())
		return err
	}))
	if err != nil {
		s.t.Fatal(err)
	}
	return name.ID
}
