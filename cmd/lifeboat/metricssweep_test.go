package main

import (
	"os"
	"path/filepath"
	"slices"
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
	if err := writeMetrics(t.Context(), file, &runReport{verb: "backup"}); err != nil {
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
