package testserver

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

func TestServer(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *Server{"http": Start, "https": StartTLS, "versitygw": StartVersityGW, "rclone": StartRclone, "ceph": StartCeph} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			client, bucket := s.Client(t), s.Bucket(t)
			ctx := context.Background()
			_, err := client.PutObject(ctx, &s3.PutObjectInput{
				Bucket: &bucket, Key: aws.String("a"), Body: bytes.NewReader([]byte("content")),
			})
			if err != nil {
				t.Fatal(err)
			}
			got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("a")})
			if err != nil {
				t.Fatal(err)
			}
			defer got.Body.Close()
			if data, err := io.ReadAll(got.Body); err != nil || string(data) != "content" {
				t.Fatalf("got %q, %v", data, err)
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
