package reports

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// A run removes the temp files that killed ones left of its metrics file, and
// nothing else.
func TestMetricsFileLeftovers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a*b.prom")
	leave := func(name string, age time.Duration) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("lifeboat_x 1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const old, young = 25 * time.Hour, 23 * time.Hour
	leave(".a*b.prom.123.tmp", old)
	leave(".a*b.prom.4567890.tmp", old)
	stays := []string{".a*b.prom.124.tmp", ".axb.prom.123.tmp", ".a*b.prom.old.tmp", ".a*b.prom..tmp", ".a*b.prom.tmp", ".a*b.prom.1.other.prom.2.tmp", "a*b.prom.123.tmp", ".a*b.prom.123"}
	leave(stays[0], young)
	for _, name := range stays[1:] {
		leave(name, old)
	}
	const others = ".a*b.prom.5.tmp"
	if err := os.Chown(leave(others, old), 61234, 61234); err != nil {
		t.Fatal(err)
	}
	stays = append(stays, others, "a*b.prom", "a*b.prom.lock")
	if err := writeMetrics(t.Context(), file, metrics{verb: "backup"}); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	slices.Sort(stays)
	if err != nil || !slices.Equal(left, stays) {
		t.Errorf("left %q, want %q, %v", left, stays, err)
	}
}

// values returns the values of a metric in a file, by the label database.
func values(t *testing.T, file, name string) map[string]float64 {
	t.Helper()
	families, err := readFamilies(file)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	if families[name] == nil {
		return found
	}
	for _, g := range families[name].gauges {
		found[g.get(labelDatabase)] = g.value
	}
	return found
}

// Databases that share a metrics file, and runs that end at once, lose nothing
// of each other's.
func TestMetricsFileShared(t *testing.T) {
	file := filepath.Join(t.TempDir(), "all.prom")
	var group sync.WaitGroup
	for i := range 20 {
		r := Report{run: Run{Verb: "backup", Database: fmt.Sprintf("db%d", i/2), URL: fmt.Sprintf("s3://b/%d", i/2)}, ended: time.Unix(int64(i), 0), Succeeded: true}
		r.Add(Measure{Name: "test", Help: "Test.", Label: "class", Values: map[string]float64{"a": float64(i)}})
		group.Go(func() {
			if err := writeMetrics(t.Context(), file, r.metrics()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, name := range []string{"lifeboat_test", "lifeboat_backup_last_success_timestamp_seconds"} {
		got := values(t, file, name)
		for i := range 10 {
			if value, ok := got[fmt.Sprintf("db%d", i)]; !ok || int(value)/2 != i {
				t.Errorf("%s of db%d is %v in %v", name, i, value, got)
			}
		}
	}
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(left) != 2 {
		t.Errorf("beside the metrics and the lock there is something: %v, %v", left, err)
	}
}

// A verb that knows the bucket URL alone leaves what backup tells under the same
// name, and is left alone by it.
func TestMetricsFileOfVerbs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "all.prom")
	for i, database := range []string{"app.db", "", "app.db", ""} {
		r := Report{run: Run{Verb: "backup", Database: database, URL: "s3://b/app"}, exit: i}
		if err := writeMetrics(t.Context(), file, r.metrics()); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := values(t, file, "lifeboat_backup_last_exit_code"), map[string]float64{"app.db": 2, "": 3}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Databases of one run are written together, and what one of them does not know stays.
func TestMetricsFileOfMany(t *testing.T) {
	file := filepath.Join(t.TempDir(), "all.prom")
	run := func(exit int, succeeded bool) {
		t.Helper()
		batch, to := &Batch{}, &Flags{MetricsFile: file}
		for i := range 3 {
			r := Report{to: to, with: batch, run: Run{Verb: "backup", Database: fmt.Sprintf("db%d", i), URL: fmt.Sprintf("s3://b/%d", i)}, exit: exit, ended: time.Unix(int64(exit), 0), Succeeded: succeeded || i == 0}
			if err := r.sendMetrics(t.Context(), time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		all := Report{to: to, with: batch, run: Run{Verb: "backup", Config: "/etc/lifeboat.yaml", Shard: "0/2"}, exit: exit, ended: time.Unix(int64(exit), 0), Succeeded: succeeded}
		if err := all.sendMetrics(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	run(1, true)
	run(2, false)
	for name, want := range map[string]map[string]float64{
		"lifeboat_backup_last_exit_code":                     {"db0": 2, "db1": 2, "db2": 2},
		"lifeboat_backup_last_success_timestamp_seconds":     {"db0": 2, "db1": 1, "db2": 1},
		"lifeboat_backup_run_last_exit_code":                 {"": 2},
		"lifeboat_backup_run_last_success_timestamp_seconds": {"": 1},
	} {
		if got := values(t, file, name); !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// A run waits for the lock for as long as it may, and does not hang.
func TestMetricsFileLocked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.prom")
	unlock, err := lockFile(t.Context(), file+".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	r := Report{to: &Flags{MetricsFile: file}}
	if err := r.sendMetrics(t.Context(), 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
