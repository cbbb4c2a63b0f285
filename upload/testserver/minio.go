// Package testserver runs real S3 servers for tests, MinIO and others: one
// process on a free port of 127.0.0.1, with its data in a temporary directory,
// ended with the test. They are test servers only; nothing of them is linked
// or shipped.
package testserver

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/rawclient"
)

const (
	readyWithin = 3 * time.Minute
	endWithin   = 10 * time.Second
)

// A Server is a running store. It accepts the root credentials below.
type Server struct {
	Endpoint  string // such as http://127.0.0.1:9000
	AccessKey string
	SecretKey string
	// CAFile is a PEM file with the certificate to trust, for AWS_CA_BUNDLE.
	// It is "" unless the server was started with StartTLS.
	CAFile string
	// Region is the only one that it takes, or "": it takes any.
	Region string
}

// Start starts a server that speaks HTTP and ends it when the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	return start(t, false)
}

// StartTLS starts a server that speaks HTTPS with a certificate of its own,
// which Server.CAFile holds, and ends it when the test ends. It insists on its
// region, and has a key for server-side encryption.
func StartTLS(t testing.TB) *Server {
	t.Helper()
	return start(t, true)
}

func start(t testing.TB, secure bool) *Server {
	t.Helper()
	needs.Server(t)
	program := find(t, "minio", func(string) bool { return true })
	// A free port can be taken by another test binary between the question
	// and the server's bind: then the server ends at once, and is started
	// again on other ports.
	var trouble string
	for range 5 {
		s := &Server{AccessKey: "lifeboat-" + random(4), SecretKey: random(16)}
		if trouble = s.run(t, program, secure); trouble == "" {
			return s
		}
	}
	t.Fatalf("minio did not start: %s", trouble)
	return nil
}

// run starts the server process and waits until it is ready. It returns ""
// or what went wrong, with the process ended.
func (s *Server) run(t testing.TB, program string, secure bool) string {
	t.Helper()
	dir := t.TempDir()
	address, console := freeAddress(t), freeAddress(t)
	certs := filepath.Join(dir, "certs")
	scheme := "http"
	if secure {
		scheme = "https"
		s.CAFile, s.Region = writeCertificate(t, certs), "eu-central-1"
	}
	s.Endpoint = scheme + "://" + address

	var output bytes.Buffer
	command := exec.Command(program, "server", "--quiet", "--certs-dir", certs,
		"--address", address, "--console-address", console, filepath.Join(dir, "data"))
	command.Env = append(withoutMinio(os.Environ()),
		"MINIO_ROOT_USER="+s.AccessKey,
		"MINIO_ROOT_PASSWORD="+s.SecretKey,
		"MINIO_BROWSER=off",
		"MINIO_UPDATE=off",
		"HOME="+dir)
	if secure {
		command.Env = append(command.Env, "MINIO_SITE_REGION="+s.Region,
			"MINIO_KMS_SECRET_KEY=key:"+base64.StdEncoding.EncodeToString(make([]byte, 32)))
	}
	command.Stdout, command.Stderr = &output, &output
	ended, err := StartBound(command)
	if err != nil {
		return err.Error()
	}
	if err := s.waitUntil(ended, s.isReady); err != nil {
		end(command, ended)
		return fmt.Sprintf("%v: %s", err, output.String())
	}
	t.Cleanup(func() { end(command, ended) })
	return ""
}

// Environment returns the settings with which the AWS default chain finds
// this server and nothing else of the machine.
func (s *Server) Environment() map[string]string {
	environment := map[string]string{
		"AWS_ACCESS_KEY_ID":           s.AccessKey,
		"AWS_SECRET_ACCESS_KEY":       s.SecretKey,
		"AWS_SESSION_TOKEN":           "",
		"AWS_REGION":                  s.region(),
		"AWS_ENDPOINT_URL_S3":         s.Endpoint,
		"AWS_ENDPOINT_URL":            "",
		"AWS_CA_BUNDLE":               s.CAFile,
		"AWS_PROFILE":                 "",
		"AWS_CONFIG_FILE":             os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_EC2_METADATA_DISABLED":   "true",
	}
	return environment
}

// Setenv sets Environment for the rest of the test.
func (s *Server) Setenv(t testing.TB) {
	t.Helper()
	for name, value := range s.Environment() {
		t.Setenv(name, value)
	}
}

// Bucket creates an empty bucket with a name of its own and returns the name.
func (s *Server) Bucket(t testing.TB) string {
	t.Helper()
	name := "test-" + random(6)
	if err := s.Client(t).Create(context.Background(), name); err != nil {
		t.Fatalf("create bucket: %v", err)
	}
	return name
}

// Client returns a plain client with the server's credentials, for looking behind
// the back of the code under test.
func (s *Server) Client(t testing.TB) *rawclient.Client {
	t.Helper()
	httpClient := s.httpClient()
	t.Cleanup(httpClient.CloseIdleConnections)
	return s.client(httpClient)
}

func (s *Server) client(httpClient *http.Client) *rawclient.Client {
	store := s.Store()
	store.HTTP = httpClient
	return rawclient.New(store)
}

// Store returns the server as package rawclient knows it.
func (s *Server) Store() rawclient.Store {
	return rawclient.Store{Endpoint: s.Endpoint, Region: s.region(), AccessKey: s.AccessKey, SecretKey: s.SecretKey}
}

func (s *Server) region() string { return cmp.Or(s.Region, "us-east-1") }

// answersAs reports whether the server at the address is ours: another one
// that took the port in between does not know the credentials.
func (s *Server) answersAs(httpClient *http.Client) bool {
	_, err := s.client(httpClient).Call(context.Background(), http.MethodGet, "", "")
	return err == nil
}

func random(bytes int) string {
	buffer := make([]byte, bytes)
	rand.Read(buffer) // never fails, see crypto/rand
	return hex.EncodeToString(buffer)
}
