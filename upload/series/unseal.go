package series

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

const (
	// headSize is read of the beginning, where the header is: enough for some
	// twenty post-quantum recipients. A longer one is read on, up to maxHeader.
	headSize  = 32 << 10
	nonceSize = 16
	// tailSize is read of the end: the last chunk, by which age verifies the
	// size, and the one before it, which opening an archive reads next.
	tailSize = 2 * sealedChunkSize
	// readsAtOnce is how many reads have a buffer for ciphertext at a time, so
	// that memory stays bounded: a third one waits. What they have read is
	// decompressed without it.
	readsAtOnce = 2
)

// What Decrypt refuses, beside what is damaged (snapshot.ErrDamaged).
var (
	// ErrNoIdentity: the snapshot is encrypted, and no identity was given.
	ErrNoIdentity = errors.New("it is encrypted: it needs an age identity")
	// ErrWrongIdentity: none of the identities is one of those that the
	// snapshot was encrypted to.
	ErrWrongIdentity = errors.New("it is encrypted to other keys than those of the given age identities")
)

// Decrypt returns the plaintext of the encrypted object of that size in blob,
// and the plaintext's size. It reads both ends of the object and keeps them.
// From then on each read is one read of blob, however many of age's chunks it
// covers; any number of goroutines may read at once. Closing the plaintext
// closes blob; if Decrypt fails, blob stays open.
//
// ErrNoIdentity comes before blob is read, ErrWrongIdentity if none of the
// identities fits. What is not as it was written is snapshot.ErrDamaged; but a
// header that is damaged where it speaks to this identity cannot be told from
// one that does not speak to it. Other errors are those of blob.
func Decrypt(blob bucket.Blob, size int64, identities []age.Identity) (bucket.Blob, int64, error) {
	if len(identities) == 0 {
		return nil, 0, ErrNoIdentity
	}
	head, err := readHead(blob, size)
	if err != nil {
		return nil, 0, err
	}
	header, err := age.ExtractHeader(bytes.NewReader(head.data))
	if err != nil {
		return nil, 0, tampered(err)
	}
	fileKey, err := age.DecryptHeader(header, identities...)
	if noMatch := (*age.NoIdentityMatchError)(nil); errors.As(err, &noMatch) {
		return nil, 0, ErrWrongIdentity
	}
	if err != nil {
		return nil, 0, tampered(err)
	}
	ends := pieces{head}
	if int64(len(head.data)) < size {
		tail, err := fetch(blob, max(0, size-tailSize), size, nil)
		if err != nil {
			return nil, 0, err
		}
		ends = append(ends, tail)
	}
	p := &plaintext{blob: blob, sealed: size, payload: int64(len(header)) + nonceSize, windows: make(chan *window, readsAtOnce)}
	for range readsAtOnce {
		w := &window{ends: ends}
		if w.plain, p.size, err = age.DecryptReaderAt(w, size, age.NewInjectedFileKeyIdentity(fileKey)); err != nil {
			return nil, 0, tampered(err)
		}
		p.windows <- w
	}
	return p, p.size, nil
}

// readHead reads the whole header and the nonce behind it, or all of a small
// object.
func readHead(blob bucket.Blob, size int64) (piece, error) {
	end := int64(headSize)
	if size <= headSize+tailSize {
		end = size
	}
	for {
		head, err := fetch(blob, 0, end, nil)
		if err != nil {
			return piece{}, err
		}
		header, err := age.ExtractHeader(bytes.NewReader(head.data))
		complete := err == nil && len(header)+nonceSize <= len(head.data)
		if complete || end >= min(size, maxHeader) {
			return head, nil
		}
		end = min(size, maxHeader)
	}
}

func tampered(err error) error { return fmt.Errorf("%w: decrypt: %w", snapshot.ErrDamaged, err) }

// plaintext is a Blob that decrypts another one.
type plaintext struct {
	blob    bucket.Blob
	sealed  int64 // size of blob
	payload int64 // where in it the first chunk begins
	size    int64 // of the plaintext
	windows chan *window
}

func (p *plaintext) Close() error { return p.blob.Close() }

// ReadAt implements io.ReaderAt. Age itself reads chunk by chunk, which would
// be a request each: so all of them are fetched first, and age reads from
// there.
func (p *plaintext) ReadAt(b []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("read at a negative offset %d", offset)
	}
	if offset >= p.size {
		return 0, io.EOF
	}
	want := int(min(int64(len(b)), p.size-offset))
	from := p.payload + offset/chunkSize*sealedChunkSize
	to := min(p.sealed, p.payload+sealedChunks(offset+int64(want))*sealedChunkSize)
	w := <-p.windows
	defer func() { p.windows <- w }()
	if err := w.load(p.blob, from, to); err != nil {
		return 0, err
	}
	n, err := w.plain.ReadAt(b[:want], offset)
	if n < want {
		return n, tampered(err)
	}
	if want < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// A window is what age gets to see of an object: both ends, and what was loaded
// for the read that is under way.
type window struct {
	ends   pieces
	loaded piece
	buffer []byte
	plain  io.ReaderAt // age's, which reads from this window
}

// load fetches a range, unless it is in one of the ends.
func (w *window) load(blob bucket.Blob, from, to int64) (err error) {
	if _, there := w.ends.holding(from, to); there {
		return nil
	}
	size := int(to - from)
	if cap(w.buffer) < size {
		// Reads differ a little in size: this should do for the next one, too.
		w.buffer = make([]byte, size, size+size/8)
	}
	w.loaded, err = fetch(blob, from, to, w.buffer[:size])
	return err
}

// ReadAt implements io.ReaderAt for age.
func (w *window) ReadAt(b []byte, offset int64) (int, error) {
	return append(pieces{w.loaded}, w.ends...).ReadAt(b, offset)
}

// A piece is a part of an object that has been read.
type piece struct {
	from int64
	data []byte
}

// fetch reads one piece, into buffer if there is one.
func fetch(blob bucket.Blob, from, to int64, buffer []byte) (piece, error) {
	if buffer == nil {
		buffer = make([]byte, to-from)
	}
	n, err := blob.ReadAt(buffer, from)
	if n == len(buffer) {
		return piece{from, buffer}, nil
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: the object ends too early", snapshot.ErrDamaged)
	}
	return piece{}, err
}

// pieces are some of an object.
type pieces []piece

func (p pieces) holding(from, to int64) (piece, bool) {
	for _, piece := range p {
		if piece.from <= from && to <= piece.from+int64(len(piece.data)) {
			return piece, true
		}
	}
	return piece{}, false
}

// ReadAt implements io.ReaderAt. Age reads ahead in the header, hence the
// short reads.
func (p pieces) ReadAt(b []byte, offset int64) (int, error) {
	piece, found := p.holding(offset, offset+1)
	if whole, ok := p.holding(offset, offset+int64(len(b))); ok {
		piece, found = whole, true
	}
	if !found {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(b, piece.data[offset-piece.from:])
	if n < len(b) {
		return n, io.ErrUnexpectedEOF
	}
	return n, nil
}
