//go:build !linux

package s3store

import "os"

// nameless opens a temp file in a directory that has a name for a moment only.
func nameless(dir string) (*os.File, error) { return unnamed(dir) }
