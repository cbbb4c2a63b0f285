package restore

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// newGenerations stores a chain of four whose newest snapshot is of genNew, and returns
// the bucket URL and that snapshot.
func newGenerations(t testing.TB) (url string, newest snapshot.ID) {
	t.Helper()
	url = "file://" + t.TempDir()
	db := filepath.Join(t.TempDir(), "app.db")
	s := buckettest.NewSeries(t, openBucket(t, url), db)
	for i, gen := range []int{genStale, genHalf, genStale, genNew} {
		run(t, db, fmt.Sprintf(`PRAGMA journal_mode=WAL; CREATE TABLE IF NOT EXISTS bulk (x);
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) INSERT INTO bulk SELECT randomblob(900) FROM n;`, 6000/(1+10*i))+fillSQL(gen))
		if i == 0 {
			newest = s.Full(classesOfFour[i])
		} else {
			newest = s.On(newest, classesOfFour[i])
		}
	}
	return url, newest
}

// killPoints runs a restore again and again, killed one place later each time, until
// it comes to its end. After each kill the target is whole, and a second run finishes
// the work.
func killPoints(t *testing.T, newSite func() site, order func(x site, at int) childOrder, id snapshot.ID) int {
	t.Helper()
	for at := 1; ; at++ {
		x := newSite()
		o := order(x, at)
		cmd := command(t, o)
		out, err := cmd.CombinedOutput()
		if err != nil && exitOfSignal(cmd) != "killed" {
			t.Fatalf("point %d: %v\n%s", at, err, out)
		}
		x.checkWhole(t)
		if err == nil {
			return at - 1
		}
		restored(t, order(x, 0))
		mustLook(t, x.db, genNew)
		for name := range readDir(t, x.dir) {
			if name != "app.db" && !strings.HasPrefix(name, "app.db.before-"+string(id)) && !(o.Live && (name == "app.db-wal" || name == "app.db-shm")) {
				t.Fatalf("point %d: %s is left over", at, name)
			}
		}
	}
}

func exitOfSignal(cmd *exec.Cmd) string {
	return strings.TrimPrefix(cmd.ProcessState.String(), "signal: ")
}

// A restore over a chain of four, killed before each of its steps and before each read
// of one of the four objects, into a file, into an open database's place, and live.
func TestKillChain(t *testing.T) {
	needs.Time(t)
	url, newest := newGenerations(t)
	over := state{name: "unfolded WAL", build: unfoldedWAL}
	absent := state{name: "absent", build: func(testing.TB, string) {}, absent: true}
	live := state{name: "clean WAL", build: func(t testing.TB, p string) { run(t, p, "PRAGMA journal_mode=WAL;"+fillSQL(genOld)) }}
	for _, c := range []struct {
		how   string
		state state
		live  bool
		fewer int // than so many points would be too few
		order func(o childOrder, at int) childOrder
	}{
		{"at each step, over a database", over, false, 15, func(o childOrder, at int) childOrder { o.KillAt = at; return o }},
		{"at each step, new", absent, false, 5, func(o childOrder, at int) childOrder { o.KillAt = at; return o }},
		{"at each read, over a database", over, false, 8, func(o childOrder, at int) childOrder { o.KillAtRead = at; return o }},
		{"at each read, live", live, true, 8, func(o childOrder, at int) childOrder { o.KillAtRead = at; return o }},
		{"at each step, live", live, true, 5, func(o childOrder, at int) childOrder { o.KillAt = at; return o }},
	} {
		t.Run(c.how, func(t *testing.T) {
			t.Parallel()
			points := killPoints(t, func() site { return c.state.make(t) }, func(x site, at int) childOrder {
				return c.order(childOrder{Target: x.target, Bucket: url, Replace: !c.live, Live: c.live}, at)
			}, newest)
			if t.Logf("%d kill points survived", points); points < c.fewer {
				t.Errorf("only %d kill points", points)
			}
		})
	}
}

// A limit on the size of files stops the restore of a chain, of which a base is larger
// than the newest, wherever it begins to bite.
func TestFileLimitChain(t *testing.T) {
	needs.Time(t)
	url, _ := newGenerations(t)
	stopped := 0
	for limit := uint64(1 << 12); ; limit = limit*3/2 + 1000 {
		x := state{name: "unfolded WAL", build: unfoldedWAL}.make(t)
		o := childOrder{Target: x.target, Bucket: url, Replace: true, MaxFile: limit}
		out, err := command(t, o).CombinedOutput()
		x.checkWhole(t)
		if err == nil {
			break
		}
		stopped++
		if code := err.(*exec.ExitError).ExitCode(); code != exitCode(ErrNoRoom) {
			t.Fatalf("limit %d: %v\n%s", limit, err, out)
		}
		x.noLeftovers(t)
	}
	if stopped < 10 {
		t.Errorf("stopped %d times", stopped)
	}
}
