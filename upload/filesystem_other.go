//go:build !linux

package upload

import "errors"

func fileSystem(string) (free uint64, remote string, err error) {
	return 0, "", errors.ErrUnsupported
}
