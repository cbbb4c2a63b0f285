package snapshot

import "encoding/binary"

const (
	skippableMagic = 0x184D2A5B // of Lifeboat's own frames
	seekTableMagic = 0x184D2A5E
	seekFootMagic  = 0x8F92EAB1

	skippableHead = 8 // magic and length
	tagSize       = 4
	seekEntrySize = 8
	seekFootSize  = 9
	tableEntry    = 2 * 32

	tagPages    = "LBpd" // page digests, of a full snapshot
	tagChanged  = "LBpn" // page numbers and page digests, of a differential
	tagTable    = "LBft"
	tagManifest = "LBmf"

	// maxUnknown bounds the frames that a later version may write, each of which
	// can cost a read.
	maxUnknown = 500

	// maxTable and maxSeekTable bound what is read of an object before anything
	// in it is verified: a frame table for 4 TiB of database, and a seek table
	// that lists as many frames and 1,000 others.
	maxTable     = 64 << 20
	maxSeekTable = (maxTable/tableEntry + 1000) * seekEntrySize

	// maxPagesInFrame bounds one frame of page digests to 32 MiB. Every frame
	// of every page size has a whole number of pages that divides it.
	maxPagesInFrame = 2 << 20
)

// seekEntry is one frame as the seek table lists it, sizes in bytes.
type seekEntry struct{ compressed, content uint32 }

// skippableHeader returns what stands before the payload of one of
// Lifeboat's own frames: magic number, length, tag.
func skippableHeader(tag string, payload int) []byte {
	b := make([]byte, 0, skippableHead+tagSize)
	b = binary.LittleEndian.AppendUint32(b, skippableMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(tagSize+payload))
	return append(b, tag...)
}

// skippablePayload returns the payload of frame, if it is a whole frame of
// Lifeboat's with that tag.
func skippablePayload(frame []byte, tag string) ([]byte, bool) {
	head := skippableHead + tagSize
	if len(frame) < head || string(frame[:head]) != string(skippableHeader(tag, len(frame)-head)) {
		return nil, false
	}
	return frame[head:], true
}

// isSkippable reports whether a frame of that length, of which the beginning is
// given, is a whole skippable one, of whatever kind (RFC 8878, 3.1.2).
func isSkippable(head []byte, length int) bool {
	return length >= skippableHead && binary.LittleEndian.Uint32(head)&^0xf == 0x184D2A50 &&
		int64(binary.LittleEndian.Uint32(head[4:])) == int64(length)-skippableHead
}

// appendSeekTable appends the seek table's frame to dst.
func appendSeekTable(dst []byte, entries []seekEntry) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, seekTableMagic)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(entries)*seekEntrySize+seekFootSize))
	for _, e := range entries {
		dst = binary.LittleEndian.AppendUint32(dst, e.compressed)
		dst = binary.LittleEndian.AppendUint32(dst, e.content)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(entries)))
	dst = append(dst, 0) // descriptor: no checksums
	return binary.LittleEndian.AppendUint32(dst, seekFootMagic)
}

// seekTableSize reads the last bytes of an archive of that size and returns
// the length of the seek table's frame.
func seekTableSize(tail []byte, size int64) (int64, error) {
	if len(tail) < seekFootSize {
		return 0, damaged("too short to be an archive")
	}
	foot := tail[len(tail)-seekFootSize:]
	if binary.LittleEndian.Uint32(foot[5:]) != seekFootMagic {
		return 0, damaged("no seek table at the end: not an archive of Lifeboat's, or cut short")
	}
	if foot[4] != 0 {
		return 0, damaged("seek table has an unknown descriptor %#x", foot[4])
	}
	n := int64(binary.LittleEndian.Uint32(foot))*seekEntrySize + skippableHead + seekFootSize
	if n > size || n > maxSeekTable {
		return 0, damaged("seek table is longer than the archive, or than any database needs")
	}
	return n, nil
}

// parseSeekTable reads a whole seek table's frame.
func parseSeekTable(frame []byte) ([]seekEntry, error) {
	if binary.LittleEndian.Uint32(frame) != seekTableMagic || int(binary.LittleEndian.Uint32(frame[4:])) != len(frame)-skippableHead {
		return nil, damaged("seek table has a wrong header")
	}
	list := frame[skippableHead : len(frame)-seekFootSize]
	entries := make([]seekEntry, 0, len(list)/seekEntrySize)
	for ; len(list) > 0; list = list[seekEntrySize:] {
		entries = append(entries, seekEntry{binary.LittleEndian.Uint32(list), binary.LittleEndian.Uint32(list[4:])})
	}
	return entries, nil
}
