package snapshot

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite"
)

func FuzzManifest(f *testing.F) {
	b := seedArchive(f, 1, 512)
	text := b[bytes.Index(b, []byte(`{"format"`)):]
	text = text[:bytes.LastIndexByte(text, '}')+1]
	f.Add(text)
	for _, change := range [][2]string{{`"format":1`, `"format":2`}, {`"format":1`, `"format":1,"next":[{}]`}, {`"page_count":1`, `"page_count":4294967297`},
		{`"size":512`, `"size":-512`}, {`"page_count":1`, `"Page_Count":2`}, {`"full"`, `"delta"`}, {`lb1:`, `lb2:`}} {
		f.Add([]byte(strings.Replace(string(text), change[0], change[1], 1)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		own := sha256.Sum256(text)
		m, err := decodeManifest(append(own[:], text...))
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewerFormat) {
				t.Errorf("not said to be damaged: %v", err)
			}
			return
		}
		_, bad := ParseID(string(m.ID))
		if m.Format != formats[m.Kind] || bad != nil || len(text) > maxManifest || !sqlite.ValidPageSize(m.PageSize) ||
			m.PageCount < 1 || m.PageCount > 1<<32-1 || m.Size != int64(m.PageCount)*int64(m.PageSize) {
			t.Errorf("taken: %+v", m)
		}
		payload, err := m.encode()
		if err != nil {
			return // longer than what it was read from, by its escapes
		}
		again, err := decodeManifest(payload)
		if err != nil || !again.Created.Equal(m.Created) {
			t.Fatalf("what was read and written cannot be read: %v", err)
		}
		if again.Created, again.hash = m.Created, m.hash; again != m {
			t.Errorf("%+v is read again as %+v", m, again)
		}
	})
}

func FuzzSeekTable(f *testing.F) {
	for _, entries := range [][]seekEntry{nil, {{1, 0}}, {{frameSize, frameSize}, {300, 512}, {44, 0}}, {{maxFrame + 1, 1}}, {{1 << 31, 0}, {1 << 31, 0}}} {
		f.Add(appendSeekTable(nil, entries), int64(0))
		f.Add(appendSeekTable(nil, entries), int64(4<<30))
	}
	f.Fuzz(func(t *testing.T, tail []byte, before int64) {
		end := int64(len(tail))
		if before > 0 && before < 1<<50 {
			end += before
		}
		n, err := seekTableSize(tail, end)
		if err != nil || n > int64(len(tail)) {
			return
		}
		table := tail[int64(len(tail))-n:]
		entries, err := parseSeekTable(table)
		if err != nil {
			return
		}
		if !bytes.Equal(appendSeekTable(nil, entries), table) {
			t.Errorf("%x is read as %v", table, entries)
		}
		frames, err := layOut(entries, end-n)
		if err != nil {
			return
		}
		var at int64
		for i, frame := range frames {
			if frame.offset != at || frame.content > maxContent || frame.content > 0 && frame.length > maxFrame {
				t.Errorf("frame %d: %+v", i, frame)
			}
			at += int64(frame.length)
		}
		if at != end-n {
			t.Errorf("frames end at %d, not at %d", at, end-n)
		}
	})
}

func FuzzParseID(f *testing.F) {
	for _, id := range []string{"20261123T201500Z-3f9c2a", "20240229T235959Z-000000", "20230229T000000Z-000000", "99991231T235959Z-ffffff",
		"00010101T000000Z-000000", "20261123T20150,Z-3f9c2a", "20261123T2015.0Z-3f9c2a", "20261123T201500Z-3F9C2A", "", "-", "20261123T201560Z-3f9c2a"} {
		f.Add(id, "20261123T201501Z-3f9c2a")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		first, err := ParseID(a)
		if err != nil {
			return
		}
		if string(first) != a || len(a) != 23 || first.Time().Format("20060102T150405Z") != a[:16] || strings.Trim(a[17:], "0123456789abcdef") != "" {
			t.Errorf("%q is taken for %s", a, first.Time())
		}
		if second, err := ParseID(b); err == nil && a < b && first.Time().After(second.Time()) {
			t.Errorf("%s sorts before %s and is later", a, b)
		}
	})
}

func FuzzHeader(f *testing.F) {
	b := seedArchive(f, 1, 512)
	plain, err := stock(b, 512)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain[:sqlite.HeaderSize])
	f.Add(plain[:sqlite.HeaderSize-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := sqlite.ParseHeader(b)
		if err != nil {
			if h != (sqlite.Header{}) {
				t.Errorf("%+v beside an error", h)
			}
			return
		}
		if !sqlite.ValidPageSize(h.PageSize) || h.PageCount < 0 || h.Size() < 0 || h.WAL != (h.JournalMode() == "wal") {
			t.Errorf("taken: %+v", h)
		}
	})
}
