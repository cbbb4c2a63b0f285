//go:build !linux

package disk

import "os"

// Nameless opens a temp file in a directory that has a name for a moment only.
func Nameless(dir string) (*os.File, error) { return unnamed(dir) }
