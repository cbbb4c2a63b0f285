package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// metricsFlags say where the metrics of a run go.
type metricsFlags struct {
	MetricsFile string  `type:"path" placeholder:"FILE" group:"Reports" help:"Write metrics for node_exporter's textfile collector."`
	Pushgateway httpURL `placeholder:"URL" group:"Reports" help:"Push metrics to a Prometheus Pushgateway."`
}

// The credentials for the Pushgateway have no flags: flags show in ps.
const (
	pushgatewayUser     = "LIFEBOAT_PUSHGATEWAY_USER"
	pushgatewayPassword = "LIFEBOAT_PUSHGATEWAY_PASSWORD"
)

// pushJob is the job label of what is pushed.
const pushJob = "lifeboat"

// The labels that tell series apart: backup has both, the other verbs, which
// know the bucket alone, have the second. There is none of the host or the pod,
// because the next run may be on another.
const (
	labelDatabase = "database"
	labelURL      = "bucket_url"
)

func (f *metricsFlags) wantsMetrics() bool { return f.MetricsFile != "" || !f.Pushgateway.isZero() }

// A measure is one gauge, or one for each value of a label.
type measure struct {
	name, help string // the name without the prefix lifeboat_
	value      float64
	label      string // "" for a single value
	values     map[string]float64
}

// sendMetrics writes and pushes the metrics of a run, both within the time.
func (f *metricsFlags) sendMetrics(ctx context.Context, within time.Duration, r *runReport) error {
	if !f.wantsMetrics() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var errs []error
	if f.MetricsFile != "" {
		errs = append(errs, writeMetrics(ctx, f.MetricsFile, r))
	}
	if !f.Pushgateway.isZero() {
		errs = append(errs, pushMetrics(ctx, f.Pushgateway, r))
	}
	return errors.Join(errs...)
}

// labels are those that tell the run's series from others.
func (r *runReport) labels() prometheus.Labels {
	labels := prometheus.Labels{labelURL: r.url}
	if r.database != "" {
		labels[labelDatabase] = terminal.ValidText(r.database)
	}
	return labels
}

// measures are all that a run tells: what it measured, and what is told of
// every run. That of a failed one has no last success: what is told of it is
// added to what was told before, which stays.
func (r *runReport) measures() []measure {
	unix := func(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
	all := append([]measure{
		{name: r.verb + "_last_attempt_timestamp_seconds", help: "When the last run ended, well or not.", value: unix(r.ended)},
		{name: r.verb + "_last_exit_code", help: "Exit code of the last run.", value: float64(r.exit)},
		{name: r.verb + "_duration_seconds", help: "How long the last run took.", value: r.ended.Sub(r.began).Seconds()},
	}, r.measured...)
	if r.succeeded {
		all = append(all, measure{name: r.verb + "_last_success_timestamp_seconds",
			help: "When the last run ended that did the main thing, whatever failed beside it.", value: unix(r.ended)})
	}
	return all
}

// register makes gauges of the measures.
func register(to prometheus.Registerer, all []measure) error {
	for _, m := range all {
		options := prometheus.GaugeOpts{Namespace: "lifeboat", Name: m.name, Help: m.help}
		if m.label == "" {
			gauge := prometheus.NewGauge(options)
			gauge.Set(m.value)
			if err := to.Register(gauge); err != nil {
				return err
			}
			continue
		}
		gauges := prometheus.NewGaugeVec(options, []string{m.label})
		for name, value := range m.values {
			gauges.WithLabelValues(name).Set(value)
		}
		if err := to.Register(gauges); err != nil {
			return err
		}
	}
	return nil
}

// buildInfo says which program it was. The verb is there for those who have a
// file for each user: no two files may hold the same metric.
func buildInfo(verb string) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "lifeboat", Name: "build_info", Help: "Always 1. The labels say which program wrote these metrics last.",
		ConstLabels: prometheus.Labels{"verb": verb, "version": programVersion(), "goversion": runtime.Version()},
	})
	info.Set(1)
	return info
}

// pushMetrics adds the run's metrics to what the Pushgateway has of the series:
// by POST, so that others of it stay.
func pushMetrics(ctx context.Context, to httpURL, r *runReport) error {
	registry := prometheus.NewRegistry()
	if err := errors.Join(register(registry, r.measures()), registry.Register(buildInfo(r.verb))); err != nil {
		return err
	}
	p := push.New(to.to.String(), pushJob).Gatherer(registry).Client(withoutRedirects)
	for name, value := range r.labels() {
		p.Grouping(name, value)
	}
	if user, password := os.Getenv(pushgatewayUser), os.Getenv(pushgatewayPassword); user != "" || password != "" {
		p.BasicAuth(user, password)
	}
	if err := p.AddContext(ctx); err != nil {
		return fmt.Errorf("push metrics to %s: %w", to.to.Host, withoutURL(err))
	}
	return nil
}

// An httpURL is the address of a service as a flag. It may be a secret, or hold
// one in the wrong place. What is wrong with it is therefore told by check: with
// an error of UnmarshalText kong would quote the variable that it came from.
type httpURL struct {
	to    *url.URL // nil if not given, or wrong
	wrong error
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *httpURL) UnmarshalText(text []byte) error {
	*u = httpURL{}
	parsed, err := url.Parse(string(text))
	switch {
	case err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https":
		u.wrong = errors.New("it is not a URL such as https://example.com/name; as it may be a secret it is not shown")
	case parsed.User != nil:
		u.wrong = errors.New("no user or password belongs in the URL: it shows in ps")
	default:
		u.to = parsed
	}
	return nil
}

func (u httpURL) check(flag string) error {
	if u.wrong != nil {
		return usage("%s: %w", flag, u.wrong)
	}
	return nil
}

func (u httpURL) isZero() bool { return u.to == nil }

// withoutURL returns the error of a request without the URL that net/http
// puts in front.
func withoutURL(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}
