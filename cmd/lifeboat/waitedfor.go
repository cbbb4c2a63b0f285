package main

import "sync"

// waitedFor are the places that a run over many databases has found down, after waiting
// for --retry-for: it does not wait so long again for each further database. The nil
// pointer is that of a run over one.
type waitedFor struct {
	mu   sync.Mutex
	down map[placeKey]bool
}

// A placeKey is what the places of different databases have in common where they are down
// together.
type placeKey struct {
	profile, bucket, dir string
	forNewer             bool // asked only for a newer snapshot, without --retry-for
}

func (r *restoreCmd) placeKey() placeKey {
	return placeKey{profile: r.profile, bucket: r.URL.Bucket, dir: r.URL.Dir}
}

func (w *waitedFor) has(place placeKey) bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.down[place]
}

func (w *waitedFor) note(place placeKey, down bool) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down[place] = down
}
