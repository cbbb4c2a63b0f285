package terminal

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// WithoutEcho has a terminal show no longer what is typed, which it keeps for the next
// read, until the function that it returns is called.
func WithoutEcho(tty *os.File) (again func() error, err error) {
	before, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("read the terminal's settings: %w", err)
	}
	set := func(settings unix.Termios) error {
		if err := unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, &settings); err != nil {
			return fmt.Errorf("set the terminal's echo: %w", err)
		}
		return nil
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	return func() error { return set(*before) }, set(silent)
}
