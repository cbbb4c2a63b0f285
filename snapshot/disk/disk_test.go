package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
)

func TestWrap(t *testing.T) {
	for cause, full := range map[error]bool{
		syscall.ENOSPC: true, syscall.EDQUOT: true, syscall.EFBIG: true, // no room, a quota, a file size limit
		syscall.EIO: false, syscall.EROFS: false,
	} {
		err := Wrap("write a", &os.PathError{Op: "write", Path: "a", Err: cause})
		if got, want := err.Error(), fmt.Sprintf("write a: write a: %v", cause); got != want {
			t.Errorf("text %q, want %q", got, want)
		}
		if !errors.Is(err, cause) || errors.Is(err, reason.ErrNoRoom) != full {
			t.Errorf("%v: it is not full %v", err, full)
		}
		temp := WrapTemp("write a", cause)
		if errors.Is(temp, reason.ErrNoRoom) != full || errors.Is(temp, reason.ErrTempDir) == full {
			t.Errorf("in the temp directory %v: it is not full %v", temp, full)
		}
	}
	if err := errors.Join(Wrap("write a", nil), WrapTemp("write a", nil)); err != nil {
		t.Error(err)
	}
}

// A rename to a new name, and what replaces it where a file system has none.
func TestRenameNew(t *testing.T) {
	for name, rename := range map[string]func(from, to string) error{"rename": RenameNew, "link": linkNew} {
		dir := t.TempDir()
		from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
		write := func(text string) {
			if err := os.WriteFile(from, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("first")
		if err := rename(from, to); err != nil {
			t.Fatal(err)
		}
		write("second")
		if err := rename(from, to); !errors.Is(err, os.ErrExist) {
			t.Fatalf("%s: %v", name, err)
		}
		for file, want := range map[string]string{from: "second", to: "first"} {
			if text, err := os.ReadFile(file); err != nil || string(text) != want {
				t.Errorf("%s: %s has %q, %v", name, file, text, err)
			}
		}
	}
}

func TestOpenRegular(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(at("file"), nil, 0o600), os.Symlink("file", at("link")), syscall.Mkfifo(at("fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	f, err := OpenRegular(at("file"), os.O_RDWR)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Error(err)
	}
	began := time.Now()
	for name, want := range map[string]error{"link": syscall.ELOOP, "fifo": ErrNotRegular, ".": ErrNotRegular, "absent": os.ErrNotExist} {
		if _, err := OpenRegular(at(name), os.O_RDONLY); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it waited for %v", took)
	}
}

func TestFree(t *testing.T) {
	dir := t.TempDir()
	if free, err := Free(dir); err != nil || free <= 0 {
		t.Errorf("%d, %v", free, err)
	}
	if _, err := Free(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if !IsSame(dir, filepath.Dir(dir)) || IsSame(dir, "/proc") || IsSame(dir, filepath.Join(dir, "absent")) {
		t.Error("wrong file systems are the same")
	}
}
