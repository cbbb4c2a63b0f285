package s3store

import (
	"errors"
	"net"
	"net/url"
	"os"
)

// trouble describes a failure that is tried again, in fewer words than classify. It
// names the host where the store has not answered.
func trouble(err error) string {
	code, _ := codeOf(err)
	status := statusOf(err)
	var request *url.Error
	if code == "" && status == 0 && errors.As(err, &request) {
		return unanswered(request)
	}
	if code == "" && (status == 0 || isGarbled(err)) {
		text, _ := classify(failure{}, err)
		return text
	}
	return "the store failed (" + answerText(code, "", status) + ")"
}

func unanswered(request *url.Error) string {
	host := "the store"
	if u, err := url.Parse(request.URL); err == nil && u.Host != "" {
		host = u.Host
	}
	var unknown *net.DNSError
	var network *net.OpError
	switch {
	case errors.As(request.Err, &unknown):
		return "cannot reach " + host + " (" + unknown.Err + ")"
	case errors.As(request.Err, &network) && network.Op == "dial":
		return "cannot reach " + host + " (" + systemText(network) + ")"
	case network != nil:
		return "the connection to " + host + " broke (" + systemText(network) + ")"
	}
	return "the connection to " + host + " broke (" + innermost(request.Err).Error() + ")"
}

// systemText returns what the system says of a connection, without its addresses.
func systemText(network *net.OpError) string {
	var call *os.SyscallError
	if errors.As(network.Err, &call) {
		return call.Err.Error()
	}
	return network.Err.Error()
}
