package series

import (
	"strings"
	"testing"
	"unicode"
)

// A tag holds any name that is not too long, in the few characters that every
// store takes.
func FuzzTag(f *testing.F) {
	for _, s := range []string{"", "app.db", "my app.db", "a=b%c", "é\xff\x00", "=41", "=3D", "=3d", "=+1", strings.Repeat("a", 257), strings.Repeat("=C3", 86)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if value, err := EncodeTag(s); err == nil {
			if back, err := DecodeTag(value); err != nil || back != s {
				t.Errorf("%q is encoded as %q, decoded as %q, %v", s, value, back, err)
			}
			for _, c := range value {
				if c > 127 || !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("+-=._:/@", c) {
					t.Errorf("%q is encoded as %q", s, value)
				}
			}
			if len(value) > maxTag {
				t.Errorf("%q has %d characters", value, len(value))
			}
		} else if 3*len(s) <= maxTag {
			t.Errorf("%q: %v", s, err)
		}
		if name, err := DecodeTag(s); err == nil && len(s) <= maxTag {
			if again, err := EncodeTag(name); err != nil || again != s {
				t.Errorf("%q is decoded as %q, encoded as %q, %v", s, name, again, err)
			}
		}
	})
}
