package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"
)

// Fingerprint returns what two snapshots have in common that are encrypted alike:
// for the same recipients, in whatever order, and with the same customer key (nil for
// none). It reveals neither. It reports false if a recipient is of a kind that does
// not tell its public key by a method String: whether it is the same as another one
// cannot be known.
func Fingerprint(recipients []age.Recipient, customerKey []byte) (string, bool) {
	var keys []string
	for _, r := range recipients {
		public, ok := r.(fmt.Stringer)
		if !ok {
			return "", false
		}
		keys = append(keys, public.String())
	}
	slices.Sort(keys)
	h := sha256.New()
	for _, key := range slices.Compact(keys) {
		fmt.Fprintf(h, "recipient %q\n", key)
	}
	if len(customerKey) > 0 {
		io.WriteString(h, "customer key ")
		h.Write(customerKey)
	}
	return hex.EncodeToString(h.Sum(nil)), true
}
