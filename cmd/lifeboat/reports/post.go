package reports

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/pause"
)

const (
	postTries  = 3
	postTryFor = 4 * time.Second // at most; less if the whole time is over sooner
	postPause  = 500 * time.Millisecond
)

// A sender posts notices. What fails is a warning in its log.
type sender struct {
	agent string // the program's name and version
	log   *slog.Logger
}

// send posts a notice, with a few tries. what names it in a warning.
func (s sender) send(ctx context.Context, what string, to *url.URL, kind, body string) {
	var err error
	for try := range postTries {
		if try > 0 && pause.For(ctx, postPause) != nil || ctx.Err() != nil {
			break
		}
		var again bool
		if again, err = s.post(ctx, to, kind, body); err == nil || !again {
			break
		}
	}
	if err = cmp.Or(err, ctx.Err()); err != nil {
		s.log.Warn(what+" was not taken", "host", to.Host, "cause", err)
	}
}

// post sends one notice once, and reports whether another try may help. Its errors
// leave out the URL, which is a secret.
func (s sender) post(ctx context.Context, to *url.URL, kind, body string) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, postTryFor)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(body))
	if err != nil {
		return false, withoutURL(err)
	}
	request.Header.Set("User-Agent", s.agent)
	request.Header.Set("Content-Type", kind)
	response, err := withoutRedirects.Do(request)
	if err != nil {
		return true, withoutURL(err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10) // for the connection's sake: the status is the answer
	if to, err := response.Location(); err == nil && response.StatusCode/100 == 3 {
		// Its path may repeat the secret.
		return false, fmt.Errorf("it answered %s, to %s://%s, and Lifeboat follows no redirects", response.Status, to.Scheme, to.Host)
	}
	if response.StatusCode >= 300 {
		return response.StatusCode >= 500 || response.StatusCode == http.StatusTooManyRequests, fmt.Errorf("it answered %s", response.Status)
	}
	return false, nil
}
