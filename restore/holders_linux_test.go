package restore

import (
	"errors"
	"path/filepath"
	"testing"
)

// Where this process cannot tell which files it has open, a live restore does not
// open the target, unless it may take it as closed: that would drop the locks of
// a connection of this process.
func TestLiveWithoutProc(t *testing.T) {
	was := ownFiles
	defer func() { ownFiles = was }()
	path := filepath.Join(t.TempDir(), "app.db")
	run(t, path, fillSQL(genOld))
	o := liveOrder(path, newSource(t, ""), true)
	ownFiles = filepath.Join(t.TempDir(), "proc", "self", "fd")
	if _, err := place(t.Context(), path, o.content(), o.options()); !errors.Is(err, ErrUncertain) {
		t.Errorf("got %v", err)
	}
	mustLook(t, path, genOld)
	o.AssumeClosed = true
	if _, err := place(t.Context(), path, o.content(), o.options()); err != nil {
		t.Error(err)
	}
	mustLook(t, path, genNew)
}
