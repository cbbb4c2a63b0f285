package terminal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// ErrInterrupted: the user has pressed Ctrl-C, or another key that leaves.
var ErrInterrupted = errors.New("interrupted")

// Pick lets a user choose one of several lines with the arrow keys and Enter, and
// returns its index. The first is chosen at the beginning. Whatever ends it, the
// terminal is as it was before. The error is ErrInterrupted after q, Esc and Ctrl-C, and that of ctx
// when ctx is done.
func Pick(ctx context.Context, in, out *os.File, title string, lines []string) (chosen int, err error) {
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return 0, fmt.Errorf("read keys from the terminal: %w", err)
	}
	defer func() { err = errors.Join(err, term.Restore(int(in.Fd()), before)) }()
	width := max(Width(out), 20) - 1
	draw := func(again bool) error {
		var b strings.Builder
		if again {
			fmt.Fprintf(&b, "\r\x1b[%dA", len(lines)+1)
		}
		b.WriteString(Shorten(title, width) + "\r\n")
		for i, line := range lines {
			mark := "  "
			if i == chosen {
				mark = "> "
			}
			b.WriteString(Shorten(mark+Printable(line), width) + "\r\n")
		}
		_, err := out.WriteString(b.String())
		return err
	}
	for again := false; ; again = true {
		if err := draw(again); err != nil {
			return 0, err
		}
		switch key, err := readKey(ctx, in); {
		case err != nil:
			return 0, err
		case key == "\r" || key == "\n":
			return chosen, nil
		case key == "\x03" || key == "\x04" || key == "q" || key == "\x1b":
			return 0, ErrInterrupted
		case key == "\x1b[A" || key == "\x1bOA" || key == "k":
			chosen = max(chosen-1, 0)
		case key == "\x1b[B" || key == "\x1bOB" || key == "j":
			chosen = min(chosen+1, len(lines)-1)
		case len(key) == 1 && key[0] >= '1' && int(key[0]-'1') < len(lines):
			chosen = int(key[0] - '1')
		}
	}
}

// keyWait is how long a key is waited for until ctx is looked at again, in milliseconds.
const keyWait = 50

// readKey returns the bytes of the next key. A terminal sends those of an arrow at once;
// of keys that are typed ahead the first is taken.
func readKey(ctx context.Context, in *os.File) (string, error) {
	first, err := readByte(ctx, in)
	if err != nil || first != 0x1b {
		return string(rune(first)), err
	}
	key := []byte{first}
	for len(key) < 3 && ready(in, keyWait) {
		next, err := readByte(ctx, in)
		if err != nil {
			return "", err
		}
		key = append(key, next)
	}
	return string(key), nil
}

func readByte(ctx context.Context, in *os.File) (byte, error) {
	for !ready(in, keyWait) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
	}
	var b [1]byte
	if _, err := in.Read(b[:]); err != nil {
		return 0, fmt.Errorf("read keys from the terminal: %w", err)
	}
	return b[0], nil
}

// ready reports whether there is something to read, or will never be, within so many
// milliseconds.
func ready(in *os.File, wait int) bool {
	fds := []unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, wait)
	return err == nil && n > 0
}
