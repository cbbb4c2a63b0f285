package restore

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// makeOld makes a clean database of the old generation.
func makeOld(t testing.TB, pragmas string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	run(t, path, pragmas+fillSQL(genOld))
	return path
}

// names lists what is in the directory of path.
func names(t testing.TB, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func basicOrder(target, source string) childOrder {
	return childOrder{Target: target, Source: source, PageSize: 4096, WAL: true, ID: testID, Replace: true}
}

// A target that another process has open, in whatever way, is left alone.
func TestOpenElsewhere(t *testing.T) {
	source := newSource(t, "")
	namespace := []string{"unshare", "--pid", "--fork", "--mount-proc"}
	for _, mode := range []string{"WAL", "DELETE"} {
		for how := range maps.All(openings) {
			for _, where := range []string{"", "another PID namespace", "this one seen from another"} {
				if where != "" && how != "idle" {
					continue
				}
				t.Run(strings.TrimSpace(mode+" "+how+" "+where), func(t *testing.T) {
					var holds, restores []string
					switch where {
					case "another PID namespace":
						holds = namespace
					case "this one seen from another":
						restores = namespace
					}
					path := makeOld(t, "PRAGMA journal_mode="+mode+";")
					h := holdOpen(t, path, how, holds...)
					before := readDir(t, filepath.Dir(path))
					text := refusedWith(t, basicOrder(path, source), ErrTargetOpen, restores...)
					if restores == nil && !strings.Contains(text, "(pid ") {
						t.Errorf("it names no process that has it open: %s", text)
					}
					if holds == nil && restores == nil && !strings.Contains(text, fmt.Sprintf("(pid %d)", h.cmd.Process.Pid)) {
						t.Errorf("it does not name process %d: %s", h.cmd.Process.Pid, text)
					}
					if holds == nil && restores == nil && strings.Count(text, "(pid ") != 1 {
						t.Errorf("it names more than the one that has it open: %s", text)
					}
					if !maps.EqualFunc(before, readDir(t, filepath.Dir(path)), func(a, b []byte) bool { return string(a) == string(b) }) {
						t.Error("a file was changed")
					}
					h.end()
					restored(t, basicOrder(path, source))
					mustLook(t, path, genNew)
				})
			}
		}
	}
	t.Run("a file that is merely read", func(t *testing.T) {
		path := makeOld(t, "")
		holdOpen(t, path, "read-only file")
		refusedWith(t, basicOrder(path, source), ErrTargetOpen)
		mustLook(t, path, genOld)
	})
	t.Run("this process", func(t *testing.T) {
		path := makeOld(t, "")
		c := mustOpen(path)
		if err := c.Exec(t.Context(), "BEGIN IMMEDIATE; UPDATE account SET balance = 0"); err != nil {
			t.Fatal(err)
		}
		o := basicOrder(path, source)
		_, err := place(t.Context(), path, o.content(), o.options())
		if !errors.Is(err, ErrTargetOpen) {
			t.Fatalf("got %v", err)
		}
		// Had the target been opened and closed, the connection's locks were gone.
		out, err := exec.Command("sqlite3", path, "DELETE FROM account").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "locked") {
			t.Fatalf("another process could write: %v %s", err, out)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// A process that comes between two steps is noticed, and everything is as it was.
func TestOpenMeanwhile(t *testing.T) {
	needs.Time(t)
	source := newSource(t, "")
	for _, when := range []step{stepFill, stepSyncTemp, stepSyncMain, stepKeep, stepSyncKept, stepLease, stepSwap} {
		for _, s := range states {
			if s.absent || s.link || s.discard && when != stepLease && when != stepSwap || s.name == "super-journal" || !slices.Contains(s.steps, when) {
				continue
			}
			t.Run(string(when)+", "+s.name, func(t *testing.T) {
				x := s.make(t)
				o := x.order(source)
				options := o.options()
				var late *exec.Cmd
				var out strings.Builder
				SetHook(&options, func(s string) {
					if s != string(when) || late != nil {
						return
					}
					// Opening with O_NONBLOCK shows in the lease at once. The
					// sqlite3 that follows waits until the lease is released.
					late = exec.Command("sqlite3", x.db, "SELECT count(*) FROM sqlite_schema")
					if when == stepFill || when == stepSyncTemp {
						holdOpen(t, x.db, "read-only file")
						return
					}
					opener := exec.Command("dd", "if="+x.db, "of=/dev/null", "iflag=nonblock", "count=1")
					if text, err := opener.CombinedOutput(); err == nil || !strings.Contains(string(text), "temporarily unavailable") {
						t.Errorf("the lease did not stop an open: %v %s", err, text)
					}
					if !x.damaged {
						late.Stdout, late.Stderr = &out, &out
						if err := late.Start(); err != nil {
							t.Error(err)
							return
						}
						// Later it might find the new database, before that is taken back.
						await.That(t, func() bool { return opening(late.Process.Pid) })
					}
				})
				_, err := place(t.Context(), x.target, o.content(), options)
				if !errors.Is(err, ErrTargetOpen) {
					t.Fatalf("got %v", err)
				}
				if late.Process != nil {
					if err := late.Wait(); err != nil || out.String() != "1\n" {
						t.Fatalf("the application that waited: %v %s", err, out.String())
					}
				}
				x.checkWhole(t)
				for name, b := range readDir(t, x.dir) {
					old, was := x.old[name]
					if !was || x.damaged && string(old) != string(b) {
						t.Errorf("%s is left over or changed", name)
					}
				}
			})
		}
	}
}

// opening reports whether a process sleeps in an open, as it does until a lease ends.
// Where the kernel does not tell, it counts as one that does.
func opening(pid int) bool {
	call, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	state, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.HasPrefix(string(call), fmt.Sprint(unix.SYS_OPENAT, " ")) && strings.Contains(string(state), ") S ")
}

// A process that comes between the fold and the lease, writes, and dies: what
// it has written belongs to the old content.
func TestWrittenMeanwhile(t *testing.T) {
	source := newSource(t, "")
	for name, pragmas := range map[string]string{"WAL": "PRAGMA journal_mode=WAL;", "journal": "PRAGMA journal_mode=DELETE;"} {
		t.Run(name, func(t *testing.T) {
			path := makeOld(t, pragmas)
			o := basicOrder(path, source)
			options := o.options()
			holds := 0
			SetHook(&options, func(s string) {
				if s != string(stepTakeLease) {
					return
				}
				if holds++; holds > 2 {
					return
				}
				// A hot journal, or a WAL, of a process that is gone.
				if name == "WAL" {
					crash(t, path, walPragmas+fillSQL(genStale))
				} else {
					crash(t, path, "PRAGMA cache_size=4; BEGIN;"+fillSQL(genStale))
				}
			})
			if _, err := place(t.Context(), path, o.content(), options); err != nil {
				t.Fatal(err)
			}
			if holds != 3 {
				t.Errorf("the lease was taken %d times", holds)
			}
			mustLook(t, path, genNew)
			want := genOld // the journal is rolled back
			if name == "WAL" {
				want = genStale
			}
			mustLook(t, path+".before-"+string(testID), want)
		})
	}
	t.Run("for ever", func(t *testing.T) {
		path := makeOld(t, "PRAGMA journal_mode=WAL;")
		o := basicOrder(path, source)
		options := o.options()
		SetHook(&options, func(s string) {
			if s == string(stepTakeLease) {
				crash(t, path, walPragmas+fillSQL(genStale))
			}
		})
		if _, err := place(t.Context(), path, o.content(), options); !errors.Is(err, ErrTargetOpen) {
			t.Fatal(err)
		}
		mustLook(t, path, genStale)
	})
}

// Without the right to take a lease, detection is partial: the error has that, and
// SQLite's locks still count.
func TestNoLease(t *testing.T) {
	source := newSource(t, "")
	wrapper := []string{"setpriv", "--bounding-set=-lease"}
	foreign := func(t *testing.T, pragmas string) string {
		path := makeOld(t, pragmas)
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Run("asks", func(t *testing.T) {
		path := foreign(t, "")
		refusedWith(t, basicOrder(path, source), ErrUncertain, wrapper...)
		mustLook(t, path, genOld)
		o := basicOrder(path, source)
		o.AssumeClosed = true
		restored(t, o, wrapper...)
		mustLook(t, path, genNew)
		mustLook(t, path+".before-"+string(testID), genOld)
		now, err := inspect(path)
		if err != nil || now.stat().Uid != 65534 || now.stat().Gid != 65534 {
			t.Fatalf("the new file belongs to %+v (%v)", now.stat(), err)
		}
	})
	for how, mode := range map[string]string{"idle": "WAL", "in a read transaction": "DELETE", "in exclusive mode": "DELETE"} {
		t.Run(how, func(t *testing.T) {
			path := foreign(t, "PRAGMA journal_mode="+mode+";")
			holdOpen(t, path, how)
			o := basicOrder(path, source)
			o.AssumeClosed = true
			refusedWith(t, o, ErrTargetOpen, wrapper...)
		})
	}
	t.Run("AssumeClosed against what is seen", func(t *testing.T) {
		path := makeOld(t, "")
		holdOpen(t, path, "not read yet")
		o := basicOrder(path, source)
		o.AssumeClosed = true
		refusedWith(t, o, ErrTargetOpen)
	})
}

// copySelf puts the test binary where another user can run it.
func copySelf(t *testing.T, dir string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(filepath.Join(dir, "child"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}

func withOrder(t *testing.T, cmd *exec.Cmd, o childOrder) *exec.Cmd {
	t.Helper()
	cmd.Env = command(t, o).Env
	return cmd
}
