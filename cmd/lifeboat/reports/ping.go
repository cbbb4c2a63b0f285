package reports

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/pause"
)

// Notices in the way of healthchecks.io (https://healthchecks.io/docs/http_api/):
// a POST to URL/start, then one to URL for success or to URL/<exit code> for
// failure, with what happened as its body.
const (
	pingTries   = 3
	pingTryFor  = 4 * time.Second // at most; less if the whole time is over sooner
	pingPause   = 500 * time.Millisecond
	pingTimeout = 10 * time.Second // of the first notice, for which the run waits only at its end
)

// A ping sends the notices of one run. Without a URL it does nothing. Its failures
// are warnings.
type ping struct {
	url   URL
	agent string
	log   *slog.Logger
	// started is closed when the first notice is out of the way, so that the
	// second is not overtaken by it.
	started chan struct{}
}

// startPing sends the notice of a start, and does not wait for the answer. agent
// is the program's name and version.
func startPing(ctx context.Context, to URL, agent string, log *slog.Logger) *ping {
	p := &ping{to, agent, log, make(chan struct{})}
	if to.isZero() {
		close(p.started)
		return p
	}
	go func() {
		defer close(p.started)
		ctx, cancel := context.WithTimeout(ctx, pingTimeout)
		defer cancel()
		p.send(ctx, "start", "")
	}()
	return p
}

// end sends the notice of a run's exit code, within the time.
func (p *ping) end(ctx context.Context, within time.Duration, exit int, body string) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	<-p.started // soon: it has its own deadline, and ends with the run's context
	if p.url.isZero() {
		return
	}
	how := ""
	if exit != 0 {
		how = strconv.Itoa(exit)
	}
	p.send(ctx, how, body)
}

// send posts one notice, with a few tries.
func (p *ping) send(ctx context.Context, how, body string) {
	var err error
	for try := range pingTries {
		if try > 0 && pause.For(ctx, pingPause) != nil || ctx.Err() != nil {
			break
		}
		var again bool
		if again, err = p.post(ctx, how, body); err == nil || !again {
			break
		}
	}
	if err = cmp.Or(err, ctx.Err()); err != nil {
		p.log.Warn("the notice of "+cmp.Or(how, "success")+" was not taken", "host", p.url.to.Host, "cause", err)
	}
}

// post sends one notice once, and reports whether another try may help. Its errors
// leave out the URL, which is a secret.
func (p *ping) post(ctx context.Context, how, body string) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, pingTryFor)
	defer cancel()
	to := p.url.to
	if how != "" {
		to = to.JoinPath(how)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(body))
	if err != nil {
		return false, withoutURL(err)
	}
	request.Header.Set("User-Agent", p.agent)
	request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	response, err := withoutRedirects.Do(request)
	if err != nil {
		return true, withoutURL(err)
	}
	defer response.Body.Close()
	if _, err := io.CopyN(io.Discard, response.Body, 64<<10); err != nil && err != io.EOF {
		return true, err
	}
	if to, err := response.Location(); err == nil && response.StatusCode/100 == 3 {
		// Its path may repeat the secret.
		return false, fmt.Errorf("it answered %s, to %s://%s, and Lifeboat follows no redirects", response.Status, to.Scheme, to.Host)
	}
	if response.StatusCode >= 300 {
		return response.StatusCode >= 500 || response.StatusCode == http.StatusTooManyRequests, fmt.Errorf("it answered %s", response.Status)
	}
	return false, nil
}
