package terminal

import (
	"bytes"
	"encoding/json"
	"sync"
	"testing"
)

// Each part has a line for its beginning and one for its end, few between, and begins anew
// where it does so.
func TestSteps(t *testing.T) {
	var out bytes.Buffer
	steps := NewSteps(&out)
	var group sync.WaitGroup
	for _, of := range []*Steps{steps, steps.Of("a\xff.db")} {
		for _, part := range []string{"copy", "upload"} {
			group.Go(func() {
				for range 2 {
					for done := range int64(1001) {
						of.Set(part, done, 1000)
					}
					of.Set(part, 1000, 1000)
				}
				of.Set("check "+part, 0, 0)
				of.Set("check "+part, 1000, 1000)
			})
		}
	}
	group.Wait()
	lines := map[[2]string][]int64{}
	for line := range bytes.Lines(out.Bytes()) {
		var s Step
		if err := json.Unmarshal(line, &s); err != nil || s.Time.IsZero() || s.Total != 1000 && s.Done != 0 {
			t.Fatalf("%s: %v", line, err)
		}
		at := [2]string{s.Database, s.Progress}
		lines[at] = append(lines[at], s.Done)
	}
	if len(lines) != 8 {
		t.Fatalf("%v", lines)
	}
	for at, done := range lines {
		last := done[len(done)-1]
		if len(at[1]) > len("upload") {
			if len(done) != 2 || done[0] != 0 || last != 1000 {
				t.Errorf("%q: %v", at, done)
			}
		} else if again := done[1:]; done[0] != 0 || last != 1000 || len(done) > 30 || len(again) < 3 {
			t.Errorf("%q: %v", at, done)
		}
	}
}
