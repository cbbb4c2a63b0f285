package cache

import (
	"bytes"
	"testing"

	"filippo.io/age"
)

func recipients(t *testing.T, n int) []age.Recipient {
	t.Helper()
	var all []age.Recipient
	for range n {
		i, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, i.Recipient())
	}
	return all
}

// The same recipients and customer key have the same fingerprint, others another.
func TestFingerprint(t *testing.T) {
	r := recipients(t, 2)
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	key := bytes.Repeat([]byte{1}, 32)
	first := func(recipients []age.Recipient, key []byte) string {
		t.Helper()
		f, ok := Fingerprint(recipients, key)
		if !ok || f == "" {
			t.Fatal("no fingerprint")
		}
		return f
	}
	same := first(r, nil)
	for _, again := range [][]age.Recipient{{r[1], r[0]}, {r[0], r[1], r[0]}} {
		if first(again, nil) != same {
			t.Error("the same recipients have another fingerprint")
		}
	}
	seen := map[string]bool{}
	for _, f := range []string{same, first(nil, nil), first(r[:1], nil), first(r[1:], nil), first([]age.Recipient{hybrid.Recipient()}, nil),
		first(nil, key), first(r, key), first(nil, key[1:])} {
		if seen[f] {
			t.Error("two encryptions have the same fingerprint")
		}
		seen[f] = true
	}
}

// A recipient that does not tell its key has no fingerprint.
func TestNoFingerprint(t *testing.T) {
	secret, err := age.NewScryptRecipient("a passphrase")
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := Fingerprint([]age.Recipient{secret}, nil); ok {
		t.Errorf("it is %s", f)
	}
}
