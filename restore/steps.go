package restore

import (
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// A step names one effect on the file system. Between two steps nothing
// changes there, so a process can die in as many different states as there
// are steps, and the tests kill it in each of them.
type step string

const (
	stepLock          step = "create the lock file"
	stepUnlock        step = "remove the lock file"
	stepSweepTemp     step = "remove a killed run's temp file"
	stepSweepBefore   step = "remove a killed run's second name of the target"
	stepTemp          step = "create the temp file"
	stepOwner         step = "set the temp file's owner"
	stepFill          step = "fill the temp file"
	stepMode          step = "set the temp file's mode"
	stepSyncTemp      step = "sync the temp file"
	stepRemoveTemp    step = "remove the temp file"
	stepTry           step = "try to open the target"
	stepProbe         step = "copy for a probe"
	stepRemoveProbe   step = "remove the probe"
	stepFold          step = "fold"
	stepTakeLease     step = "take the lease"
	stepSyncMain      step = "sync the target"
	stepUnlinkSidecar step = "unlink a sidecar"
	stepMoveSidecar   step = "move a sidecar aside"
	stepSyncAside     step = "sync the directory without sidecars"
	stepKeep          step = "link the target to its second name"
	stepSyncKept      step = "sync the directory with the second name"
	stepLease         step = "look at the lease"
	stepSwap          step = "rename the temp file over the target"
	stepLeaseAgain    step = "look at the lease again"
	stepPutBack       step = "rename the old file over the new one"
	stepDiscard       step = "remove the old file's second name"
	stepPlace         step = "rename the temp file to the absent target"
	stepSyncPlaced    step = "sync the directory with the new target"
	stepUndo          step = "take back"
	stepLiveLock      step = "lock the live target"
	stepLiveCopy      step = "copy the live target's content"
	stepLiveWrite     step = "write pages into the live target"
)

// A steps carries out the steps, and logs each with its time.
type steps struct {
	hook func(step)   // only tests set it
	log  *slog.Logger // nil discards
}

func (d steps) do(s step, effect func() error) error {
	if d.hook != nil {
		d.hook(s)
	}
	began := time.Now()
	err := effect()
	if d.log != nil {
		d.log.Debug("step: "+string(s), "ms", time.Since(began).Milliseconds())
	}
	return err
}

// remove unlinks a file. One that is not there is no error.
func (d steps) remove(s step, path string) error {
	return d.do(s, func() error {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	})
}

func (d steps) syncFile(s step, f *os.File) error {
	return d.do(s, func() error { return disk.Wrap("sync "+f.Name(), f.Sync()) })
}

// syncDir makes the names in a directory durable.
func (d steps) syncDir(s step, path string) error {
	return d.do(s, func() error { return disk.SyncDir(path) })
}

// renameNew renames a file to a name that is not taken, or fails with
// os.ErrExist. Where a death can leave both names, a later run removes the temp name.
func (d steps) renameNew(s step, from, to string) error {
	return d.do(s, func() error { return disk.RenameNew(from, to) })
}
