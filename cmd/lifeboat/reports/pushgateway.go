package reports

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/secrets"
)

// The variables of the credentials for the Pushgateway. They have no flags: flags show
// in ps.
const (
	PushgatewayUser     = "LIFEBOAT_PUSHGATEWAY_USER"
	PushgatewayPassword = "LIFEBOAT_PUSHGATEWAY_PASSWORD"
)

// pushJob is the job label of what is pushed.
const pushJob = "lifeboat"

func pushgatewayLogin() (user, password string, err error) {
	user, wrongUser := secrets.Get(PushgatewayUser)
	password, wrongPassword := secrets.Get(PushgatewayPassword)
	return user, password, errors.Join(wrongUser, wrongPassword)
}

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
	user, password, err := pushgatewayLogin()
	if err != nil {
		return err
	}
	if user != "" || password != "" {
		p.BasicAuth(user, password)
	}
	if err := p.AddContext(ctx); err != nil {
		return fmt.Errorf("push metrics to %s: %w", to.to.Host, withoutURL(err))
	}
	return nil
}
