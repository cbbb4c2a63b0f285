package s3store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// A profile names another store than the environment does: its endpoint, region, keys and
// authorities count.
func TestProfile(t *testing.T) {
	first, second := testserver.Start(t), testserver.StartTLS(t)
	u := bucket.URL{Bucket: second.Bucket(t), Prefix: "app"}
	file := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("[profile second]\naws_access_key_id = %s\naws_secret_access_key = %s\nregion = %s\nendpoint_url = %s\nca_bundle = %s\n"+
		"[profile s3]\nservices = mine\nregion = eu-west-1\naws_access_key_id = a\naws_secret_access_key = b\n[services mine]\ns3 =\n  endpoint_url = https://s3.example.com\n"+
		"[profile bare]\naws_access_key_id = a\naws_secret_access_key = b\n"+
		"[profile aws]\nregion = eu-west-1\naws_access_key_id = a\naws_secret_access_key = b\n",
		second.AccessKey, second.SecretKey, second.Region, second.Endpoint, second.CAFile)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, general := range []string{"", "http://127.0.0.1:1"} {
		first.Setenv(t)
		t.Setenv("AWS_ENDPOINT_URL", general)
		t.Setenv("AWS_CONFIG_FILE", file)
		b, err := Open(t.Context(), u, bucket.Options{Profile: "second"})
		if err != nil {
			t.Fatal(err)
		}
		buckettest.Put(t, b, "object"+general[min(len(general), 7):], []byte("x"), nil)
		for profile, want := range map[string]string{"second": second.Endpoint, "s3": "https://s3.example.com", "aws": "", "": first.Endpoint} {
			b, err := Open(t.Context(), u, bucket.Options{Profile: profile})
			if err != nil {
				t.Fatalf("%q: %v", profile, err)
			}
			if got := b.(bucket.Remote).Endpoint(); got != want {
				t.Errorf("profile %q with AWS_ENDPOINT_URL=%s: endpoint %q, want %q", profile, general, got, want)
			}
		}
	}
	t.Setenv("AWS_REGION", "mars-1")
	t.Setenv("AWS_CA_BUNDLE", second.CAFile)
	for profile, want := range map[string]string{"": "mars-1", "aws": "eu-west-1", "bare": "us-east-1"} {
		cfg, err := NewSession().config(t.Context(), settingsKey{profile: profile})
		if err != nil || cfg.Region != want {
			t.Errorf("profile %q with AWS_REGION: region %q, %v, want %q", profile, cfg.Region, err, want)
		}
		transport := cfg.HTTPClient.(*awshttp.BuildableClient).GetTransport()
		if ofEnvironment := transport.TLSClientConfig.RootCAs != nil; ofEnvironment != (profile == "") {
			t.Errorf("profile %q with AWS_CA_BUNDLE: trusts that: %t", profile, ofEnvironment)
		}
	}
	if _, err := Open(context.Background(), u, bucket.Options{Profile: "nobody"}); !errors.Is(err, bucket.ErrRefused) {
		t.Errorf("a profile that is not there: %v", err)
	}
}
