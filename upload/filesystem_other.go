//go:build !linux

package upload

import "errors"

func remoteKind(string) (string, error) { return "", errors.ErrUnsupported }
