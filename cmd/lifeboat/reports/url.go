package reports

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// A URL is the address of a service as a flag. It may be a secret, or hold one
// in the wrong place. Therefore Check reports what is wrong with it: kong would
// print an error of UnmarshalText beside the text that it came from.
type URL struct {
	to    *url.URL // nil if not given, or wrong
	wrong error
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *URL) UnmarshalText(text []byte) error {
	*u = URL{}
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

// Schema describes the values in a file of databases.
func (URL) Schema() map[string]any {
	return map[string]any{"type": "string", "pattern": "^https?://"}
}

func (u URL) check(flag string) error {
	if u.wrong != nil {
		return fmt.Errorf("%s: %w", flag, u.wrong)
	}
	return nil
}

func (u URL) isZero() bool { return u.to == nil }

// withoutURL returns the error of a request without the URL that net/http
// puts in front.
func withoutURL(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// withoutRedirects is the client for requests with a secret in their URL or
// headers: a redirect would take it to another host, or send it in clear.
var withoutRedirects = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
