package worker

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// withoutEnd is one call of one function, which SQLite cannot interrupt.
const withoutEnd = "instr(zeroblob(30000000), zeroblob(15000000) || x'01')"

// Answers, findings and errors of a worker are those of this process.
func TestExamine(t *testing.T) {
	p := newTested(t, 1)
	dir := t.TempDir()
	path := makeDB(t, dir, 1)
	execSQL(t, path, "PRAGMA journal_mode = delete; CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p); INSERT INTO c VALUES (7)")
	broken, text := filepath.Join(dir, "broken.db"), filepath.Join(dir, "text.db")
	if out, err := exec.Command("sh", "-c", "cp "+path+" "+broken+" && printf x | dd conv=notrunc bs=1 seek=20000 status=none of="+broken+
		" && head -c 8192 /dev/zero | tr '\\0' x >"+text).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	own, others := untrusted.InProcess{}, Examiner{Pool: p.Pool}
	for _, path := range []string{path, broken, text} {
		for _, level := range []snapshot.CheckLevel{snapshot.CheckNone, snapshot.CheckFull} {
			want, wantErr := own.Check(t.Context(), path, level)
			got, err := others.Check(t.Context(), path, level)
			if (want == nil) != (got == nil) || want != nil && (got.Violations != want.Violations || strings.Join(got.First, "") != strings.Join(want.First, "")) {
				t.Errorf("%s, %s: %v, want %v", path, level, got, want)
			}
			sameError(t, err, wantErr)
		}
		for _, query := range []string{"SELECT count(*) > 5 FROM t", "SELECT 0", "SELECT", "SELECT '\xff'", "SELECT 1 FROM t WHERE x > 'a'"} {
			want, wantErr := own.Ask(t.Context(), path, query, time.Minute)
			got, err := others.Ask(t.Context(), path, query, time.Minute)
			if wantErr == nil && got != want {
				t.Errorf("%s, %s: %v, want %v", path, query, got, want)
			}
			sameError(t, err, wantErr)
		}
	}
}

func sameError(t *testing.T, got, want error) {
	t.Helper()
	if (got == nil) != (want == nil) || got != nil && got.Error() != want.Error() {
		t.Errorf("%v, want %v", got, want)
	}
	for _, reason := range reasons {
		if errors.Is(got, reason) != errors.Is(want, reason) {
			t.Errorf("%v: %v, want %v", got, reason, want)
		}
	}
}

// What a restored database does to SQLite costs that drill, within its limits,
// and the next one goes well.
func TestHostileDrill(t *testing.T) {
	needs.Time(t)
	if !alone(t) {
		return
	}
	p := newTested(t, 1)
	sound := makeDB(t, t.TempDir(), 1)
	execSQL(t, sound, "PRAGMA journal_mode = delete")
	for _, c := range []struct{ name, columns, want string }{
		{"a long value", "b NOT NULL AS (replace(printf('%.*c', 400000000, 'x'), 'y', 'z') || a)", "too big"},
		{"a long foreign key", "b REFERENCES missing AS (replace(printf('%.*c', 400000000, 'x'), 'y', 'z') || a)", "too big"},
		{"many long values", "b NOT NULL AS (max(" + strings.Repeat("hex(zeroblob(30000000)), ", 10) + "a) > a)", "needs more memory than a worker may use"},
		{"a function without end", "b NOT NULL AS (" + withoutEnd + " + a)", "it took longer than 1s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := Examiner{Pool: p.Pool, Limit: 10 * time.Minute}
			if strings.Contains(c.want, "1s") {
				e.Limit = time.Second
			}
			_, err := e.Check(t.Context(), forged(t, 1, c.columns), snapshot.CheckQuick)
			if !errors.Is(err, untrusted.ErrCheck) || errors.Is(err, snapshot.ErrSource) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			if _, err := (Examiner{Pool: p.Pool}).Check(t.Context(), sound, snapshot.CheckFull); err != nil {
				t.Errorf("the next database: %v", err)
			}
		})
	}
	for query, want := range map[string]string{
		"SELECT " + withoutEnd:                                                     "no answer within 1s",
		"SELECT length(hex(zeroblob(40000000)))":                                   "string or blob too big",
		"SELECT max(" + strings.Repeat("hex(zeroblob(30000000)), ", 10) + "1) > 1": "it needs more memory than a worker may use (256 MiB)",
	} {
		limit := 10 * time.Minute
		if strings.Contains(want, "1s") {
			limit = time.Second
		}
		got, err := Examiner{Pool: p.Pool}.Ask(t.Context(), sound, query, limit)
		if err != nil || got != (untrusted.QueryResult{SQL: query, Answer: want}) {
			t.Errorf("%s: %v, %v", query, got, err)
		}
	}
	checkLargest(t)
}

// A drill whose worker is killed fails by that, and one that is cancelled ends
// soon, whatever SQLite is doing.
func TestDrillEnds(t *testing.T) {
	needs.Time(t)
	p := newTested(t, 1)
	e := Examiner{Pool: p.Pool}
	path := forged(t, 1, "b NOT NULL AS ("+withoutEnd+" + a)")
	check := func(ctx context.Context) error {
		_, err := e.Check(ctx, path, snapshot.CheckQuick)
		return err
	}
	ask := func(ctx context.Context) error {
		_, err := e.Ask(ctx, path, "SELECT b FROM t", time.Minute)
		return err
	}
	for name, do := range map[string]func(context.Context) error{"checked": check, "asked": ask} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		begin := func() {
			go func() { ended <- do(ctx) }()
			await.That(t, func() bool { return len(children(t)) == 1 })
		}
		begin()
		for _, pid := range children(t) {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Error(err)
			}
		}
		if err := <-ended; !errors.Is(err, untrusted.ErrCheck) || err.Error() != "the worker that "+name+" the restored database died: signal: killed" {
			t.Errorf("%s: %v", name, err)
		}
		begin()
		cancel()
		began := time.Now()
		if err := <-ended; !errors.Is(err, context.Canceled) || errors.Is(err, untrusted.ErrCheck) || time.Since(began) > grace+time.Minute {
			t.Errorf("%s: %v after %v", name, err, time.Since(began))
		}
	}
}
