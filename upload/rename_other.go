//go:build !linux

package upload

import "errors"

func renameNoReplace(from, to string) error { return errors.ErrUnsupported }
