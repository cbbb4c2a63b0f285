package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What status --copy counts as missing is what the next copy brings: nothing onto a base
// that is released at the second place, and nothing that a copy of some snapshots leaves.
func TestStatusCountsWhatCopyBrings(t *testing.T) {
	source, target := storeCopies(t), t.TempDir()
	from, to := "file://"+source, "file://"+target
	lifeboat(t, exitDone, "copy", from, to, "--class", "daily")
	released := filepath.Join(target, strings.TrimSuffix(largeIn(t, source), ".daily.db.zst")+".tags")
	tags, err := os.ReadFile(released)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what                 string
		released             bool
		flags, choice        []string
		there, missing, left int
	}{
		{"the base is held", false, nil, nil, 1, 3, 0},
		{"of another class", false, []string{"--copy-class", "daily"}, []string{"--class", "daily"}, 1, 0, 0},
		{"of two classes", false, []string{"--copy-class", "daily", "--copy-class", "hourly"}, []string{"--class", "daily", "--class", "hourly"}, 1, 1, 0},
		{"of another time", false, []string{"--copy-since", "2999-01-01"}, []string{"--since", "2999-01-01"}, 0, 0, 0},
		{"the base is released", true, nil, nil, 1, 1, 2},
	} {
		if c.released {
			if err := os.WriteFile(released, []byte(strings.Replace(string(tags), "held-daily", "daily", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		d := statusOfCopy(t, from, to, c.flags...)
		if d.There != c.there || d.Missing != c.missing || d.Left != c.left || d.Extra != 0 {
			t.Errorf("%s: %+v, want %d there, %d missing and %d left", c.what, d, c.there, c.missing, c.left)
		}
		var would copyDocument
		out, err := exec.Command("lifeboat", append([]string{"copy", from, to, "--dry-run", "--json"}, c.choice...)...).Output()
		if err != nil || json.Unmarshal(out, &would) != nil || len(would.Copied) != d.Missing || len(would.Left) != d.Left || would.There != d.There {
			t.Errorf("%s: copy would do %s, %v, status says %+v", c.what, out, err, d)
		}
	}
	lifeboat(t, exitDone, "copy", from, to)
	if d := statusOfCopy(t, from, to); d.State != copyInStep || d.There != 2 || d.Missing != 0 {
		t.Errorf("when all was copied that can be: %+v", d)
	}
	if out := lifeboat(t, exitDone, "status", from, "--copy", to); !strings.Contains(out, to+": in step, 2 of 4 snapshots, 2 left out\n") {
		t.Errorf("when all was copied that can be: %s", out)
	}
}

// statusOfCopy returns what status says of the copies of a series.
func statusOfCopy(t *testing.T, from, to string, flags ...string) copyHealthDocument {
	t.Helper()
	out, err := exec.Command("lifeboat", append([]string{"status", from, "--copy", to, "--json"}, flags...)...).Output()
	var d healthDocument
	if err != nil || json.Unmarshal(out, &d) != nil || d.Copy == nil {
		t.Fatalf("status: %v: %s", err, out)
	}
	return *d.Copy
}
