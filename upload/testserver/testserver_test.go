package testserver

import (
	"context"
	"net/http"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

func TestServer(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *Server{"http": Start, "https": StartTLS, "versitygw": StartVersityGW, "rclone": StartRclone, "ceph": StartCeph} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			client, bucket := s.Client(t), s.Bucket(t)
			ctx := context.Background()
			if err := client.Put(ctx, bucket, "a", "content"); err != nil {
				t.Fatal(err)
			}
			if got, err := client.Get(ctx, bucket, "a"); err != nil || string(got.Body) != "content" {
				t.Fatalf("got %q, %v", got.Body, err)
			}
		})
	}
}

func TestServerEndsWithTheTest(t *testing.T) {
	needs.Server(t)
	var s *Server
	t.Run("inner", func(t *testing.T) { s = Start(t) })
	if _, err := http.Get(s.Endpoint + "/minio/health/live"); err == nil {
		t.Fatal("the server still answers after the test that started it")
	}
}
