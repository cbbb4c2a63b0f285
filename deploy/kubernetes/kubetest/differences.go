package kubetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Leaves returns all values in a document, by their path.
func Leaves(node any) map[string]string {
	found := map[string]string{}
	add := func(name string, below any) {
		for path, value := range Leaves(below) {
			found[strings.TrimSuffix(name+"."+path, ".")] = value
		}
	}
	switch n := node.(type) {
	case map[string]any:
		for name, below := range n {
			add(name, below)
		}
	case []any:
		for i, below := range n {
			add(strconv.Itoa(i), below)
		}
	case nil:
	default:
		found[""] = fmt.Sprint(n)
	}
	return found
}

// Differences returns the paths at which two documents have other values, with both.
func Differences(got, want any) (different []string) {
	have, expected := Leaves(got), Leaves(want)
	for path, value := range have {
		if other, found := expected[path]; !found || other != value {
			different = append(different, fmt.Sprintf("%s is %q, want %q", path, value, other))
		}
	}
	for path, value := range expected {
		if _, found := have[path]; !found {
			different = append(different, fmt.Sprintf("%s is missing, want %q", path, value))
		}
	}
	slices.Sort(different)
	return different
}
