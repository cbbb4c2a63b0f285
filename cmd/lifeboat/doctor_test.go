package main

import (
	"context"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// doctorCommands look at what doctor has left alone, and change who asks.
var doctorCommands = map[string]func(*testscript.TestScript, bool, []string){
	"rules": putRules, "nothing-left": nothingLeft, "role": role,
}

// putRules FILE writes the lifecycle rules of the script's bucket as they are.
func putRules(ts *testscript.TestScript, neg bool, args []string) {
	client, u := scriptBucket(ts)
	has, err := client.Rules(context.Background(), u.Bucket)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(has), 0o600))
}

// nothing-left fails if there is any version or delete marker in the script's
// bucket.
func nothingLeft(ts *testscript.TestScript, neg bool, args []string) {
	client, u := scriptBucket(ts)
	found, err := client.Versions(context.Background(), u.Bucket, "")
	ts.Check(err)
	if neg || len(found) > 0 {
		ts.Fatalf("left behind: %v", found)
	}
}

type serverKey struct{}

// role NAME continues the script with the keys of one of deploy/iam's roles,
// or as the administrator of the server.
func role(ts *testscript.TestScript, neg bool, args []string) {
	server := ts.Value(serverKey{}).(*testserver.Server)
	if args[0] != "admin" {
		_, u := scriptBucket(ts)
		policy, err := os.ReadFile(filepath.Join(ts.Getenv("IAM"), args[0]+"-minio.json"))
		ts.Check(err)
		filled := strings.NewReplacer("BUCKET", u.Bucket, "PREFIX", u.Prefix).Replace(string(policy))
		server = server.As(ts.Value(testKey{}).(testing.TB), filled)
	}
	ts.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	ts.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
}

type testKey struct{}

// testDoctorTerminated ends doctor in the middle of its upload in parts.
func testDoctorTerminated(t *testing.T, server *testserver.Server) {
	server.Setenv(t)
	bucket := server.Bucket(t)
	uploading, ended := make(chan string, 100), make(chan struct{})
	t.Setenv("AWS_ENDPOINT_URL_S3", proxy(t, server.Endpoint, func(p *httputil.ReverseProxy) {
		rewrite := p.Rewrite
		p.Rewrite = func(r *httputil.ProxyRequest) {
			rewrite(r)
			if r.In.Method == http.MethodPut && r.In.URL.Query().Has("partNumber") {
				uploading <- strings.TrimPrefix(r.In.URL.Path, "/"+bucket+"/")
				<-ended
			}
		}
	}))
	t.Cleanup(func() { close(ended) })
	var key string
	terminate(t, syscall.SIGTERM, 143, t.TempDir(), func() bool {
		select {
		case key = <-uploading:
			return true
		default:
			return false
		}
	}, "doctor", "s3://"+bucket+"/app")
	checkBucket(t, server, bucket, key)
}

// TestOtherStores runs the main scripts against stores that are not MinIO's.
func TestOtherStores(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *testserver.Server{
		"versitygw": testserver.StartVersityGW, "rclone": testserver.StartRclone, "ceph": testserver.StartCeph,
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			commands := map[string]func(*testscript.TestScript, bool, []string){
				"exits": exits, "objects": objects, "clean": clean, "eventually": eventually, "cut": cut,
			}
			testscript.Run(t, testscript.Params{
				Files: []string{
					filepath.Join("testdata", "s3.txtar"),
					filepath.Join("testdata", "stores", "retention.txtar"),
					filepath.Join("testdata", "stores", name+".txtar"),
				},
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
				Setup: func(env *testscript.Env) error {
					needs.OneHour(env.T().(testing.TB))
					for name, value := range server.Environment() {
						env.Setenv(name, value)
					}
					env.Setenv("S3", "s3://"+server.Bucket(env.T().(testing.TB))+"/app")
					env.Values[clientKey{}] = server.Client(env.T().(testing.TB))
					return nil
				},
				Cmds: commands,
			})
		})
	}
}
