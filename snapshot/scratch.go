package snapshot

// A Scratch is a private directory (0700) for files of one run. If the process
// is killed, the next run on the same parent removes it: a backup as well as
// whoever else calls NewScratch.
type Scratch struct{ dir *tempDir }

// NewScratch makes one under parent ("" is os.TempDir), if need bytes are free
// there; else the error wraps ErrNoRoom.
func NewScratch(parent string, need int64) (*Scratch, error) {
	dir, err := newTempDir(parent, need)
	if err != nil {
		return nil, err
	}
	return &Scratch{dir}, nil
}

// Path returns the directory.
func (s *Scratch) Path() string { return s.dir.path }

// Close removes the directory with all that is in it.
func (s *Scratch) Close() error { return s.dir.remove() }
