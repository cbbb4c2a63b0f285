package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// A shard is one of several parts of a configuration's databases, such as 3/8. The zero
// value is all of them.
type shard struct{ part, of uint64 }

// UnmarshalText implements encoding.TextUnmarshaler. The parts count from 0, as the
// completion index of a Kubernetes Job does, or from 1: the part 8/8 is 0/8.
func (s *shard) UnmarshalText(text []byte) error {
	part, of, _ := strings.Cut(string(text), "/")
	m, err := strconv.ParseUint(part, 10, 32)
	n, wrong := strconv.ParseUint(of, 10, 32)
	if err != nil || wrong != nil || n == 0 || m > n {
		return fmt.Errorf("%q is no shard such as 3/8: the parts are 0/8 to 7/8, or 1/8 to 8/8, where 8/8 is 0/8", text)
	}
	*s = shard{m % n, n}
	return nil
}

// has reports whether a series is in the shard. That depends on its bucket URL alone, so
// another database more or less moves none to another shard.
func (s shard) has(url string) bool {
	if s.of == 0 {
		return true
	}
	sum := sha256.Sum256([]byte(url))
	return binary.BigEndian.Uint64(sum[:])%s.of == s.part
}

// String returns the shard as it is written, "" for all.
func (s shard) String() string {
	if s.of == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.part, s.of)
}
