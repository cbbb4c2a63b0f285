package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"

	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// recipientFlags are the public keys that a backup encrypts to.
type recipientFlags struct {
	AgeRecipient     []string `sep:"none" placeholder:"age1..." group:"Encryption" help:"Encrypt to this public key (age or ssh); repeatable."`
	AgeRecipientFile []string `sep:"none" placeholder:"FILE" group:"Encryption" help:"Encrypt to the public keys in this file, one per line."`
}

// recipients returns the recipients of all flags.
func (f recipientFlags) recipients() ([]age.Recipient, error) {
	var all []age.Recipient
	for _, text := range f.AgeRecipient {
		found, err := parseRecipients(text)
		if err != nil {
			return nil, usage("--age-recipient: %w", err)
		}
		all = append(all, found...)
	}
	for _, path := range f.AgeRecipientFile {
		text, err := readKeys("--age-recipient-file", path)
		if err != nil {
			return nil, err
		}
		found, err := parseRecipients(string(text))
		if err != nil {
			return nil, usage("--age-recipient-file %s: %w", path, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// identityFlag is the private keys that decrypt snapshots.
type identityFlag struct {
	AgeIdentity []string `sep:"none" placeholder:"FILE" help:"Private key file to decrypt with; repeatable."`
}

// identities returns the identities in all files.
func (f identityFlag) identities() ([]age.Identity, error) {
	var all []age.Identity
	for _, path := range f.AgeIdentity {
		text, err := readKeys("--age-identity", path)
		if err != nil {
			return nil, err
		}
		found, err := parseIdentities(text)
		if err != nil {
			return nil, usage("--age-identity %s: %w", path, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// warnPlain warns that a snapshot is not encrypted although the user gave an
// identity: anyone with the right to upload can put an unencrypted one there.
func (f identityFlag) warnPlain(c *console, s series.Snapshot) {
	if len(f.AgeIdentity) > 0 && !s.Encrypted {
		c.log.Warn("an identity is given, but this snapshot is not encrypted", "snapshot", s.ID)
	}
}

// readKeys reads a file of keys. It never prints a key that was given in place of
// the file's name.
func readKeys(flag, path string) ([]byte, error) {
	if isSecret(path) {
		return nil, usage("%s takes the name of a file, and was given a private key", flag)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usage("%s: %w", flag, err)
	}
	return text, nil
}

func isSecret(s string) bool {
	s = strings.ToUpper(s)
	return strings.Contains(s, "AGE-SECRET-KEY-") || strings.Contains(s, "PRIVATE KEY-")
}

// withoutSecret returns the text, which may quote the command line, unless a
// private key is in it.
func withoutSecret(text string) string {
	if isSecret(text) {
		return "the command line takes names of files and public keys, and was given a private key"
	}
	return text
}

// keyLines calls parse for each line that is neither empty nor a comment. It does
// not pass on the parsers' errors: those may quote a secret.
func keyLines(text string, parse func(line string) error, wrong string) error {
	n := 0
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		n++
		if parse(line) != nil {
			return fmt.Errorf("line %d is %s", i+1, wrong)
		}
	}
	if n == 0 {
		return errors.New("there is no key")
	}
	return nil
}

// parseRecipients reads public keys, one a line, as the age tool writes and
// takes them.
func parseRecipients(text string) (all []age.Recipient, err error) {
	if isSecret(text) {
		return nil, errors.New("it holds a private key: a backup needs only the public one, which age-keygen -y prints")
	}
	return all, keyLines(text, func(line string) error {
		r, err := parseRecipient(line)
		all = append(all, r)
		return err
	}, "not an age recipient (age1...) or an ssh public key (ssh-ed25519, ssh-rsa)")
}

func parseRecipient(line string) (age.Recipient, error) {
	switch {
	case strings.HasPrefix(line, "ssh-"):
		return parseSSHRecipient(line)
	case strings.HasPrefix(line, "age1pq1"):
		return age.ParseHybridRecipient(line)
	}
	return age.ParseX25519Recipient(line)
}

// An sshRecipient tells its public key, which those of package agessh do not: only of
// recipients that are known to be the same can a snapshot stand on another one.
type sshRecipient struct {
	age.Recipient
	public string
}

// String returns the public key without its comment.
func (r sshRecipient) String() string { return r.public }

func parseSSHRecipient(line string) (age.Recipient, error) {
	r, err := agessh.ParseRecipient(line)
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, err
	}
	return sshRecipient{r, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))}, nil
}

// parseIdentities reads a file as age-keygen or ssh-keygen writes it.
func parseIdentities(text []byte) (all []age.Identity, err error) {
	switch trimmed := bytes.TrimSpace(text); {
	case bytes.HasPrefix(trimmed, []byte("age-encryption.org/")), bytes.HasPrefix(trimmed, []byte("-----BEGIN AGE ENCRYPTED FILE-----")):
		return nil, errors.New("it has a passphrase: decrypt it with age -d into a file that only you can read, and give that")
	case bytes.HasPrefix(trimmed, []byte("-----BEGIN")):
		return parseSSHIdentity(text)
	}
	return all, keyLines(string(text), func(line string) error {
		i, err := parseIdentity(line)
		all = append(all, i)
		return err
	}, "not an age identity (AGE-SECRET-KEY-...)")
}

func parseIdentity(line string) (age.Identity, error) {
	if strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1") {
		return age.ParseHybridIdentity(line)
	}
	return age.ParseX25519Identity(line)
}

func parseSSHIdentity(text []byte) ([]age.Identity, error) {
	i, err := agessh.ParseIdentity(text)
	if locked := (*ssh.PassphraseMissingError)(nil); errors.As(err, &locked) {
		return nil, errors.New("it has a passphrase: ssh-keygen -p takes it off a copy that only you can read, and give that")
	}
	if err != nil {
		return nil, errors.New("not an ssh private key of the kind ed25519 or rsa")
	}
	return []age.Identity{i}, nil
}
