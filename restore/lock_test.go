package restore

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// Never two hold the lock, although each removes its file.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var holders, taken, refused atomic.Int64
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 5000 {
				l, err := takeLock(steps{}, path)
				if errors.Is(err, ErrRestoring) {
					refused.Add(1)
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				taken.Add(1)
				if holders.Add(1) != 1 {
					t.Error("two hold the lock")
				}
				for range 20 { // long enough for another to come
					runtime.Gosched()
				}
				holders.Add(-1)
				if err := l.release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if taken.Load() == 0 || refused.Load() == 0 {
		t.Errorf("taken %d times, refused %d times", taken.Load(), refused.Load())
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock file is left over: %v", err)
	}
}

// A database that appears at an absent target at the last moment is left alone,
// and so are the sidecars that had been moved aside.
func TestCreatedMeanwhile(t *testing.T) {
	source := newSource(t, "")
	for _, sidecars := range []bool{false, true} {
		dir := t.TempDir()
		path := filepath.Join(dir, "app.db")
		if sidecars {
			write(t, path+"-journal", garbage(100))
		}
		o := basicOrder(path, source)
		options := o.options()
		SetHook(&options, func(s string) {
			if s == string(stepPlace) {
				write(t, path, garbage(200))
			}
		})
		if _, err := place(t.Context(), path, o.content(), options); !errors.Is(err, ErrTargetExists) {
			t.Fatal(err)
		}
		files := readDir(t, dir)
		if string(files["app.db"]) != string(garbage(200)) || sidecars != (string(files["app.db-journal"]) == string(garbage(100))) || len(files) != map[bool]int{false: 1, true: 2}[sidecars] {
			t.Errorf("sidecars %v: %d files", sidecars, len(files))
		}
	}
}
