package restore

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// A target that a rename cannot replace, or a place where nothing can be made,
// is refused before anything is fetched.
func TestRefusedEarly(t *testing.T) {
	source := newSource(t, "")
	tests := []struct {
		name   string
		reason error
		make   func(t *testing.T, path string) (target string)
		user   bool // as another user than root
		change func(*childOrder)
	}{
		{name: "exists", reason: ErrTargetExists, change: func(o *childOrder) { o.Replace = false }},
		{name: "hard link", reason: ErrCannotSwap, make: func(t *testing.T, path string) string {
			if err := os.Link(path, path+".other"); err != nil {
				t.Fatal(err)
			}
			return path
		}},
		{name: "mounted file", reason: ErrCannotSwap, make: func(t *testing.T, path string) string {
			sh(t, "mount", "--bind", path, path)
			t.Cleanup(func() { sh(t, "umount", path) })
			return path
		}},
		{name: "another owner", reason: ErrCannotSwap, user: true, make: func(t *testing.T, path string) string {
			if err := os.Chmod(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			return path
		}},
		{name: "read-only directory", reason: ErrTarget, user: true, make: func(t *testing.T, path string) string { return path }},
		{name: "read-only mount", reason: ErrTarget, make: func(t *testing.T, path string) string {
			dir := filepath.Dir(path)
			sh(t, "mount", "--bind", dir, dir)
			t.Cleanup(func() { sh(t, "umount", dir) })
			sh(t, "mount", "-o", "remount,bind,ro", dir)
			return path
		}},
		{name: "directory", reason: ErrTarget, make: func(t *testing.T, path string) string { return filepath.Dir(path) }},
		{name: "no directory", reason: ErrTarget, make: func(t *testing.T, path string) string { return filepath.Join(filepath.Dir(path), "none", "app.db") }},
		{name: "file on the way", reason: ErrTarget, make: func(t *testing.T, path string) string { return filepath.Join(path, "app.db") }},
		{name: "symlink to itself", reason: ErrTarget, make: func(t *testing.T, path string) string {
			if err := os.Symlink("loop", filepath.Join(filepath.Dir(path), "loop")); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(filepath.Dir(path), "loop")
		}},
		{name: "FIFO", reason: ErrTarget, make: func(t *testing.T, path string) string {
			sh(t, "mkfifo", path+".fifo")
			return path + ".fifo"
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// t.TempDir is not for another user's eyes.
			dir, err := os.MkdirTemp("", "lifeboat-refused-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "app.db")
			run(t, path, fillSQL(genOld))
			o := basicOrder(path, source)
			if test.make != nil {
				o.Target = test.make(t, path)
			}
			if test.change != nil {
				test.change(&o)
			}
			before := names(t, path)
			o.Steps = filepath.Join(t.TempDir(), "steps")
			if test.user {
				self := copySelf(t, dir)
				before = names(t, path)
				cmd := command(t, o)
				cmd.Path, cmd.Args = "/usr/bin/setpriv", []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", self}
				o.Steps = ""
				refusedCommand(t, withOrder(t, cmd, o), test.reason)
			} else {
				refusedWith(t, o, test.reason)
				if steps, err := os.ReadFile(o.Steps); err != nil || len(steps) > 0 {
					t.Errorf("steps were taken: %s (%v)", steps, err)
				}
			}
			if after := names(t, path); !slices.Equal(before, after) {
				t.Errorf("%v became %v", before, after)
			}
			mustLook(t, path, genOld)
		})
	}
}

// What is no regular file has no place beside a target, is not waited for, and
// is left alone.
func TestOddSidecars(t *testing.T) {
	needs.Time(t)
	source := newSource(t, "")
	kinds := map[string]func(t *testing.T, path string){
		"FIFO": func(t *testing.T, path string) { sh(t, "mkfifo", path) },
		"device": func(t *testing.T, path string) {
			if !needs.InNamespace(t) {
				sh(t, "mknod", path, "c", "1", "5")
				return
			}
			sh(t, "touch", path) // root of a namespace makes no devices, but mounts them
			sh(t, "mount", "--bind", "/dev/zero", path)
			t.Cleanup(func() { sh(t, "umount", path) })
		},
		"directory": func(t *testing.T, path string) { sh(t, "mkdir", path) },
		"symlink":   func(t *testing.T, path string) { sh(t, "ln", "-s", "/dev/zero", path) },
		"socket": func(t *testing.T, path string) {
			dir, err := os.Open(filepath.Dir(path))
			if err != nil {
				t.Fatal(err)
			}
			defer dir.Close()
			// The name of a socket has 108 bytes at most.
			l, err := net.Listen("unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
			if err != nil {
				t.Fatal(err)
			}
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			t.Cleanup(func() { l.Close() })
		},
	}
	for kind, make := range kinds {
		for _, suffix := range sidecarSuffixes {
			for _, how := range []string{"replace", "live", "absent"} {
				t.Run(kind+" as "+suffix+", "+how, func(t *testing.T) {
					path := makeOld(t, "")
					if how == "absent" {
						sh(t, "rm", path)
					}
					make(t, path+suffix)
					before := names(t, path)
					o := basicOrder(path, source)
					o.Replace, o.Live, o.Wait = how != "live", how == "live", time.Second
					if text := refusedWith(t, o, ErrTarget, "timeout", "600"); !strings.Contains(text, path+suffix+" is not a regular file") {
						t.Errorf("%s", text)
					}
					if after := names(t, path); !slices.Equal(before, after) {
						t.Errorf("%v became %v", before, after)
					}
				})
			}
		}
	}
}

// A FIFO that takes the place of a regular file after it was looked at is not
// waited for either.
func TestFIFOMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	sh(t, "mkfifo", path, path+"-wal", path+"-journal")
	x := target{path: path, sidecars: []string{"-wal", "-journal"}}
	if _, err := x.dirty(); !errors.Is(err, ErrTarget) {
		t.Errorf("dirty: %v", err)
	}
	if _, err := x.hot(); !errors.Is(err, ErrTarget) {
		t.Errorf("hot: %v", err)
	}
	if _, err := x.whole(); !errors.Is(err, ErrTarget) {
		t.Errorf("whole: %v", err)
	}
	if _, err := lease(path); !errors.Is(err, ErrTarget) {
		t.Errorf("hold: %v", err)
	}
	if err := copyFile(path+"-copy", path); !errors.Is(err, ErrTarget) {
		t.Errorf("copy: %v", err)
	}
}
