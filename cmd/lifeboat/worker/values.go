package worker

import (
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"math"
)

// Values of SQLite's on their way: a letter for the type, and then nothing, eight bytes,
// or a length and as many bytes. JSON has no blobs, nor texts that are not UTF-8.
const (
	valueNull    = 'n'
	valueInteger = 'i'
	valueReal    = 'f'
	valueText    = 't'
	valueBlob    = 'b'
)

// encodeRow appends values.
func encodeRow(buf []byte, values []driver.Value) []byte {
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			buf = append(buf, valueNull)
		case int64:
			buf = binary.BigEndian.AppendUint64(append(buf, valueInteger), uint64(v))
		case float64:
			buf = binary.BigEndian.AppendUint64(append(buf, valueReal), math.Float64bits(v))
		case string:
			buf = append(binary.AppendUvarint(append(buf, valueText), uint64(len(v))), v...)
		case []byte:
			buf = append(binary.AppendUvarint(append(buf, valueBlob), uint64(len(v))), v...)
		default:
			panic(fmt.Sprintf("a value of type %T", v))
		}
	}
	return buf
}

// decodeRow fills row, and returns what comes after it.
func decodeRow(buf []byte, row []driver.Value) (rest []byte, err error) {
	for i := range row {
		var size int
		if row[i], size, err = decode(buf); err != nil {
			return nil, err
		}
		buf = buf[size:]
	}
	return buf, nil
}

// decode returns the first value and its size.
func decode(buf []byte) (v driver.Value, size int, err error) {
	if len(buf) == 0 {
		return nil, 0, errMessage
	}
	kind, rest := buf[0], buf[1:]
	switch kind {
	case valueNull:
		return nil, 1, nil
	case valueInteger, valueReal:
		if len(rest) < 8 {
			return nil, 0, errMessage
		}
		bits := binary.BigEndian.Uint64(rest)
		if kind == valueReal {
			return math.Float64frombits(bits), 9, nil
		}
		return int64(bits), 9, nil
	case valueText, valueBlob:
		length, n := binary.Uvarint(rest)
		if n <= 0 || length > uint64(len(rest)-n) {
			return nil, 0, errMessage
		}
		content := rest[n : n+int(length)]
		if kind == valueText {
			return string(content), 1 + n + len(content), nil
		}
		return append([]byte{}, content...), 1 + n + len(content), nil
	}
	return nil, 0, errMessage
}
