package upload

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
)

// Setting says which setting is wrong and what it should be, in a sentence,
// where the answer that err is about proves it. It is "" for all other errors.
func Setting(err error) string {
	var described *storeError
	if !errors.As(err, &described) {
		return ""
	}
	return described.setting
}

// misconfigured returns what the answer proves about the settings, and the
// setting to change; "" if it proves nothing. Another try would get the same
// answer.
func misconfigured(f failure, err error) (text, setting string) {
	if text, setting = badCertificate(err); text != "" {
		return text, setting
	}
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
	case isNoRoot(f, err):
		return "the endpoint is not the root of an S3 store: it knows no listing of the bucket", "set AWS_ENDPOINT_URL_S3 to the store's address without the bucket's name, which Lifeboat puts behind it"
	}
	return "", ""
}

// isNoRoot: a listing was taken for a request for an object, as it is where the
// endpoint has the bucket in its host or its path already.
func isNoRoot(f failure, err error) bool {
	code, _ := codeOf(err)
	return strings.HasPrefix(f.operation, "list") &&
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
		return "the store's certificate is not trusted: " + innermost(err).Error(), "AWS_CA_BUNDLE names a PEM file with the certificates to trust"
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
