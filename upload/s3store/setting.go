package s3store

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// misconfigured returns what the answer proves about the settings, and the
// setting to change; "" if it proves nothing. Another try would get the same
// answer.
func misconfigured(f failure, err error) (text, setting string) {
	if text, setting = badCertificate(err); text != "" {
		return text, setting
	}
	code, _ := codeOf(err)
	switch answer := foreign(err); {
	case saysHTTP(err):
		return "the endpoint speaks HTTP, not HTTPS", "the endpoint URL (AWS_ENDPOINT_URL_S3) needs http:// here, or the port where the store speaks HTTPS"
	case saysTLS(err) || answer != nil && answer.wantsTLS:
		return "the endpoint speaks HTTPS, not HTTP", "the endpoint URL (AWS_ENDPOINT_URL_S3) needs https:// here"
	case refusedTLS(err) != "":
		return "no TLS connection with the endpoint: " + refusedTLS(err), "AWS_ENDPOINT_URL_S3 needs the host and the port where the store itself speaks HTTPS"
	case answer != nil && answer.location != "":
		return "the endpoint redirects to " + answer.location + ", and Lifeboat follows no redirects", "set AWS_ENDPOINT_URL_S3 to the address where the store itself answers"
	case answer != nil && answer.first:
		return "what answers at the endpoint is not an S3 store (" + answer.what + ")", "set AWS_ENDPOINT_URL_S3 to the address of the store's S3 API; a web page, a console or a login of the network answers there"
	case err != nil && strings.Contains(err.Error(), "must be made to API port"):
		return "the endpoint is the store's console, and not its S3 API", "set AWS_ENDPOINT_URL_S3 to the port of the S3 API"
	case isNoRoot(f, err):
		return "the endpoint is not the root of an S3 store: it took the listing of the bucket for an object (" + cmp.Or(code, "404") + ")", "set AWS_ENDPOINT_URL_S3 to the store's address without a path and without the bucket's name in host or path: Lifeboat puts it behind"
	}
	return "", ""
}

// isNoRoot: a listing was taken for a request for an object, as it is where the
// endpoint has the bucket in its host or its path already.
func isNoRoot(f failure, err error) bool {
	code, _ := codeOf(err)
	return f.operation == "list" &&
		(code == "NoSuchKey" || (code == "" || code == "NotFound") && statusOf(err) == http.StatusNotFound)
}

// badCertificate is about certificates that will not be better at the next try.
func badCertificate(err error) (text, setting string) {
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &hostname):
		return "the store's certificate is for another host: " + hostname.Error(), "AWS_ENDPOINT_URL_S3 needs the host that the certificate names"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the store's certificate is not valid now: " + invalid.Error(), "renew the store's certificate, or set this machine's clock"
	case isUntrusted(err):
		return "the store's certificate is not trusted: " + innermost(err).Error(), "AWS_CA_BUNDLE, or ca_bundle of the profile that a flag names, is a PEM file with the certificates to trust"
	}
	return "", ""
}

// saysHTTP: the answer to a TLS handshake is HTTP.
func saysHTTP(err error) bool {
	return err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// saysTLS: the answer to an HTTP request is a TLS record with an alert.
func saysTLS(err error) bool {
	return err != nil && strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`)
}

// refusedTLS returns why there can be no TLS connection, "" if that is not the
// reason. An internal error of the server may pass.
func refusedTLS(err error) string {
	const internalError = tls.AlertError(80)
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &record):
		return record.Msg
	case errors.As(err, &alert) && alert != internalError:
		return alert.Error()
	}
	return ""
}

// refuseEndpoint returns why there can be no store of this bucket at an
// endpoint, "" if there can be. A path may be a store's root, such as
// Supabase's /storage/v1/s3, and a host may begin with the name of a bucket by
// chance: those the first listing judges.
func refuseEndpoint(u bucket.URL, e *url.URL) string {
	switch {
	case e.User != nil:
		return "the endpoint URL has a user or a password, which no store takes there"
	case e.RawQuery != "" || e.Fragment != "":
		return "the endpoint URL has a query or a fragment"
	case slices.Contains(strings.Split(e.Path, "/"), u.Bucket):
		return "the endpoint URL has the bucket's name in it, which comes twice then"
	}
	return ""
}

// unreadable returns which setting is behind an error of reading the settings, "" if that
// is not clear.
func unreadable(err error) string {
	var profile config.SharedConfigProfileNotExistError
	var file *fs.PathError
	switch bundle := os.Getenv("AWS_CA_BUNDLE"); {
	case errors.As(err, &profile):
		return "there is no profile " + profile.Profile + " (AWS_PROFILE) in the AWS files ~/.aws/config and ~/.aws/credentials"
	case errors.As(err, &file) && file.Path == bundle:
		return "AWS_CA_BUNDLE names that file"
	}
	return ""
}

// withScheme returns what to set for an endpoint without a scheme. What is no name or
// address of a host, with a dot or a port, may be a secret that was set in its place.
func withScheme(endpoint string) string {
	const set = "set AWS_ENDPOINT_URL_S3 to a URL such as https://"
	if e, err := url.Parse("https://" + endpoint); err == nil && e.Host == endpoint && strings.ContainsAny(endpoint, ".:") {
		return set + endpoint
	}
	return set + "s3.example.com"
}

// halfOfKeys returns which of the two variables of a key is missing, "" if it is not one
// alone.
func halfOfKeys() string {
	const id, secret = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
	switch hasID, hasSecret := os.Getenv(id) != "", os.Getenv(secret) != ""; {
	case hasID && !hasSecret:
		return id + " is set, and " + secret + " is not"
	case hasSecret && !hasID:
		return secret + " is set, and " + id + " is not"
	}
	return ""
}
