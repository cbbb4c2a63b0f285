//go:build !linux

package doctor

import "errors"

func remoteKind(string) (string, error) { return "", errors.ErrUnsupported }
