package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
)

const (
	// away is how long a store is away that comes back.
	away = 3 * time.Second
	// inTime is how long a verb may take that does not get through: less than the default
	// of --retry-for, and many times what it takes on an idle machine.
	inTime = 100 * time.Second
)

// A faulty is a MinIO behind a toxiproxy, with a bucket of its own that
// holds one snapshot.
type faulty struct {
	t      *testing.T
	server *testserver.Server
	proxy  *toxiproxy.Proxy
	kept   int // a socket on the proxy's port while that is away
	bucket string
	url    string
	dir    string // holds app.db
	temp   string
	old    string // the key of the snapshot that is there
	chain  string // the bucket URL of a chain of four
}

func newFaulty(t *testing.T, server *testserver.Server, endpoint string, rows int) *faulty {
	t.Helper()
	f := &faulty{t: t, server: server, bucket: server.Bucket(t), dir: t.TempDir(), temp: t.TempDir()}
	f.url = "s3://" + f.bucket + "/app"
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	f.proxy = toxiproxy.NewProxy(api, t.Name(), "127.0.0.1:0", strings.TrimPrefix(endpoint, "http://"))
	if err := f.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.proxy.Stop)
	sqlite(t, f.db(), fmt.Sprintf(`CREATE TABLE t (x);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d)
		INSERT INTO t SELECT randomblob(1000) FROM n;`, rows))
	if code, out := f.run("backup", f.db(), f.url); code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	f.old = f.objects()[0]
	sqlite(t, f.db(), "INSERT INTO t VALUES ('new')")
	return f
}

func (f *faulty) db() string { return filepath.Join(f.dir, "app.db") }

// toxic adds a fault of toxiproxy's for all connections to come.
func (f *faulty) toxic(kind, direction, attributes string) {
	f.t.Helper()
	_, err := f.proxy.Toxics.AddToxicJson(strings.NewReader(
		fmt.Sprintf(`{"type":%q,"stream":%q,"attributes":{%s}}`, kind, direction, attributes)))
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *faulty) command(args ...string) *exec.Cmd {
	command := exec.Command("lifeboat", args...)
	f.proxy.Lock()
	defer f.proxy.Unlock()
	command.Env = append(os.Environ(), "TMPDIR="+f.temp)
	for name, value := range f.server.Environment() {
		command.Env = append(command.Env, name+"="+value)
	}
	command.Env = append(command.Env, "AWS_ENDPOINT_URL_S3=http://"+f.proxy.Listen)
	return command
}

func (f *faulty) run(args ...string) (code int, output string) {
	f.t.Helper()
	return ended(f.t, f.command(args...))
}

// ended runs a command and returns its exit code.
func ended(t *testing.T, command *exec.Cmd) (code int, output string) {
	t.Helper()
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Error(err)
		return -1, err.Error()
	}
	return command.ProcessState.ExitCode(), string(out)
}

// objects lists the bucket behind the proxy's back.
func (f *faulty) objects() (keys []string) {
	found, err := f.server.Client(f.t).Objects(context.Background(), f.bucket, "")
	if err != nil {
		f.t.Error(err)
		return nil
	}
	for _, o := range found {
		keys = append(keys, o.Name)
	}
	return keys
}

// rules tells whether the bucket has lifecycle rules.
func (f *faulty) rules() bool {
	_, err := f.server.Client(f.t).Rules(context.Background(), f.bucket)
	return err == nil
}

// verbs are the commands under each fault. changed tells whether one has done
// its work; unchanged, all is as it was before.
var verbs = []struct {
	name    string
	args    func(f *faulty) []string
	changed func(f *faulty) bool
}{
	{"backup", func(f *faulty) []string { return []string{"backup", f.db(), f.url} },
		func(f *faulty) bool { return len(f.objects()) == 2 }},
	{"list", func(f *faulty) []string { return []string{"list", f.url, "--json"} }, nil},
	{"restore", func(f *faulty) []string { return []string{"restore", f.url, filepath.Join(f.dir, "new.db")} },
		func(f *faulty) bool { return sizeOf(filepath.Join(f.dir, "new.db")) > 0 }},
	{"restore of a chain", func(f *faulty) []string { return []string{"restore", f.chain, filepath.Join(f.dir, "new.db")} },
		func(f *faulty) bool { return sizeOf(filepath.Join(f.dir, "new.db")) > 0 }},
	{"verify of a chain", func(f *faulty) []string { return []string{"verify", f.chain, "--all"} }, nil},
	{"copy of a chain", func(f *faulty) []string { return []string{"copy", f.chain, "s3://" + f.bucket + "/copied"} },
		func(f *faulty) bool { return len(f.objects()) == 5 }},
	{"lifecycle apply", func(f *faulty) []string { return []string{"lifecycle", "apply", f.url} },
		(*faulty).rules},
	{"lifecycle release", func(f *faulty) []string { return []string{"lifecycle", "release", f.url} }, nil},
}

// storeChain stores a full snapshot and three differentials, each on the one before,
// and returns their bucket URL.
func storeChain(t *testing.T, server *testserver.Server) string {
	t.Helper()
	server.Setenv(t)
	url := "s3://" + server.Bucket(t) + "/app"
	b, err := upload.Open(t.Context(), url, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "app.db")
	sqlite(t, db, "CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1000) INSERT INTO t SELECT randomblob(1000) FROM n")
	s := buckettest.NewSeries(t, b, db)
	base := s.Full(series.Weekly)
	for _, class := range []series.Class{series.Daily, series.Hourly, series.Recent} {
		sqlite(t, db, "INSERT INTO t SELECT randomblob(1000) FROM t LIMIT 100")
		base = s.On(base, class)
	}
	return url
}

// Every verb under every fault that toxiproxy knows: through with it, or exit
// 5 in time with all as it was, and never anything left behind.
func TestNetworkFaults(t *testing.T) {
	server := testserver.Start(t)
	var chain string
	t.Run("store", func(t *testing.T) { chain = storeChain(t, server) }) // its settings end with it
	for _, fault := range []struct {
		name    string
		cause   func(f *faulty)
		args    []string
		through bool
	}{
		{"slow", func(f *faulty) { f.toxic("latency", "downstream", `"latency":2000`) }, nil, true},
		{"answers cut", func(f *faulty) { f.toxic("limit_data", "downstream", `"bytes":150`) }, []string{"--retry-for=1s"}, false},
		{"requests cut", func(f *faulty) { f.toxic("limit_data", "upstream", `"bytes":300`) }, []string{"--retry-for=1s"}, false},
		{"reset", func(f *faulty) { f.toxic("reset_peer", "downstream", `"timeout":0`) }, []string{"--retry-for=1s"}, false},
		{"stalled", func(f *faulty) { f.toxic("timeout", "downstream", `"timeout":0`) }, []string{"--retry-for=1s"}, false},
		{"away", (*faulty).leave, []string{"--retry-for=1s"}, false},
		{"away for a while", func(f *faulty) {
			f.leave()
			var all sync.WaitGroup
			all.Go(func() {
				time.Sleep(away)
				f.comeBack()
			})
			f.t.Cleanup(all.Wait)
		}, nil, true},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			var all sync.WaitGroup
			for _, verb := range verbs {
				f := newFaulty(t, server, server.Endpoint, 1000)
				f.chain = chain
				fault.cause(f)
				all.Go(func() {
					began := time.Now()
					code, out := f.run(append(verb.args(f), fault.args...)...)
					if took := time.Since(began); !fault.through && took > inTime {
						t.Errorf("%s took %v", verb.name, took)
					}
					want := 5
					if fault.through {
						want = 0
					}
					if code != want {
						t.Errorf("%s: exit %d, want %d: %s", verb.name, code, want, out)
					}
					if verb.changed != nil && verb.changed(f) != fault.through {
						t.Errorf("%s: work done: %v: %s", verb.name, !fault.through, out)
					}
					if !slices.Contains(f.objects(), f.old) {
						t.Errorf("%s: the old snapshot is gone", verb.name)
					}
					f.checkLeft(strings.HasPrefix(verb.name, "restore") && fault.through)
				})
			}
			all.Wait()
		})
	}
}

// checkLeft fails if anything but the databases is left on the disk.
func (f *faulty) checkLeft(restored bool) {
	f.t.Helper()
	checkEmpty(f.t, f.temp)
	want := 1
	if restored {
		want = 2
	}
	if left, err := os.ReadDir(f.dir); err != nil || len(left) != want {
		f.t.Errorf("left beside the database: %v, %v", left, err)
	}
}

// uploading returns an endpoint before the server's, and a channel that gets
// the key of the first part that comes.
func uploading(t *testing.T, server *testserver.Server) (string, <-chan string) {
	parts := make(chan string, 1000)
	return proxy(t, server.Endpoint, func(p *httputil.ReverseProxy) {
		rewrite := p.Rewrite
		p.Rewrite = func(r *httputil.ProxyRequest) {
			rewrite(r)
			if r.In.Method == http.MethodPut && r.In.URL.Query().Has("partNumber") {
				_, key, _ := strings.Cut(strings.TrimPrefix(r.In.URL.Path, "/"), "/")
				parts <- key
			}
		}
	}), parts
}

// outage runs a command and takes the store away when working returns, for a
// while if it comes back within the command's patience.
func (f *faulty) outage(back bool, working func(), args ...string) (code int, output string) {
	f.t.Helper()
	patience := time.Second
	if back {
		patience = 100 * away
	}
	command := f.command(append(args, "--retry-for", patience.String())...)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	if err := command.Start(); err != nil {
		f.t.Fatal(err)
	}
	working()
	f.leave()
	if back {
		time.Sleep(away)
		f.comeBack()
	}
	command.Wait()
	return command.ProcessState.ExitCode(), out.String()
}

// The store goes away in the middle of an upload in parts, for a while or for
// good.
func TestOutageInMidUpload(t *testing.T) {
	server := testserver.Start(t)
	for name, back := range map[string]bool{"for a while": true, "for good": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint, parts := uploading(t, server)
			f := newFaulty(t, server, endpoint, 14_000)
			for len(parts) > 0 {
				<-parts
			}
			f.toxic("bandwidth", "upstream", `"rate":4000`)
			var key string
			code, out := f.outage(back, func() { key = <-parts }, "backup", f.db(), f.url, "--part-size", "5MiB")
			if back && (code != 0 || len(f.objects()) != 2) || !back && (code != 5 || len(f.objects()) != 1) {
				t.Errorf("exit %d, the bucket has %v: %s", code, f.objects(), out)
			}
			f.checkLeft(false)
			left, err := server.Client(t).Uploads(t.Context(), f.bucket, key)
			switch {
			case err != nil:
				t.Error(err)
			case back && len(left) > 0:
				t.Error("an unfinished upload is left")
			case !back && !strings.Contains(out, "parts of it may remain"):
				t.Errorf("what could not be taken back is not told: %s", out)
			}
		})
	}
}

// The store goes away in the middle of a restore, and comes back.
func TestOutageInMidRestore(t *testing.T) {
	server := testserver.Start(t)
	for name, back := range map[string]bool{"for a while": true, "for good": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t, server, server.Endpoint, 14_000)
			target := filepath.Join(f.dir, "new.db")
			f.toxic("bandwidth", "downstream", `"rate":4000`)
			code, out := f.outage(back, func() {
				await.That(t, func() bool {
					temps, _ := filepath.Glob(filepath.Join(f.dir, ".new.db.lifeboat-*.tmp"))
					return len(temps) == 1
				})
			}, "restore", f.url, target)
			if back && (code != 0 || sizeOf(target) == 0) || !back && (code != 5 || sizeOf(target) != 0) {
				t.Errorf("exit %d: %s", code, out)
			}
			f.checkLeft(back)
		})
	}
}

// What is altered on the way down is never put in place.
func TestAlteredRestore(t *testing.T) {
	server := testserver.Start(t)
	f := newFaulty(t, server, proxy(t, server.Endpoint, func(p *httputil.ReverseProxy) {
		p.ModifyResponse = func(r *http.Response) error {
			if r.StatusCode == http.StatusPartialContent && r.ContentLength > 200_000 {
				r.Body = &alteredBody{ReadCloser: r.Body}
			}
			return nil
		}
	}), 1000)
	code, out := f.run("restore", f.url, filepath.Join(f.dir, "new.db"))
	if code != 7 || !strings.Contains(out, "does not match its checksum") {
		t.Errorf("exit %d: %s", code, out)
	}
	f.checkLeft(false)
}

// An alteredBody has one bit turned.
type alteredBody struct {
	io.ReadCloser
	read int
}

func (b *alteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if at := 100_000 - b.read; at >= 0 && at < n {
		p[at] ^= 1
	}
	b.read += n
	return n, err
}
