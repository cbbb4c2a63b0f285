package reports

import (
	"errors"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
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
	labels        prometheus.Labels
	measures      []Measure
}

// register makes gauges of the metrics, without their labels.
func (m metrics) register(to prometheus.Registerer) error {
	errs := []error{to.Register(m.buildInfo())}
	for _, measure := range m.measures {
		errs = append(errs, to.Register(measure.gauge()))
	}
	return errors.Join(errs...)
}

func (m Measure) gauge() prometheus.Collector {
	options := prometheus.GaugeOpts{Namespace: "lifeboat", Name: m.Name, Help: m.Help}
	if m.Label == "" {
		gauge := prometheus.NewGauge(options)
		gauge.Set(m.Value)
		return gauge
	}
	gauges := prometheus.NewGaugeVec(options, []string{m.Label})
	for name, value := range m.Values {
		gauges.WithLabelValues(name).Set(value)
	}
	return gauges
}

// buildInfo returns a metric that names the program. It has the verb for users
// who have one file for each verb: no two files may hold the same metric.
func (m metrics) buildInfo() prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "lifeboat", Name: "build_info", Help: "Always 1. The labels say which program wrote these metrics last.",
		ConstLabels: prometheus.Labels{"verb": m.verb, "version": m.version, "goversion": runtime.Version()},
	})
	info.Set(1)
	return info
}
