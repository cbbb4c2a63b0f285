package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"

	"github.com/lifeboat-sqlite/lifeboat/upload/cache"
)

// publicKey returns a key as ssh-keygen writes it, without a comment.
func publicKey(t *testing.T, key any) string {
	t.Helper()
	public, err := ssh.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
}

// Recipients of every kind can be told from others, whatever stands beside the key.
func TestRecipientsAreKnownAgain(t *testing.T) {
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, line := range []string{x25519.Recipient().String(), hybrid.Recipient().String(), publicKey(t, edwards), publicKey(t, &large.PublicKey)} {
		fingerprint := func(text string) string {
			t.Helper()
			r, err := parseRecipients(text)
			if err != nil {
				t.Fatal(err)
			}
			f, ok := cache.Fingerprint(r, nil)
			if !ok {
				t.Errorf("%s has no fingerprint", line)
			}
			return f
		}
		f := fingerprint(line)
		if seen[f] {
			t.Errorf("%s has another one's fingerprint", line)
		}
		seen[f] = true
		again := "# a key\n " + line + " \n"
		if strings.HasPrefix(line, "ssh-") {
			again = "# a key\n" + line + " operator@example.com\n"
		}
		if fingerprint(again) != f {
			t.Errorf("%s has another fingerprint the second time", line)
		}
	}
}
