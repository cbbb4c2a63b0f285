package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Notices in the way of healthchecks.io (https://healthchecks.io/docs/http_api/):
// a POST to URL/start, then one to URL for success or to URL/<exit code> for
// failure, with what happened as its body.
const (
	pingTries   = 3
	pingTryFor  = 4 * time.Second // at most; less if the whole time is over sooner
	pingPause   = 500 * time.Millisecond
	tailBytes   = 8 << 10
	pingTimeout = 10 * time.Second // of the first notice, which nobody waits for until the end
)

// A ping tells of one run. Without a URL it does nothing. Its failures are
// warnings.
type ping struct {
	url httpURL
	c   *console
	// started is closed when the first notice is out of the way, so that the
	// second is not overtaken by it.
	started chan struct{}
}

// startPing tells that a run begins, and does not wait for the answer.
func startPing(ctx context.Context, c *console, to httpURL) *ping {
	p := &ping{to, c, make(chan struct{})}
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

// end tells how the run ended, within the time.
func (p *ping) end(ctx context.Context, within time.Duration, exit int, err error, log *tail) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	<-p.started // soon: it has its own deadline, and ends with the run's context
	if p.url.isZero() {
		return
	}
	how := ""
	body := fmt.Sprintf("exit %d\n", exit)
	if exit != exitDone {
		how = strconv.Itoa(exit)
	}
	if err != nil {
		body += fmt.Sprintf("error: %v\n", err)
		if hint := hintFor(err); hint != "" {
			body += "hint: " + hint + "\n"
		}
	}
	p.send(ctx, how, body+log.String())
}

// send posts one notice, with a few tries.
func (p *ping) send(ctx context.Context, how, body string) {
	var err error
	for try := range pingTries {
		if try > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(pingPause):
			}
		}
		if ctx.Err() != nil {
			break
		}
		var again bool
		if again, err = p.post(ctx, how, body); err == nil || !again {
			break
		}
	}
	if err = cmp.Or(err, ctx.Err()); err != nil {
		p.c.log.Warn("the notice of "+cmp.Or(how, "success")+" was not taken", "host", p.url.to.Host, "cause", err)
	}
}

// withoutRedirects is the client for what carries a secret in its URL or its
// headers: a redirect would take it to another host, or send it in clear.
var withoutRedirects = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// post sends one notice once, and says whether another try may help. Its
// errors do not have the URL, which is a secret.
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
	request.Header.Set("User-Agent", "lifeboat/"+programVersion())
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

// A tail keeps the last lines that were written to it.
type tail struct {
	mu    sync.Mutex
	lines []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, p...)
	if over := len(t.lines) - tailBytes; over > 0 {
		end := bytes.IndexByte(t.lines[over:], '\n') // a line that was cut goes
		t.lines = append([]byte(nil), t.lines[over+max(end, 0)+1:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.lines)
}
