package databases

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// templateNames are what the names in a bucket URL's template stand for.
type templateNames struct {
	host, name, dir string
	below           bool // the name is a path below a directory, and may have slashes
}

var templateName = regexp.MustCompile(`\{[^{}]*\}`)

// expandTemplate replaces {host}, {name} and {dir}.
func expandTemplate(template string, n templateNames) (string, error) {
	values := map[string]string{"host": n.host, "name": n.name, "dir": n.dir}
	var wrong error
	expanded := templateName.ReplaceAllStringFunc(template, func(found string) string {
		name := found[1 : len(found)-1]
		value, known := values[name]
		switch {
		case !known:
			wrong = fmt.Errorf("unknown name %s: %s", found, didYouMean(name, []string{"host", "name", "dir"}))
		case strings.Contains(value, "/") && !(n.below && name == "name"):
			wrong = fmt.Errorf("%s would be %q, and one with a slash cannot stand in a bucket URL", found, value)
		}
		if strings.HasPrefix(strings.ToLower(template), "file:") {
			value = strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23").Replace(value)
		}
		return value
	})
	if strings.ContainsAny(templateName.ReplaceAllString(template, ""), "{}") {
		wrong = fmt.Errorf("unmatched brace in %q", template)
	}
	return expanded, wrong
}

// hostName returns what {host} stands for: the chosen name, or the machine's own.
// A container's own name is refused, because it changes: a series that starts anew
// with every pod never releases a snapshot, and no restore finds it.
func hostName(chosen string, container bool, machine func() (string, error)) (string, error) {
	const help = "set host in the file, --host or LIFEBOAT_HOST"
	if strings.Contains(chosen, "/") {
		return "", fmt.Errorf("the host %q has a slash in it", chosen)
	}
	if chosen != "" {
		return chosen, nil
	}
	if container {
		return "", errors.New("{host} is left open, and a container's own name changes with each: " + help)
	}
	name, err := machine()
	if err != nil || name == "" || strings.HasPrefix(name, "localhost") {
		return "", errors.New("{host} is left open, and this machine has no name of its own: " + help)
	}
	return name, nil
}

// HostName returns what {host} stands for in the file: chosen if it is not empty, or the
// machine's name if a bucket URL has {host}. "" if neither is known.
func (f File) HostName(chosen string) string {
	for _, e := range f.Entries {
		if chosen == "" && strings.Contains(e.URL.Text(), "{host}") {
			chosen, _ = hostName("", inContainer(), os.Hostname) // the entry's error says why
		}
	}
	return chosen
}

// inContainer reports whether this looks like a container of Kubernetes, Docker or
// Podman.
func inContainer() bool {
	for _, path := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return os.Getenv("KUBERNETES_SERVICE_HOST") != "" || os.Getenv("container") != ""
}
