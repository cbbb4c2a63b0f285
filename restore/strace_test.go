package restore

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

const effects = "unlink,unlinkat,rename,renameat,renameat2,link,linkat,ftruncate,truncate,pwrite64,write,fsync,fdatasync,fchmod,fchown,openat,open,mkdir,mkdirat,copy_file_range"

// What each step does, and nothing else, to names and files at the target.
// The steps that are not here have SQLite or the snapshot's reader write.
var stepCalls = map[step]string{
	stepSweepTemp: "unlinkat", stepSweepBefore: "unlinkat",
	stepLock: "create", stepUnlock: "unlinkat", stepTemp: "create", stepOwner: "fchown", stepMode: "fchmod",
	stepSyncTemp: "fsync", stepSyncMain: "fsync", stepUnlinkSidecar: "unlinkat", stepMoveSidecar: "renameat2",
	stepSyncAside: "fsync", stepKeep: "linkat", stepSyncKept: "fsync", stepSwap: "renameat", stepDiscard: "unlinkat",
	stepPlace: "renameat2", stepSyncPlaced: "fsync",
}

// A call is one system call that strace saw.
type call struct {
	step step
	name string // "create" for an open that may create
	text string
}

var (
	callLine = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	// restLine is the second half of a call, which strace cuts in two if something
	// happens in another thread meanwhile.
	restLine = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>(.*)$`)
)

const cutShort = " <unfinished ...>"

// watch runs a restore under strace and returns its system calls in the
// target's directory, with the step in which they happened.
func (x site) watch(t testing.TB, o childOrder) []call {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	o.Mark = true
	restored(t, o, "strace", "-f", "-y", "-o", trace, "-e", "trace="+effects+",fcntl,access,faccessat,faccessat2")
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var calls []call
	var now step
	for _, text := range whole(string(text)) {
		m := callLine.FindStringSubmatch(text)
		if m == nil {
			continue // a signal, an exit
		}
		m = m[1:]
		if _, mark, found := strings.Cut(m[2], `"/step/`); found {
			name, _, _ := strings.Cut(mark, `"`)
			now = step(name)
			continue
		}
		if !strings.Contains(m[2], x.dir) {
			continue
		}
		c := call{now, m[1], m[2]}
		if strings.HasPrefix(c.name, "open") && strings.Contains(c.text, "O_CREAT") {
			c.name = "create"
		}
		calls = append(calls, c)
	}
	if now != "end" {
		t.Fatalf("the trace ends in %q", now)
	}
	return calls
}

// whole returns the lines of a trace, each call in one.
func whole(trace string) (lines []string) {
	cut := map[string]int{} // the lines that are yet to be ended, by thread
	for line := range strings.Lines(trace) {
		line = strings.TrimSuffix(line, "\n")
		if rest := restLine.FindStringSubmatch(line); rest != nil {
			if at, found := cut[rest[1]]; found {
				lines[at] += rest[2]
				delete(cut, rest[1])
			}
			continue
		}
		if first, short := strings.CutSuffix(line, cutShort); short {
			line = first
			cut[strings.Fields(line)[0]] = len(lines)
		}
		lines = append(lines, line)
	}
	return lines
}

// A call that strace has cut in two is one all the same.
func TestWhole(t *testing.T) {
	got := whole("7 fcntl(5</a>, F_GETLEASE <unfinished ...>\n8 --- SIGURG {si_signo=SIGURG} ---\n8 access(\"/step/x\", F_OK) = -1\n7 <... fcntl resumed>)      = 0x1 (F_WRLCK)\n")
	if want := []string{"7 fcntl(5</a>, F_GETLEASE)      = 0x1 (F_WRLCK)", "8 --- SIGURG {si_signo=SIGURG} ---", `8 access("/step/x", F_OK) = -1`}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// The order on disk: every effect is in a step with its name, and those that matter
// after a power cut are in the order that keeps the target whole.
func TestOrder(t *testing.T) {
	source := newSource(t, "")
	for _, s := range states {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			x := s.make(t)
			calls := x.watch(t, x.order(source))
			x.checkDone(t)
			var changes []string
			for _, c := range calls {
				switch c.name {
				case "fcntl", "open", "openat", "access", "faccessat", "faccessat2":
				default:
					if want, ok := stepCalls[c.step]; ok && c.name != want {
						t.Errorf("%s in step %q: %s", c.name, c.step, c.text)
					} else if ok {
						changes = append(changes, string(c.step))
					} else if !slices.Contains([]step{stepFill, stepFold, stepTakeLease, stepTry, stepProbe, stepRemoveProbe}, c.step) {
						t.Errorf("%s in step %q, which has another name: %s", c.name, c.step, c.text)
					}
				}
			}
			var want []string
			for _, step := range s.steps {
				if _, ok := stepCalls[step]; ok {
					want = append(want, string(step))
				}
			}
			if !slices.Equal(changes, want) {
				t.Fatalf("the changes were\n%s\ninstead of\n%s", strings.Join(changes, "\n"), strings.Join(want, "\n"))
			}
			x.checkOrder(t, calls)
		})
	}
}

// checkOrder looks at the calls themselves, whatever the steps are called.
func (x site) checkOrder(t testing.TB, calls []call) {
	t.Helper()
	find := func(what, name, pattern string) int {
		re := regexp.MustCompile(strings.NewReplacer("DIR", regexp.QuoteMeta(x.dir), "DB", regexp.QuoteMeta(x.db)).Replace(pattern))
		for i, c := range slices.Backward(calls) {
			if c.name == name && re.MatchString(c.text) {
				return i
			}
		}
		t.Errorf("no call does this: %s", what)
		return -1
	}
	inOrder := func(what ...int) {
		if !slices.IsSorted(what) {
			t.Errorf("out of order: %v", what)
			for _, i := range what {
				t.Logf("%d: %s(%s", i, calls[max(i, 0)].name, calls[max(i, 0)].text)
			}
		}
	}
	syncTemp := find("sync the temp file", "fsync", `\.tmp>`)
	syncDir := find("sync the directory at the end", "fsync", `<DIR>`)
	var place int
	if x.absent {
		place = find("rename without replacing", "renameat2", `\.tmp".*"DB", RENAME_NOREPLACE`)
	} else {
		place = find("rename", "renameat", `\.tmp".*"DB"`)
		lease := find("take the lease", "fcntl", `<DB>, F_SETLEASE, F_WRLCK\) += 0`)
		syncMain := find("sync the old main file", "fsync", `<DB>`)
		inOrder(syncTemp, lease, syncMain, place)
		looks := regexp.MustCompile(`F_GETLEASE\) += (0x1 \(F_WRLCK\)|F_WRLCK|1)`)
		if before, after := calls[place-1], calls[place+1]; !looks.MatchString(before.text) || !looks.MatchString(after.text) {
			t.Errorf("beside the rename there is no look at the lease, but %v and %v", before, after)
		}
		if !x.discard {
			inOrder(syncMain, find("keep", "linkat", `"DB",.*before-`), place)
		}
	}
	inOrder(syncTemp, place, syncDir)
	// Before: sidecars gone, and durably. After: not touched.
	synced := true
	for i, c := range calls {
		sidecar := strings.Contains(c.text, `"`+x.db+"-")
		switch {
		case i > place && (sidecar || strings.Contains(c.text, "<"+x.db+"-")):
			t.Errorf("a sidecar is touched after the rename: %s(%s", c.name, c.text)
		case i < place && sidecar && (c.name == "unlinkat" || c.name == "renameat2" || c.name == "unlink"):
			synced = false
		case i < place && c.name == "fsync" && strings.Contains(c.text, "<"+x.dir+">"):
			synced = true
		case i == place && !synced:
			t.Errorf("the directory was not synced between the sidecars' removal and the rename")
		}
	}
}

// Killed before every single system call that changes something, SQLite's own
// while it folds included.
func TestKillCalls(t *testing.T) {
	needs.Time(t)
	source := newSource(t, "")
	for _, s := range states {
		if !slices.Contains([]string{"unfolded WAL", "unfolded WAL, discarded", "hot journal", "super-journal", "garbage with a WAL", "absent with sidecars"}, s.name) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			total := 0
			for _, name := range []string{"pwrite64", "fsync", "fdatasync", "ftruncate", "unlink", "unlinkat", "renameat", "renameat2", "linkat"} {
				for n := 1; ; n++ {
					x := s.make(t)
					o := x.order(source)
					cmd := command(t, o, "strace", "-f", "-o", "/dev/null", "-e", "trace="+name, "-e", "inject="+name+":signal=KILL:when="+strconv.Itoa(n))
					out, err := cmd.CombinedOutput()
					if err == nil {
						x.checkDone(t)
						break
					}
					if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
						t.Fatalf("%s %d: %v\n%s", name, n, err, out)
					}
					total++
					x.checkWhole(t)
					restored(t, o)
					x.checkDone(t)
				}
			}
			t.Logf("%d kill points survived", total)
			if total < 8 {
				t.Errorf("only %d kill points", total)
			}
		})
	}
}

// Without strace these tests must not pass.
func TestTools(t *testing.T) {
	for _, tool := range []string{"strace", "sqlite3", "unshare", "setpriv", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Error(err)
		}
	}
}
