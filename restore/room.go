package restore

import (
	"path/filepath"
	"slices"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

// room returns the bytes that putting c in place of t needs on its disk. The
// old file, where it is swapped, is kept by a second name, which takes nothing.
func (c content) room(t target, o Options) int64 {
	need := max(c.size, c.peak) + 1<<20 // and what the file system and a journal's header take
	if t.info == nil {
		return need
	}
	old := t.info.Size()
	if !o.Live {
		if slices.Contains(t.sidecars, "-journal") {
			need += old // for a probe, on a copy, of a hot journal
		}
		return need
	}
	// Live: the pages go through the WAL, or the old ones into a journal.
	need += max(c.size, old)
	if !o.DiscardOld {
		need += old
	}
	return need
}

// checkRoom fails if the target's disk cannot take what is to come.
func (p *placement) checkRoom(t target) error {
	free, err := disk.Free(filepath.Dir(t.path))
	if err != nil {
		return err
	}
	if need := p.room(t, p.Options); free < need {
		return noRoom(t, need, free)
	}
	return nil
}

func noRoom(t target, need, free int64) error {
	return reason.Errorf(ErrNoRoom, nil, "the restore needs %d MiB in %s, which has %d MiB free", need>>20, filepath.Dir(t.path), free>>20)
}
