package restore

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// holders returns the processes that have the file open, as far as this one
// may look into them.
func holders(file os.FileInfo) []Holder {
	var found []Holder
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		if !hasOpen(process, file) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			continue
		}
		command, _ := os.ReadFile(filepath.Join(process, "comm"))
		found = append(found, Holder{pid, strings.TrimSpace(string(command))})
	}
	slices.SortFunc(found, func(a, b Holder) int { return cmp.Compare(a.PID, b.PID) })
	return found
}

func hasOpen(process string, file os.FileInfo) bool {
	descriptors, _ := os.ReadDir(filepath.Join(process, "fd"))
	return slices.ContainsFunc(descriptors, func(d os.DirEntry) bool {
		info, err := os.Stat(filepath.Join(process, "fd", d.Name()))
		return err == nil && os.SameFile(info, file)
	})
}

// ownFiles is where this process finds its descriptors. Tests change it.
var ownFiles = "/proc/self/fd"

// openHere reports whether this process itself has the file open. It returns an
// error if it cannot tell, as where /proc is not mounted.
func openHere(file os.FileInfo) (bool, error) {
	if _, err := os.Stat(ownFiles); err != nil {
		return false, err
	}
	return hasOpen(filepath.Dir(ownFiles), file), nil
}
