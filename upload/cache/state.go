package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A State is what this machine did last in a series.
type State struct {
	// Chain is the newest snapshot's object, and before it what that stands on, the
	// full one first.
	Chain []bucket.Object
	// Confirmed is when the newest was uploaded or confirmed.
	Confirmed time.Time
	// Released are the names of snapshots that were seen to be released, of those that
	// are still listed.
	Released []string
}

const (
	stateName = "state"
	// maxState bounds the state's file, in bytes: a name is 60 bytes, and hourly
	// snapshots that are kept for a year are 9,000.
	maxState = 1 << 20
)

// stateDocument is a State as its file has it.
type stateDocument struct {
	Place place `json:"series"`
	State `json:"state"`
}

// State returns what was done last. The error wraps ErrUnknown if that is not known, and
// is another one where it cannot be read or believed.
func (c *Cache) State() (s State, err error) {
	if c == nil {
		return s, ErrUnknown
	}
	f, err := c.openFile(stateName)
	if err != nil {
		return s, err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxState))
	if err = errors.Join(err, f.Close()); err != nil {
		return s, fmt.Errorf("read the state of the series in the cache: %w", err)
	}
	var d stateDocument
	length := len(seal(nil))
	if len(content) < length || !bytes.Equal(content[:length], seal(content[length:])) {
		return s, errors.New("the state of the series in the cache does not match its checksum")
	}
	if err := json.Unmarshal(content[length:], &d); err != nil {
		return s, fmt.Errorf("read the state of the series in the cache: %w", err)
	}
	if d.Place != c.place {
		return s, fmt.Errorf("the state in the cache is of the database %q in %s at %q", d.Place.Database, d.Place.URL, d.Place.Endpoint)
	}
	return d.State, nil
}

// ForgetState forgets what was done last, so that the next run asks the store: this
// machine has changed the series by another command than a backup.
func (c *Cache) ForgetState(ctx context.Context) error {
	if c == nil {
		return nil
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return disk.Wrap("forget the state of the series in the cache", err)
	}
	defer unlock()
	if err := os.Remove(filepath.Join(c.dir, stateName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return disk.Wrap("forget the state of the series in the cache", err)
	}
	return nil
}

// PutState keeps a state.
func (c *Cache) PutState(ctx context.Context, s State) error {
	if c == nil {
		return nil
	}
	text, err := json.Marshal(stateDocument{c.place, s})
	if err != nil {
		return err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return disk.Wrap("keep the state of the series in the cache", err)
	}
	defer unlock()
	return disk.Wrap("keep the state of the series in the cache", c.write(stateName, func(w io.Writer) error {
		_, err := w.Write(append(seal(text), text...))
		return err
	}))
}
