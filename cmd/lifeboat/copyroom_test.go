package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// A copy to a disk that gets full names the snapshot for which there is no room, keeps
// what it has copied and leaves nothing else. A second run completes it when there is room.
func TestCopyToAFullDisk(t *testing.T) {
	source, disk := storeCopies(t), t.TempDir()
	mount(t, disk, "size=8m") // the newest snapshot finds room, the large one does not
	target := filepath.Join(disk, "app")
	out := lifeboat(t, exitTarget, "copy", "file://"+source, "file://"+target)
	checkNoRoom(t, out, largeIn(t, source), "hint: make room on that disk")
	if names := namesIn(t, target); len(names) != 2 { // an object and its tags
		t.Errorf("on the full disk: %v", names)
	}
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT, "size=32m"); err != nil {
		t.Fatal(err)
	}
	lifeboat(t, exitDone, "copy", "file://"+source, "file://"+target)
	lifeboat(t, exitDone, "verify", "file://"+target)
	if has, want := namesIn(t, target), namesIn(t, source); strings.Join(has, " ") != strings.Join(want, " ") {
		t.Errorf("with room for all: %v, want %v", has, want)
	}
}

// The same of a store whose quota is used up.
func TestCopyOverAQuota(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	t.Setenv("LIFEBOAT_PART_SIZE", "5MiB")
	source := storeCopies(t)
	target := copyTarget{server.Client(t), server.Bucket(t), source}
	server.SetQuota(t, target.bucket, "4MiB")
	to := "s3://" + target.bucket + "/app"
	out := lifeboat(t, exitRefused, "copy", "file://"+source, to)
	large := largeIn(t, source)
	checkNoRoom(t, out, large, "hint: raise the cap or quota, give the store more room")
	if n := target.whole(t, "over the quota", "app"); n != 1 {
		t.Errorf("over the quota: %d objects", n)
	}
	if left, err := target.client.Uploads(t.Context(), target.bucket, "app/"+large); err != nil || len(left) > 0 {
		t.Errorf("over the quota: unfinished uploads %v, %v", left, err)
	}
	server.SetQuota(t, target.bucket, "1GiB")
	lifeboat(t, exitDone, "copy", "file://"+source, to)
	if n := target.whole(t, "with a higher quota", "app"); n != 4 {
		t.Errorf("with a higher quota: %d objects", n)
	}
}

// checkNoRoom fails the test unless a copy says that it has copied one snapshot, and that
// there was no room for the large one.
func checkNoRoom(t *testing.T, output, large, hint string) {
	t.Helper()
	for _, want := range []string{"copied: 1 snapshots", "error: put ", large + ": ", hint} {
		if !strings.Contains(output, want) {
			t.Errorf("no %q: %s", want, output)
		}
	}
}

// largeIn returns the name of the large snapshot of storeCopies.
func largeIn(t *testing.T, source string) string {
	t.Helper()
	large, err := filepath.Glob(filepath.Join(source, "*.daily.db.zst"))
	if err != nil || len(large) != 1 {
		t.Fatalf("large snapshots %v, %v", large, err)
	}
	return filepath.Base(large[0])
}

// namesIn returns the names in a directory, hidden ones too.
func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
