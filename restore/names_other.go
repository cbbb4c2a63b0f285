//go:build !linux

package restore

import "os"

func isMountPoint(_ string, file, dir os.FileInfo) bool { return device(file) != device(dir) }

func isImmutable(string) bool { return false }
