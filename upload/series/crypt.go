package series

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// maxHeader is the largest header of an encrypted snapshot, in bytes.
const maxHeader = 1 << 20

// An age file is a header, a nonce, and chunks of 64 KiB, each with a tag of
// its own: https://age-encryption.org/v1.
const (
	chunkSize       = 64 << 10
	sealedChunkSize = chunkSize + 16
)

// sealedChunks returns how many chunks hold that many bytes of plaintext. An
// empty one has a chunk, too.
func sealedChunks(size int64) int64 { return max(1, (size+chunkSize-1)/chunkSize) }

// ErrRecipients: these recipients cannot be encrypted to together.
var ErrRecipients = errors.New("cannot encrypt to these recipients")

// A Sealer encrypts archives. The zero value leaves them as they are.
type Sealer struct {
	recipients []age.Recipient
	overhead   int64 // of header, nonce and the first chunk's tag, bytes
}

// NewSealer tries the recipients out: some exclude others.
func NewSealer(recipients []age.Recipient) (Sealer, error) {
	if len(recipients) == 0 {
		return Sealer{}, nil
	}
	var empty bytes.Buffer
	w, err := age.Encrypt(&empty, recipients...)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return Sealer{}, fmt.Errorf("%w: %w", ErrRecipients, err)
	}
	if empty.Len() > maxHeader {
		return Sealer{}, fmt.Errorf("%w: %d are so many that their header would be longer than the %d KiB that a restore reads", ErrRecipients, len(recipients), maxHeader>>10)
	}
	return Sealer{recipients, int64(empty.Len())}, nil
}

func (s Sealer) Encrypts() bool { return len(s.recipients) > 0 }

// Size returns how large an object becomes whose plaintext has that size.
func (s Sealer) Size(plaintext int64) int64 {
	if !s.Encrypts() {
		return plaintext
	}
	return plaintext + s.overhead + (sealedChunks(plaintext)-1)*(sealedChunkSize-chunkSize)
}

// Tags returns the tags that an object may have: none about the content of an
// encrypted one.
func (s Sealer) Tags(t bucket.Tags) bucket.Tags {
	if s.Encrypts() {
		delete(t, TagDigest)
		if i, ok := parseIdentity(t[TagIdentity]); ok {
			t[TagIdentity] = Identity{pageSize: i.pageSize, application: i.application}.String()
		}
	}
	return t
}

// Seal returns write with what it writes encrypted.
func (s Sealer) Seal(write func(io.Writer) error) func(io.Writer) error {
	if !s.Encrypts() {
		return write
	}
	return func(w io.Writer) error {
		sealed, err := age.Encrypt(w, s.recipients...)
		if err != nil {
			return fmt.Errorf("encrypt: %w", err)
		}
		if err := write(sealed); err != nil {
			return err
		}
		return sealed.Close()
	}
}
