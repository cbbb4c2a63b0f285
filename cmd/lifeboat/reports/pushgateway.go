package reports

import (
	"context"
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"
)

// The variables of the credentials for the Pushgateway. They have no flags: flags show
// in ps.
const (
	PushgatewayUser     = "LIFEBOAT_PUSHGATEWAY_USER"
	PushgatewayPassword = "LIFEBOAT_PUSHGATEWAY_PASSWORD"
)

// pushJob is the job label of what is pushed.
const pushJob = "lifeboat"

// pushMetrics adds a run's metrics to those that the Pushgateway has of the same
// labels. It uses POST, which keeps those of other names.
func pushMetrics(ctx context.Context, to URL, m metrics) error {
	registry := prometheus.NewRegistry()
	if err := m.register(registry); err != nil {
		return err
	}
	p := push.New(to.to.String(), pushJob).Gatherer(registry).Client(withoutRedirects)
	for name, value := range m.labels {
		p.Grouping(name, value)
	}
	if user, password := os.Getenv(PushgatewayUser), os.Getenv(PushgatewayPassword); user != "" || password != "" {
		p.BasicAuth(user, password)
	}
	if err := p.AddContext(ctx); err != nil {
		return fmt.Errorf("push metrics to %s: %w", to.to.Host, withoutURL(err))
	}
	return nil
}
