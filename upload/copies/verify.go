package copies

import (
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// What an object was verified by.
const (
	ByFrames = "frames" // each frame by its checksum
	ByLength = "length" // its length alone: an encrypted one, of a place without checksums
)

// A proof takes an object's content in order. Its Close returns nil if that is what its
// writer wrote, as far as the proof can tell, and must be called.
type proof interface {
	io.WriteCloser
}

// A proven object has a proof on its way.
type proven struct {
	proof
	by       string            // ByFrames, ByLength, or the name of a store's checksum
	manifest snapshot.Manifest // with ByFrames
}

// prove returns what proves the content of a snapshot's object: its frames, or where it
// is encrypted and none of the identities fits the checksum that its store has, if any.
func prove(ctx context.Context, b bucket.Bucket, s series.Snapshot, identities []age.Identity) (proven, error) {
	if s.Encrypted && len(identities) == 0 {
		return proveSealed(ctx, b, s)
	}
	archive, err := openArchive(ctx, b, s, identities)
	if errors.Is(err, series.ErrWrongIdentity) {
		return proveSealed(ctx, b, s)
	}
	if err != nil {
		return proven{}, err
	}
	frames := archive.Proof()
	if s.Encrypted {
		return proven{unsealing(frames, identities), ByFrames, archive.Manifest()}, nil
	}
	return proven{frames, ByFrames, archive.Manifest()}, nil
}

// openArchive reads the end of a snapshot's archive.
func openArchive(ctx context.Context, b bucket.Bucket, s series.Snapshot, identities []age.Identity) (archive *snapshot.Archive, err error) {
	blob, err := b.Open(ctx, s.Object)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, blob.Close()) }()
	plain, size := blob, s.Object.Size
	if s.Encrypted {
		if plain, size, err = series.Decrypt(blob, size, identities); err != nil {
			return nil, err
		}
	}
	if archive, err = snapshot.OpenArchive(ctx, plain, size, s.ID); err != nil {
		return nil, err
	}
	return archive, s.Name.Describes(archive.Manifest())
}

// proveSealed proves the content of an encrypted object without a key.
func proveSealed(ctx context.Context, b bucket.Bucket, s series.Snapshot) (proven, error) {
	summed, ok := bucket.As[bucket.Summed](b)
	if !ok {
		return proven{proof: taken{}, by: ByLength}, nil
	}
	sum, err := summed.Sum(ctx, s.Object)
	if err != nil {
		return proven{}, err
	}
	if sum == nil {
		return proven{proof: taken{}, by: ByLength}, nil
	}
	return proven{proof: bySum{sum}, by: sum.String()}, nil
}

// taken proves nothing: the length is that of the listing in any case.
type taken struct{}

func (taken) Write(b []byte) (int, error) { return len(b), nil }
func (taken) Close() error                { return nil }

// bySum proves by a checksum that the store has.
type bySum struct{ bucket.Sum }

func (s bySum) Close() error {
	if !s.Matches() {
		return fmt.Errorf("%w: it does not match the %s that its store has", snapshot.ErrDamaged, s.Sum)
	}
	return nil
}

// An unsealed proof decrypts what it takes, and has another one prove that.
type unsealed struct {
	*io.PipeWriter
	done chan error
}

func unsealing(p *snapshot.Proof, identities []age.Identity) unsealed {
	from, to := io.Pipe()
	u := unsealed{to, make(chan error, 1)}
	go func() {
		plain, err := age.Decrypt(from, identities...)
		if err == nil {
			_, err = io.Copy(p, plain)
		}
		if err != nil && !errors.Is(err, snapshot.ErrDamaged) {
			err = fmt.Errorf("%w: decrypt: %w", snapshot.ErrDamaged, err)
		}
		from.CloseWithError(err)
		proved := p.Close()
		if err == nil {
			err = proved
		}
		u.done <- err
	}()
	return u
}

// Close waits for the proof.
func (u unsealed) Close() error { return errors.Join(u.PipeWriter.Close(), <-u.done) }
