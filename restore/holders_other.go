//go:build !linux

package restore

import (
	"errors"
	"os"
)

func holders(os.FileInfo) []Holder { return nil }

func openHere(os.FileInfo) (bool, error) { return false, errors.ErrUnsupported }
