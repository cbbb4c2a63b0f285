package terminal

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// An outage that was long leaves one line, a short one none.
func TestOutageIsRemembered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tty")
	tty, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	log := slog.New(NewSentences(tty, nil))
	for _, lasted := range []time.Duration{4 * time.Second, 40 * time.Second} {
		log.Info("the store answers again", "outage", lasted, "cause", "cannot reach 127.0.0.1:9 (connection refused)")
	}
	log.Info("the work goes on")
	got, err := os.ReadFile(path)
	const want = "warning: the store answers again after 40s: cannot reach 127.0.0.1:9 (connection refused)\n"
	if err != nil || string(got) != want {
		t.Errorf("%v, it shows %q, want %q", err, got, want)
	}
}
