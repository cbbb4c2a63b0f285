// Package secrets reads the settings that are secrets: from the environment, or from
// files, as systemd's credentials, Docker's secrets and mounted Secrets of Kubernetes
// are.
package secrets

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// FileSuffix ends the variable that names the file of a secret.
const FileSuffix = "_FILE"

// maxSize is the most bytes of a file that may be a secret.
const maxSize = 64 << 10

// Get returns a secret: what its variable holds, or the one line of the file that the
// variable with FileSuffix names; "" if neither is set. The errors name the variables,
// and neither the secret nor the file: a secret may have been put in place of its name.
func Get(name string) (string, error) {
	value, path := os.Getenv(name), os.Getenv(name+FileSuffix)
	switch {
	case path == "":
		return value, nil
	case value != "":
		return "", fmt.Errorf("%s and %s are both set: choose", name, name+FileSuffix)
	}
	secret, err := read(path)
	if err != nil {
		return "", fmt.Errorf("read the file of %s: %w", name+FileSuffix, withoutPath(err))
	}
	return secret, nil
}

// read returns the line in a file, without its end.
func read(path string) (string, error) {
	// A pipe that no program writes to is empty: to wait for one no signal would end.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	secret := strings.TrimRight(string(text), "\r\n")
	switch {
	case err != nil:
		return "", err
	case len(text) > maxSize:
		return "", fmt.Errorf("it has more than %d bytes", maxSize)
	case secret == "":
		return "", errors.New("it is empty")
	case strings.ContainsAny(secret, "\r\n"):
		return "", errors.New("it has more than one line")
	}
	return secret, nil
}

func withoutPath(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
