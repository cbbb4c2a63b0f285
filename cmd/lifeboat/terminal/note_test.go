package terminal

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
)

// A line is printed also where it comes last, and a note before it is gone.
func TestLineAfterANote(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer tty.Close() // a second time, unless the test has failed
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got strings.Builder
	shown := func() string {
		mu.Lock()
		defer mu.Unlock()
		return got.String()
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			mu.Lock()
			got.Write(buffer[:n])
			mu.Unlock()
			if err != nil { // the other side is closed
				return
			}
		}
	}()
	b := NewBars(tty)
	b.note("trying again")
	await.That(t, func() bool { return strings.Contains(shown(), "trying again") })
	b.note("")
	await.That(t, func() bool { return strings.HasSuffix(shown(), "\x1b[J") })
	fmt.Fprintln(b, "the last line")
	b.End()
	tty.Close()
	<-ended
	if !strings.HasSuffix(shown(), "the last line\r\n") {
		t.Errorf("it shows %q", shown())
	}
}
