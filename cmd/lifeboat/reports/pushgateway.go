package reports

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

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
	user, password, err := pushgatewayLogin()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	for _, f := range m.families(nil) {
		if err := f.write(&text); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(to.to.String(), "/")+pushPath(m.labels), &text)
	if err != nil {
		return withoutURL(err)
	}
	request.Header.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	if user != "" || password != "" {
		request.SetBasicAuth(user, password)
	}
	if err := sendPush(request); err != nil {
		return fmt.Errorf("push metrics to %s: %w", to.to.Host, withoutURL(err))
	}
	return nil
}

// pushPath returns the path for metrics of these labels:
// https://github.com/prometheus/pushgateway#url. What is more than a plain word goes as
// base64, which no proxy on the way changes.
func pushPath(labels map[string]string) string {
	path := "/metrics/job/" + pushJob
	for _, l := range sorted(labels, nil) {
		if isPlain(l.value) {
			path += "/" + l.name + "/" + l.value
		} else {
			path += "/" + l.name + "@base64/" + base64.RawURLEncoding.EncodeToString([]byte(l.value))
		}
	}
	return path
}

var isPlain = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*$`).MatchString

func sendPush(request *http.Request) error {
	response, err := withoutRedirects.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 == 2 {
		return nil
	}
	why, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10)) // a Pushgateway gives its reason
	return fmt.Errorf("it answered %s: %s", response.Status, bytes.TrimSpace(why))
}
