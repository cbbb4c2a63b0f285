package upload

import (
	"bytes"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// An age file is a header, a nonce, and chunks of 64 KiB, each with a tag of
// its own: https://age-encryption.org/v1.
const (
	chunkSize       = 64 << 10
	sealedChunkSize = chunkSize + 16
)

// sealedChunks returns how many chunks hold that many bytes of plaintext. An
// empty one has a chunk, too.
func sealedChunks(size int64) int64 { return max(1, (size+chunkSize-1)/chunkSize) }

// A sealer encrypts archives. The zero value leaves them as they are.
type sealer struct {
	recipients []age.Recipient
	overhead   int64 // of header, nonce and the first chunk's tag, bytes
}

// newSealer tries the recipients out: some exclude others.
func newSealer(recipients []age.Recipient) (sealer, error) {
	if len(recipients) == 0 {
		return sealer{}, nil
	}
	var empty bytes.Buffer
	w, err := age.Encrypt(&empty, recipients...)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return sealer{}, fmt.Errorf("%w: %w", ErrRecipients, err)
	}
	if empty.Len() > maxHeader {
		return sealer{}, fmt.Errorf("%w: %d are so many that their header would be longer than the %d KiB that a restore reads", ErrRecipients, len(recipients), maxHeader>>10)
	}
	return sealer{recipients, int64(empty.Len())}, nil
}

func (s sealer) encrypts() bool { return len(s.recipients) > 0 }

// suffix ends the names of the objects.
func (s sealer) suffix() string {
	if s.encrypts() {
		return SuffixEncrypted
	}
	return Suffix
}

// size returns how large an object becomes whose plaintext has that size.
func (s sealer) size(plaintext int64) int64 {
	if !s.encrypts() {
		return plaintext
	}
	return plaintext + s.overhead + (sealedChunks(plaintext)-1)*(sealedChunkSize-chunkSize)
}

// tags returns the tags that an object may have: nothing that tells of an
// encrypted one's content.
func (s sealer) tags(t bucket.Tags) bucket.Tags {
	if s.encrypts() {
		delete(t, TagDigest)
		if i, ok := parseIdentity(t[TagIdentity]); ok {
			t[TagIdentity] = identity{pageSize: i.pageSize, application: i.application}.String()
		}
	}
	return t
}

// seal returns write with what it writes encrypted.
func (s sealer) seal(write func(io.Writer) error) func(io.Writer) error {
	if !s.encrypts() {
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
