package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// endsWithin is how long an ended run may take to clean up: Kubernetes gives 30 s.
const endsWithin = 25 * time.Second

func testTerminated(t *testing.T, server *testserver.Server) {
	server.Setenv(t)
	db := filepath.Join(t.TempDir(), "app.db")
	sqlite(t, db, `CREATE TABLE t (x);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 24000)
		INSERT INTO t SELECT hex(randomblob(1000)) FROM n;`)

	t.Run("copy", func(t *testing.T) {
		bucket := server.Bucket(t)
		temp := t.TempDir()
		terminate(t, syscall.SIGTERM, 143, temp, func() bool {
			copies, _ := filepath.Glob(filepath.Join(temp, "*", "copy.db"))
			return len(copies) == 1 && sizeOf(copies[0]) > 1<<20
		}, "backup", db, "s3://"+bucket+"/app", "--max-rate", "2MiB")
		checkBucket(t, server, bucket, "")
	})
	t.Run("interrupted", func(t *testing.T) {
		temp, bucket := t.TempDir(), t.TempDir()
		terminate(t, syscall.SIGINT, 130, temp, func() bool {
			copies, _ := filepath.Glob(filepath.Join(temp, "*", "copy.db"))
			return len(copies) == 1
		}, "backup", db, "file://"+bucket, "--max-rate", "2MiB")
		checkEmpty(t, bucket)
	})
	t.Run("hung up", func(t *testing.T) {
		temp, bucket := t.TempDir(), t.TempDir()
		terminate(t, syscall.SIGHUP, 143, temp, func() bool {
			copies, _ := filepath.Glob(filepath.Join(temp, "*", "copy.db"))
			return len(copies) == 1
		}, "backup", db, "file://"+bucket, "--max-rate", "2MiB")
		checkEmpty(t, bucket)
	})
	t.Run("read", func(t *testing.T) {
		temp, bucket := t.TempDir(), t.TempDir()
		t.Setenv("LIFEBOAT_CACHE_DIR", t.TempDir())
		if out, err := exec.Command("lifeboat", "backup", db, "file://"+bucket).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		before, err := os.ReadDir(bucket)
		if err != nil {
			t.Fatal(err)
		}
		terminate(t, syscall.SIGTERM, 143, temp, func() bool {
			read, _ := filepath.Glob(filepath.Join(temp, "*", "wal"))
			return len(read) == 1
		}, "backup", db, "file://"+bucket, "--max-rate", "2MiB")
		if after, err := os.ReadDir(bucket); err != nil || len(after) != len(before) {
			t.Errorf("the bucket has %v, it had %v, %v", after, before, err)
		}
	})
	t.Run("compression", func(t *testing.T) {
		temp, bucket := t.TempDir(), t.TempDir()
		terminate(t, syscall.SIGTERM, 143, temp, func() bool {
			files, _ := os.ReadDir(bucket)
			return len(files) > 0
		}, "backup", db, "file://"+bucket, "--level", "best") // which takes seconds
		checkEmpty(t, bucket)
	})
	t.Run("upload", func(t *testing.T) {
		bucket := server.Bucket(t)
		temp := t.TempDir()
		uploading := make(chan string, 100)
		ended := make(chan struct{})
		t.Setenv("AWS_ENDPOINT_URL_S3", proxy(t, server.Endpoint, func(p *httputil.ReverseProxy) {
			rewrite := p.Rewrite
			p.Rewrite = func(r *httputil.ProxyRequest) {
				rewrite(r)
				if r.In.Method == http.MethodPut && r.In.URL.Query().Has("partNumber") {
					r.Out.Body = &stalledBody{ReadCloser: r.Out.Body, ended: ended}
					uploading <- strings.TrimPrefix(r.In.URL.Path, "/"+bucket+"/")
				}
			}
		}))
		t.Cleanup(func() { close(ended) }) // before the proxy's own end, which waits for its connections
		var key string
		terminate(t, syscall.SIGTERM, 143, temp, func() bool {
			select {
			case key = <-uploading:
				return true
			default:
				return false
			}
		}, "backup", db, "s3://"+bucket+"/app", "--part-size", "5MiB")
		checkBucket(t, server, bucket, key)
	})
	t.Run("twice", func(t *testing.T) {
		aborting, ended := make(chan struct{}, 100), make(chan struct{})
		uploading := make(chan struct{}, 100)
		t.Setenv("AWS_ENDPOINT_URL_S3", proxy(t, server.Endpoint, func(p *httputil.ReverseProxy) {
			rewrite := p.Rewrite
			p.Rewrite = func(r *httputil.ProxyRequest) {
				rewrite(r)
				switch {
				case r.In.Method == http.MethodPut && r.In.URL.Query().Has("partNumber"):
					uploading <- struct{}{}
					<-ended
				case r.In.Method == http.MethodDelete:
					aborting <- struct{}{}
					<-ended
				}
			}
		}))
		t.Cleanup(func() { close(ended) })
		t.Setenv("TMPDIR", t.TempDir())
		command := exec.Command("lifeboat", "backup", db, "s3://"+server.Bucket(t)+"/app", "--part-size", "5MiB")
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		<-uploading
		send(t, command, syscall.SIGTERM)
		<-aborting // the clean-up is under way, and hangs
		send(t, command, syscall.SIGTERM)
		err := command.Wait() // by the signal, and not as a run that has cleaned up
		if status, ok := command.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
			t.Fatalf("ended with %v", err)
		}
	})
	t.Run("restore", func(t *testing.T) {
		temp, dir := t.TempDir(), t.TempDir()
		bucket := "s3://" + server.Bucket(t) + "/app"
		if out, err := exec.Command("lifeboat", "backup", db, bucket).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		ended := make(chan struct{})
		t.Setenv("AWS_ENDPOINT_URL_S3", proxy(t, server.Endpoint, func(p *httputil.ReverseProxy) {
			p.ModifyResponse = func(r *http.Response) error {
				if r.StatusCode == http.StatusPartialContent && r.ContentLength > 1<<20 {
					r.Body = &stalledBody{ReadCloser: r.Body, ended: ended}
				}
				return nil
			}
		}))
		t.Cleanup(func() { close(ended) })
		terminate(t, syscall.SIGTERM, 143, temp, func() bool {
			files, _ := filepath.Glob(filepath.Join(dir, ".new.db.lifeboat-*.tmp"))
			return len(files) == 1
		}, "restore", bucket, filepath.Join(dir, "new.db"))
		checkEmpty(t, dir)
	})
	t.Run("verify", func(t *testing.T) {
		temp, bucket := t.TempDir(), "file://"+t.TempDir()
		if out, err := exec.Command("lifeboat", "backup", db, bucket).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		terminate(t, syscall.SIGTERM, 143, temp, func() bool {
			files, _ := filepath.Glob(filepath.Join(temp, "*", "drill.db"))
			return len(files) == 1 && sizeOf(files[0]) == sizeOf(db)
		}, "verify", bucket, "--sql", "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n) SELECT max(i) FROM n")
	})
}

// terminate runs the program, sends the signal as soon as ready says so, and
// looks that it ends in time, with the code, and without leaving a temp file.
func terminate(t *testing.T, s syscall.Signal, code int, temp string, ready func() bool, args ...string) {
	t.Helper()
	t.Setenv("TMPDIR", temp)
	var output bytes.Buffer
	command := exec.Command("lifeboat", args...)
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	defer command.Process.Kill() // in case of a Fatal; it has ended otherwise

	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(5 * time.Minute); !ready(); {
		select {
		case err := <-ended:
			t.Fatalf("ended before the signal: %v: %s", err, &output)
		case <-deadline:
			t.Fatal("it never came to the point for the signal")
		case <-tick.C:
		}
	}
	send(t, command, s)
	sent := time.Now()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != code {
			t.Errorf("ended with %v, want %d: %s", err, code, &output)
		}
		t.Logf("gone after %v: %s", time.Since(sent), &output)
	case <-time.After(endsWithin):
		t.Fatalf("still there after %v", endsWithin)
	}
	checkEmpty(t, temp)
}

func send(t *testing.T, command *exec.Cmd, s syscall.Signal) {
	t.Helper()
	if err := command.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// checkBucket fails if the bucket has any object, or an upload of key that was
// begun and not ended.
func checkBucket(t *testing.T, server *testserver.Server, bucket, key string) {
	t.Helper()
	client := server.Client(t)
	found, err := client.Objects(context.Background(), bucket, "")
	if err != nil || len(found) > 0 {
		t.Errorf("objects: %v, %v", found, err)
	}
	if key == "" {
		return
	}
	uploads, err := client.Uploads(context.Background(), bucket, key)
	if err != nil || len(uploads) > 0 {
		t.Errorf("uploads: %v, %v", uploads, err)
	}
}

func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func sqlite(t *testing.T, db, statements string) string {
	t.Helper()
	out, err := exec.Command("sqlite3", "-batch", "-bail", db, statements).CombinedOutput()
	if err != nil {
		t.Fatalf("sqlite3: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}
