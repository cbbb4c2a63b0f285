package reports

import (
	"maps"
	"runtime"
	"slices"
)

// The labels that identify a series, or a run over many. Metrics of backup have the
// first two; the other verbs know only the bucket URL. No label names the machine or the
// pod, because the next run may be on another: the host is the configuration's.
const (
	labelDatabase = "database"
	labelURL      = "bucket_url"
	labelConfig   = "config"
	labelHost     = "host"
	labelShard    = "shard"
)

// A Measure is one gauge, or one for each value of a label.
type Measure struct {
	Name, Help string // the name without the prefix lifeboat_
	Value      float64
	Label      string // "" for a single value
	Values     map[string]float64
}

// metrics are all metrics of one run.
type metrics struct {
	verb, version string
	labels        map[string]string
	measures      []Measure
}

// families returns the metrics as gauges that have these labels beside their own.
func (m metrics) families(labels map[string]string) []*family {
	all := []*family{m.buildInfo(labels)}
	for _, measure := range m.measures {
		all = append(all, measure.family(labels))
	}
	return all
}

func (m Measure) family(labels map[string]string) *family {
	f := &family{name: "lifeboat_" + m.Name, help: m.Help}
	if m.Label == "" {
		f.gauges = []gauge{{sorted(labels, nil), m.Value}}
	}
	for _, value := range slices.Sorted(maps.Keys(m.Values)) {
		f.gauges = append(f.gauges, gauge{sorted(labels, map[string]string{m.Label: value}), m.Values[value]})
	}
	return f
}

// buildInfo returns a metric that names the program. It has the verb for users
// who have one file for each verb: no two files may hold the same metric.
func (m metrics) buildInfo(labels map[string]string) *family {
	own := map[string]string{"verb": m.verb, "version": m.version, "goversion": runtime.Version()}
	return &family{
		name: "lifeboat_build_info", help: "Always 1. The labels say which program wrote these metrics last.",
		gauges: []gauge{{sorted(labels, own), 1}},
	}
}

// sorted returns both labels in the order of their names.
func sorted(labels, own map[string]string) []label {
	var all []label
	for name, value := range labels {
		all = append(all, label{name, value})
	}
	for name, value := range own {
		all = append(all, label{name, value})
	}
	slices.SortFunc(all, byName)
	return all
}
