// Package needs has what tests need that not everyone has: root's rights, and
// time. No test is skipped for a lack of either, except where go test -short asks
// for it, which make check alone does.
package needs

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// namespace runs a program as root of new namespaces. The users and groups from
// 1 on are those that /etc/subuid and /etc/subgid give to the user.
var namespace = []string{"unshare", "--user", "--map-root-user", "--map-auto", "--mount", "--"}

// Root makes the process root. It returns at once if it is root already;
// otherwise this program starts again, as root of a user namespace, in the same
// process. Call it at the start of TestMain, but not in programs that a test
// runs as another user. A user who cannot become root fails the tests.
func Root() {
	if os.Geteuid() == 0 {
		return
	}
	err := again()
	fmt.Fprintf(os.Stderr, `these tests need root, or a user namespace: %v
Install util-linux and uidmap, and give this user 65536 IDs in /etc/subuid and /etc/subgid:
  usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER
Where AppArmor forbids namespaces to users:
  sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
`, err)
	os.Exit(1)
}

// again starts this program again as root of a namespace. It returns only if it
// could not.
func again() error {
	unshare, err := exec.LookPath(namespace[0])
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// unshare runs the program itself without a word of ours, so ask first. All
	// IDs that tests use are below 65535.
	ask := append(namespace[1:len(namespace):len(namespace)], "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "true")
	if output, err := exec.Command(unshare, ask...).CombinedOutput(); err != nil {
		return fmt.Errorf("unshare: %w: %s", err, output)
	}
	arguments := append(namespace[:len(namespace):len(namespace)], self)
	err = syscall.Exec(unshare, append(arguments, os.Args[1:]...), os.Environ())
	return fmt.Errorf("run %s: %w", unshare, err)
}

// InNamespace reports whether root is that of a user namespace, which the kernel
// lets neither make devices or immutable files nor take a lease on another user's
// file.
func InNamespace(t testing.TB) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	return !slices.Equal(strings.Fields(string(text)), []string{"0", "0", "4294967295"})
}
