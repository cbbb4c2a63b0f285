package s3store

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/quirks"
)

// What the first answer proves to be a wrong setting is told at once, with the
// setting, and not tried again.
func TestWrongSettings(t *testing.T) {
	plain, secure := testserver.Start(t), testserver.StartTLS(t)
	named := &quirks.StartTLS(t, plain).Server
	expired, expiredCA := expiredServer(t)
	swap := func(endpoint, from, to string) string { return strings.Replace(endpoint, from, to, 1) }
	for name, c := range map[string]struct {
		server                *testserver.Server
		environment           map[string]string
		says, setting, region string
	}{
		"http for https": {secure, map[string]string{"AWS_ENDPOINT_URL_S3": swap(secure.Endpoint, "https", "http")},
			"speaks HTTPS, not HTTP", "needs https://", ""},
		"http for https that sends an alert": {plain, map[string]string{"AWS_ENDPOINT_URL_S3": "http://" + saying(t, "\x15\x03\x01\x00\x02\x02\x0a")},
			"speaks HTTPS, not HTTP", "needs https://", ""},
		"https for http": {plain, map[string]string{"AWS_ENDPOINT_URL_S3": swap(plain.Endpoint, "http", "https")},
			"speaks HTTP, not HTTPS", "needs http://", ""},
		"https for something else": {plain, map[string]string{"AWS_ENDPOINT_URL_S3": "https://" + saying(t, "220 mail.example.com ESMTP\r\n")},
			"no TLS connection", "AWS_ENDPOINT_URL_S3", ""},
		"unknown authority": {secure, map[string]string{"AWS_CA_BUNDLE": ""},
			"is not trusted", "AWS_CA_BUNDLE", ""},
		"other host": {named, map[string]string{"AWS_ENDPOINT_URL_S3": swap(named.Endpoint, "127.0.0.1", "localhost")},
			"for another host", "the host that the certificate names", ""},
		"expired": {plain, map[string]string{"AWS_ENDPOINT_URL_S3": expired, "AWS_CA_BUNDLE": expiredCA},
			"not valid now", "renew the store's certificate", ""},
		"region": {secure, map[string]string{"AWS_REGION": "us-west-1"},
			"the region is wrong", "", secure.Region},
	} {
		t.Run(name, func(t *testing.T) {
			bucketName := "bucket"
			if c.region != "" {
				bucketName = c.server.Bucket(t)
			}
			c.server.Setenv(t)
			for name, value := range c.environment {
				t.Setenv(name, value)
			}
			var log bytes.Buffer
			b, err := Open(t.Context(), bucket.URL{Bucket: bucketName, Prefix: "app"}, bucket.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, err = series.Snapshots(t.Context(), b, time.Time{})
			checkRefusal(t, name, err, c.says)
			if setting := bucket.Setting(err); !strings.Contains(setting, c.setting) || (setting == "") != (c.setting == "") || bucket.Region(err) != c.region {
				t.Errorf("setting %q, region %q, want %q, %q", setting, bucket.Region(err), c.setting, c.region)
			}
			if took := time.Since(began); took > time.Minute || log.Len() > 0 {
				t.Errorf("took %v: %s", took, log.String())
			}
		})
	}
}

// saying returns the address of a server that answers whatever comes like this.
func saying(t *testing.T, words string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 1<<10))
			conn.Write([]byte(words))
			conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-ended })
	return listener.Addr().String()
}

// expiredServer returns an endpoint whose certificate is out of date, and the
// file with the authority to trust.
func expiredServer(t *testing.T) (endpoint, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, ca
}
