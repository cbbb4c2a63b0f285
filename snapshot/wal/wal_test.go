package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// made returns a WAL of the pages with these numbers, which leaves seven pages.
func made(pageSize int, numbers ...uint32) []byte {
	s, b := NewSealer(pageSize, Salt{1, 2, 3})
	for i, number := range numbers {
		commit := uint32(0)
		if i == len(numbers)-1 {
			commit = 7
		}
		b = seal(s, b, number, bytes.Repeat([]byte{byte(number)}, pageSize), commit)
	}
	return b
}

// seal appends a frame to b.
func seal(s *Sealer, b []byte, number uint32, content []byte, commit uint32) []byte {
	start := len(b)
	b = append(binary.BigEndian.AppendUint32(b, number), make([]byte, FrameHeaderSize-4)...)
	b = append(b, content...)
	s.Seal(b[start:], commit)
	return b
}

// read reads a WAL that leaves seven pages, and makes another of what it has read.
func read(b []byte, pageSize int) (again []byte, err error) {
	var s *Sealer
	var number uint32
	var last []byte
	r := NewReader(pageSize, 7)
	err = r.Read(b, func(n uint32, content []byte) error {
		if s == nil {
			s, again = NewSealer(pageSize, r.salt)
		} else {
			again = seal(s, again, number, last, 0)
		}
		number, last = n, content
		return nil
	})
	if err == nil {
		err = r.Close()
	}
	if err == nil {
		again = seal(s, again, number, last, 7)
	}
	return again, err
}

func TestReadWhatWasWritten(t *testing.T) {
	b := made(512, 1, 3, 5)
	again, err := read(b, 512)
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("%d bytes are read as %d: %v", len(b), len(again), err)
	}
}

func TestPagesInPieces(t *testing.T) {
	b := made(512, 1, 3, 5)
	r := NewReader(512, 7)
	var numbers []uint32
	note := func(number uint32, _ []byte) error { numbers = append(numbers, number); return nil }
	for _, piece := range [][]byte{b[:HeaderSize], b[HeaderSize:][:FrameHeaderSize+512], b[HeaderSize+FrameHeaderSize+512:]} {
		if err := r.Read(piece, note); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil || len(numbers) != 3 || numbers[2] != 5 {
		t.Errorf("pages %v, %v", numbers, err)
	}
	stop := errors.New("stop")
	if err := NewReader(512, 7).Read(b, func(uint32, []byte) error { return stop }); err != stop {
		t.Errorf("the error of a page: %v", err)
	}
}

func TestRefuses(t *testing.T) {
	good := made(512, 1, 3, 5)
	frame := FrameHeaderSize + 512
	for name, b := range map[string][]byte{
		"nothing":            nil,
		"a cut header":       good[:20],
		"no page":            good[:HeaderSize],
		"a cut frame":        good[:len(good)-1],
		"no end":             good[:len(good)-frame],
		"more behind":        append(bytes.Clone(good), good[HeaderSize:][:frame]...),
		"frames out of turn": append(append(bytes.Clone(good[:HeaderSize]), good[HeaderSize+frame:][:frame]...), good[HeaderSize:][:frame]...),
	} {
		if _, err := read(b, 512); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 0x10
		if _, err := read(b, 512); err == nil {
			t.Errorf("byte %d flipped: taken", i)
		}
	}
	for name, numbers := range map[string][]uint32{
		"the page that SQLite never uses": {uint32(LockPage(512))}, "a page twice": {5, 5}, "a page beyond the end": {8}, "page 0": {0},
	} {
		if _, err := read(made(512, numbers...), 512); err == nil || !strings.Contains(err.Error(), "out of place") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Any bytes: refused, or what a Writer writes.
func FuzzRead(f *testing.F) {
	f.Add(made(512, 1, 3, 5))
	f.Add(made(512, 1, 3, 5)[:HeaderSize])
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := read(b, 512)
		if err == nil && !bytes.Equal(again, b) {
			t.Errorf("%x is read as %x", b, again)
		}
	})
}
