package secrets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A secret comes from its variable or from a file, never from both, and no error
// repeats it, or a path that may be one.
func TestGet(t *testing.T) {
	const name, hidden = "LIFEBOAT_TEST_SECRET", "hunter2-secret"
	dir := t.TempDir()
	file := func(content string) string {
		path := filepath.Join(dir, "secret")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for what, c := range map[string]struct {
		value, path string
		want, wrong string
	}{
		"nothing":              {"", "", "", ""},
		"a variable":           {hidden, "", hidden, ""},
		"both":                 {hidden, dir, "", "both set"},
		"no file":              {"", dir + "/" + hidden, "", "no such file"},
		"the secret as a path": {"", "https://example.com/" + hidden, "", "no such file"},
		"a directory":          {"", dir, "", "is a directory"},
		"no end":               {"", "/dev/zero", "", "more than 65536 bytes"},
	} {
		check(t, what, name, c.value, c.path, c.want, c.wrong)
	}
	for content, c := range map[string]struct{ want, wrong string }{
		hidden:                            {hidden, ""},
		hidden + "\n":                     {hidden, ""},
		hidden + "\r\n":                   {hidden, ""},
		" " + hidden + " \n":              {" " + hidden + " ", ""},
		"":                                {"", "is empty"},
		"\n\n":                            {"", "is empty"},
		hidden + "\n" + hidden:            {"", "more than one line"},
		strings.Repeat(hidden, 64<<10/10): {"", "more than 65536 bytes"},
	} {
		check(t, content[:min(len(content), 40)], name, "", file(content), c.want, c.wrong)
	}
}

// A pipe is read to its end, as the <(...) of a shell is, but no pipe is waited for that
// no program writes to.
func TestPipe(t *testing.T) {
	const name = "LIFEBOAT_TEST_SECRET"
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		defer w.Close()
		for _, part := range []string{"hunter2-", "secret\n"} {
			if _, err := w.WriteString(part); err != nil {
				t.Error(err)
			}
		}
	}()
	check(t, "written to", name, "", fmt.Sprintf("/dev/fd/%d", r.Fd()), "hunter2-secret", "")
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, "not written to", name, "", path, "", "is empty")
}

func check(t *testing.T, what, name, value, path, want, wrong string) {
	t.Helper()
	t.Setenv(name, value)
	t.Setenv(name+FileSuffix, path)
	got, err := Get(name)
	switch {
	case got != want || (err == nil) != (wrong == ""):
		t.Errorf("%s: %q, %v; want %q", what, got, err, want)
	case err != nil && (!strings.Contains(err.Error(), wrong) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "hunter2")):
		t.Errorf("%s: %v; want %s", what, err, wrong)
	}
}
