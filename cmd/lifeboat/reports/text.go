package reports

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// Metrics as text, as much of it as gauges need:
// https://prometheus.io/docs/instrumenting/exposition_formats/. Prometheus' own package
// for it brings Protocol Buffers, 2 MB of program.

// A family is all gauges of one name.
type family struct {
	name, help string
	gauges     []gauge
}

type gauge struct {
	labels []label // in the order of their names
	value  float64
}

type label struct{ name, value string }

// get returns the value of a label, "" if the gauge has none of this name.
func (g gauge) get(name string) string {
	for _, l := range g.labels {
		if l.name == name {
			return l.value
		}
	}
	return ""
}

var (
	escapeHelp    = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeLabel   = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	unescapeHelp  = strings.NewReplacer(`\\`, `\`, `\n`, "\n")
	unescapeLabel = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\"`, `"`)
)

// write writes the family.
func (f *family) write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", f.name, escapeHelp.Replace(f.help), f.name)
	for _, g := range f.gauges {
		b.WriteString(f.name)
		before := "{"
		for _, l := range g.labels {
			b.WriteString(before + l.name + `="` + escapeLabel.Replace(terminal.ValidText(l.value)) + `"`)
			before = ","
		}
		if len(g.labels) > 0 {
			b.WriteString("}")
		}
		b.WriteString(" " + strconv.FormatFloat(g.value, 'g', -1, 64) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var errNoMetric = errors.New("not a metric")

// parseFamilies parses metrics, by their names. Metrics of another program are an
// error, and so is anything but gauges.
func parseFamilies(text string) (map[string]*family, error) {
	families := map[string]*family{}
	of := func(name string) (*family, error) {
		if !strings.HasPrefix(name, "lifeboat_") {
			return nil, fmt.Errorf("metrics of another program: %s", terminal.ValidText(name))
		}
		if families[name] == nil {
			families[name] = &family{name: name}
		}
		return families[name], nil
	}
	number := 0
	for line := range strings.Lines(text) {
		number++
		if err := parseLine(strings.TrimSpace(line), of); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return families, nil
}

func parseLine(line string, of func(name string) (*family, error)) error {
	if words := strings.SplitN(line, " ", 4); words[0] == "#" && len(words) > 2 && (words[1] == "HELP" || words[1] == "TYPE") {
		f, err := of(words[2])
		if err != nil {
			return err
		}
		rest := strings.Join(words[3:], "")
		if words[1] == "HELP" {
			f.help = unescapeHelp.Replace(rest)
		} else if rest != "gauge" {
			return fmt.Errorf("%s is no gauge", f.name)
		}
		return nil
	}
	if line == "" || line[0] == '#' { // a comment
		return nil
	}
	end := strings.IndexAny(line, "{ ")
	if end < 0 {
		return errNoMetric
	}
	f, err := of(line[:end])
	if err != nil {
		return err
	}
	g, err := parseGauge(line[end:])
	f.gauges = append(f.gauges, g)
	return err
}

// parseGauge parses what follows the name of a metric.
func parseGauge(text string) (g gauge, err error) {
	rest, hasLabels := strings.CutPrefix(text, "{")
	rest = strings.TrimSpace(rest)
	for hasLabels && !strings.HasPrefix(rest, "}") {
		name, value, found := strings.Cut(rest, `="`)
		end := closingQuote(value)
		if !found || end < 0 {
			return g, errNoMetric
		}
		g.labels = append(g.labels, label{strings.TrimSpace(name), unescapeLabel.Replace(value[:end])})
		rest = strings.TrimPrefix(strings.TrimSpace(value[end+1:]), ",")
		rest = strings.TrimSpace(rest)
	}
	if hasLabels {
		rest = rest[1:]
	}
	slices.SortFunc(g.labels, byName)
	if g.value, err = strconv.ParseFloat(strings.TrimSpace(rest), 64); err != nil {
		return g, errNoMetric
	}
	return g, nil
}

func byName(a, b label) int { return strings.Compare(a.name, b.name) }

// closingQuote returns where the first quote is that no backslash precedes, -1 if there
// is none.
func closingQuote(text string) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}
