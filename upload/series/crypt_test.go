package series

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A countedBlob is an object in memory. Its reads fail with err, if there is one.
type countedBlob struct {
	data  []byte
	reads atomic.Int64
	err   error
}

func (b *countedBlob) Close() error { return nil }

func (b *countedBlob) ReadAt(p []byte, offset int64) (int, error) {
	b.reads.Add(1)
	if b.err != nil {
		return 0, b.err
	}
	return bytes.NewReader(b.data).ReadAt(p, offset)
}

func content(size int) []byte {
	data := make([]byte, size)
	source := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8), byte(size >> 16)})
	source.Read(data)
	return data
}

func newIdentity(t testing.TB) *age.X25519Identity {
	t.Helper()
	i, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func newHybrid(t testing.TB) *age.HybridIdentity {
	t.Helper()
	i, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func sealed(t testing.TB, plain []byte, recipients ...age.Recipient) []byte {
	t.Helper()
	s, err := NewSealer(recipients)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := s.Seal(func(w io.Writer) error { _, err := w.Write(plain); return err })(&out); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != s.Size(int64(len(plain))) {
		t.Errorf("%d bytes become %d, expected %d", len(plain), out.Len(), s.Size(int64(len(plain))))
	}
	return out.Bytes()
}

// Any range of any size comes back right and with one read, at most, and
// opening takes two.
func TestDecrypt(t *testing.T) {
	identity := newIdentity(t)
	for _, size := range []int{0, 1, 1000, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize, headSize + tailSize, 5*chunkSize + 7, 40 * chunkSize} {
		plain := content(size)
		blob := &countedBlob{data: sealed(t, plain, newIdentity(t).Recipient(), identity.Recipient())}
		p, got, err := Decrypt(blob, int64(len(blob.data)), []age.Identity{newIdentity(t), identity})
		if err != nil || got != int64(size) {
			t.Fatalf("%d bytes: %d, %v", size, got, err)
		}
		if n := blob.reads.Load(); n > 2 {
			t.Errorf("%d bytes: opened with %d reads", size, n)
		}
		random := rand.New(rand.NewPCG(1, uint64(size)))
		var wait sync.WaitGroup
		for range 4 {
			seed := random.Uint64()
			wait.Go(func() { readRanges(t, p, plain, rand.New(rand.NewPCG(2, seed))) })
		}
		wait.Wait()
		blob.reads.Store(0)
		if err := equalRange(p, plain, 0, size); err != nil || blob.reads.Load() > 1 {
			t.Errorf("%d bytes: read whole with %d reads, %v", size, blob.reads.Load(), err)
		}
		if n, err := p.ReadAt(make([]byte, 10), int64(size)); n != 0 || err != io.EOF {
			t.Errorf("behind the end: %d, %v", n, err)
		}
		if n, err := p.ReadAt(make([]byte, size+10), 0); n != size || err != io.EOF {
			t.Errorf("over the end: %d, %v", n, err)
		}
	}
}

func readRanges(t *testing.T, p io.ReaderAt, plain []byte, random *rand.Rand) {
	for range 20 {
		from := random.IntN(len(plain) + 1)
		length := random.IntN(len(plain) - from + 1)
		if random.IntN(2) == 0 {
			length = min(length, 3000)
		}
		if err := equalRange(p, plain, from, length); err != nil {
			t.Errorf("%d bytes from %d: %v", length, from, err)
		}
	}
}

func equalRange(p io.ReaderAt, plain []byte, from, length int) error {
	b := make([]byte, length)
	if n, err := p.ReadAt(b, int64(from)); n < length {
		return err
	}
	if !bytes.Equal(b, plain[from:from+length]) {
		return errors.New("not what was encrypted")
	}
	return nil
}

// A header of fifty post-quantum recipients is longer than the first read.
func TestLongHeader(t *testing.T) {
	last := newHybrid(t)
	recipients := []age.Recipient{last.Recipient()}
	for range 49 {
		recipients = append(recipients, newHybrid(t).Recipient())
	}
	plain := content(10 * chunkSize)
	blob := &countedBlob{data: sealed(t, plain, recipients...)}
	p, _, err := Decrypt(blob, int64(len(blob.data)), []age.Identity{last})
	if err != nil {
		t.Fatal(err)
	}
	if err := equalRange(p, plain, 0, len(plain)); err != nil {
		t.Error(err)
	}
}

// Whatever byte is changed and wherever it is cut, nothing wrong is read. What
// speaks to the identity in the header may look like that of another one.
func TestDamagedCiphertext(t *testing.T) {
	identity := newIdentity(t)
	plain := content(3*chunkSize + 100)
	whole := sealed(t, plain, identity.Recipient())
	header := bytes.Index(whole, []byte("\n--- "))
	try := func(what string, at int, data []byte) {
		blob := &countedBlob{data: data}
		p, size, err := Decrypt(blob, int64(len(data)), []age.Identity{identity})
		if err == nil {
			_, err = p.ReadAt(make([]byte, size), 0)
		}
		if !errors.Is(err, snapshot.ErrDamaged) && !(at < header && errors.Is(err, ErrWrongIdentity)) {
			t.Errorf("%s at %d: %v", what, at, err)
		}
	}
	for at := 0; at < len(whole); at++ {
		if at > header+60 && at < len(whole)-40 && at%4999 != 0 {
			continue
		}
		for _, bit := range []byte{1, 0x80} { // 0x80: no longer ASCII
			damaged := bytes.Clone(whole)
			damaged[at] ^= bit
			try("changed", at, damaged)
		}
		try("cut", at, whole[:at])
	}
	try("longer", len(whole), append(bytes.Clone(whole), 0))
	chunks := len(whole) - len(plain) - 4*16
	swapped := bytes.Clone(whole)
	copy(swapped[chunks:], whole[chunks+sealedChunkSize:chunks+2*sealedChunkSize])
	copy(swapped[chunks+sealedChunkSize:], whole[chunks:chunks+sealedChunkSize])
	try("swapped chunks", chunks, swapped)
	try("without a chunk", chunks, append(bytes.Clone(whole[:chunks]), whole[chunks+sealedChunkSize:]...))
}

// An object that is shorter than it was listed is damaged; a failing store is
// a failing store.
func TestDecryptFails(t *testing.T) {
	identity := newIdentity(t)
	data := sealed(t, content(10*chunkSize), identity.Recipient())
	open := func(b *countedBlob, identities ...age.Identity) (bucket.Blob, error) {
		p, _, err := Decrypt(b, int64(len(data)), identities)
		return p, err
	}
	if _, err := open(&countedBlob{data: data[:len(data)-1]}, identity); !errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("short: %v", err)
	}
	broken := &countedBlob{data: data, err: bucket.ErrUnreachable}
	if _, err := open(broken, identity); !errors.Is(err, bucket.ErrUnreachable) || errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("open: %v", err)
	}
	broken.err = nil
	p, err := open(broken, identity)
	if err != nil {
		t.Fatal(err)
	}
	broken.err = bucket.ErrUnreachable
	if _, err := p.ReadAt(make([]byte, 100), 0); !errors.Is(err, bucket.ErrUnreachable) || errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("read: %v", err)
	}
	none := &countedBlob{data: data}
	if _, err := open(none); !errors.Is(err, ErrNoIdentity) || none.reads.Load() != 0 {
		t.Errorf("no identity: %v after %d reads", err, none.reads.Load())
	}
	if _, err := open(none, newIdentity(t), newHybrid(t)); !errors.Is(err, ErrWrongIdentity) {
		t.Errorf("wrong identities: %v", err)
	}
}
