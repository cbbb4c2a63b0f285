package main

import (
	"sync"

	"filippo.io/age"
	"filippo.io/age/agessh"
)

// A witness knows which of some identities has read last.
type witness struct {
	mu   sync.Mutex
	last age.Identity
}

// watch returns the identities, each of which the witness sees read.
func (w *witness) watch(identities []age.Identity) []age.Identity {
	var all []age.Identity
	for _, i := range identities {
		all = append(all, watched{i, w})
	}
	return all
}

// recipient returns the public key of the identity that has read last, nil if none has.
func (w *witness) recipient() age.Recipient {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch i := w.last.(type) {
	case *age.X25519Identity:
		return i.Recipient()
	case *age.HybridIdentity:
		return i.Recipient()
	case *agessh.Ed25519Identity:
		return i.Recipient()
	case *agessh.RSAIdentity:
		return i.Recipient()
	}
	return nil
}

// A watched identity tells the witness when it has read.
type watched struct {
	age.Identity
	witness *witness
}

// Unwrap implements age.Identity.
func (i watched) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	key, err := i.Identity.Unwrap(stanzas)
	if err == nil {
		i.witness.mu.Lock()
		defer i.witness.mu.Unlock()
		i.witness.last = i.Identity
	}
	return key, err
}
