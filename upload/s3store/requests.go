package s3store

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
)

// shownQuery are the parameters of a request that are logged: none is a secret, as a
// signature in the query would be.
var shownQuery = []string{"prefix", "start-after", "versionId", "partNumber"}

// logRequests returns a client that logs each request and what came of it, but no
// header: those have the signature and customer keys.
func logRequests(next aws.HTTPClient, log *slog.Logger) aws.HTTPClient {
	return doer(func(request *http.Request) (*http.Response, error) {
		if !log.Enabled(request.Context(), slog.LevelDebug) {
			return next.Do(request)
		}
		began := time.Now()
		response, err := next.Do(request)
		attributes := append(about(request), slog.Int64("ms", time.Since(began).Milliseconds()))
		if err != nil {
			attributes = append(attributes, slog.String("error", networkText(err)))
		} else {
			attributes = append(attributes, slog.Int("status", response.StatusCode), slog.Int64("received", response.ContentLength))
		}
		log.LogAttrs(request.Context(), slog.LevelDebug, "request", attributes...)
		return response, err
	})
}

func about(request *http.Request) []slog.Attr {
	attributes := []slog.Attr{
		slog.String("operation", awsmiddleware.GetOperationName(request.Context())), slog.String("method", request.Method),
		slog.String("host", request.URL.Host), slog.String("key", request.URL.Path), slog.Int64("sent", request.ContentLength),
	}
	query := request.URL.Query()
	for _, name := range shownQuery {
		if query.Has(name) {
			attributes = append(attributes, slog.String(name, query.Get(name)))
		}
	}
	return attributes
}
