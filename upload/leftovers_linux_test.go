package upload

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/sidecar"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

func makeOld(t *testing.T, path string, by time.Duration) {
	t.Helper()
	then := time.Now().Add(-by)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
}

// Tags whose object never came, or is gone, are cleared away: those of a Put
// that was killed between its two steps, and of such a Delete.
func TestTagsWithoutAnObject(t *testing.T) {
	dir := t.TempDir()
	b := &directory{url: bucket.URL{Dir: dir}}
	now := time.Now()
	var names []string
	for i := range 4 {
		names = append(names, string(snapshot.NewID(now.Add(-time.Duration(i)*time.Hour))))
	}
	old, young, deleted, there := names[0], names[1], names[2], names[3]
	for _, id := range []string{old, young} { // the first step of a Put
		if err := b.publishTags(id+series.Suffix, bucket.Tags{series.TagRetention: series.Held}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{deleted + series.Suffix, there + series.SuffixEncrypted} {
		buckettest.Put(t, b, name, nil, bucket.Tags{series.TagRetention: series.Held})
	}
	if err := os.Remove(b.path(deleted + series.Suffix)); err != nil { // the first step of a Delete
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mine.tags"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{old, deleted, there, "mine"} {
		makeOld(t, filepath.Join(dir, name+sidecar.Suffix), tempAge+time.Minute)
	}
	buckettest.Put(t, b, "object", nil, nil)
	buckettest.SameNames(t, dirNames(t, dir), []string{young + sidecar.Suffix, there + sidecar.Suffix, there + series.SuffixEncrypted, "mine.tags", "object"})
}

// Parts in files have no name, and where they must have one for a moment, what
// a kill in that moment leaves goes with the next.
func TestNamelessParts(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"old": 0, "young": 0, "full": 1} {
		path := filepath.Join(dir, partPrefix+name)
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if name != "young" {
			makeOld(t, path, tempAge+time.Minute)
		}
	}
	for _, open := range []func(string) (*os.File, error){nameless, unnamed} {
		f, err := open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("text"), 100); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	buckettest.SameNames(t, dirNames(t, dir), []string{partPrefix + "full", partPrefix + "young"})
}

// A snapshot that is in the bucket is not failed by what cannot be cleared away.
func TestBackupThatCannotClearUp(t *testing.T) {
	b, db := emptySeries(t)
	temp := t.TempDir()
	o := BackupOptions{Copy: snapshot.CopyOptions{TempDir: temp}}
	o.Progress = func(s Stage, _, _ int64) {
		if s == StageUpload {
			made, _ := filepath.Glob(filepath.Join(temp, "*"))
			for _, dir := range made {
				os.Chmod(dir, 0o500)
			}
		}
	}
	t.Cleanup(func() {
		made, _ := filepath.Glob(filepath.Join(temp, "*"))
		for _, dir := range made {
			os.Chmod(dir, 0o700)
		}
	})
	type outcome struct {
		r   BackupResult
		err error
	}
	done := make(chan outcome)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its lost rights
		withoutOverride()
		r, err := Backup(t.Context(), b, db, o)
		done <- outcome{r, err}
	}()
	got := <-done
	if !errors.Is(got.err, ErrIncomplete) || got.r.Snapshot.ID == "" || count(t, b) != 1 {
		t.Errorf("%+v, %v", got.r, got.err)
	}
	if left := dirNames(t, temp); len(left) != 1 {
		t.Errorf("the temp directory was removed: %v", left)
	}
}

// withoutOverride takes from this thread root's right to write everywhere.
func withoutOverride() {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) == nil {
		data[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
		_ = unix.Capset(&header, &data[0]) // fails for a user who never had them
	}
}

// Where the answer that tells of encryption is lost, the store is asked. What
// it does not tell does not count as encrypted.
func TestLostAnswerOfEncryption(t *testing.T) {
	server := testserver.StartTLS(t)
	server.Setenv(t)
	for name, c := range map[string]struct {
		asked ServerSideEncryption
		head  func(r *http.Request, next aws.HTTPClient) (*http.Response, error)
		want  bool // NotEncrypted
	}{
		"not asked": {ServerSideEncryption{}, forbid, false},
		"done":      {ServerSideEncryption{Algorithm: "AES256"}, pass, false},
		"our key":   {ServerSideEncryption{CustomerKey: buckettest.Content(32)}, pass, false},
		"not known": {ServerSideEncryption{Algorithm: "AES256"}, forbid, true},
		"not done":  {ServerSideEncryption{Algorithm: "AES256"}, silent, true},
	} {
		t.Run(name, func(t *testing.T) {
			var losses atomic.Int32
			b := openBucket(t, server, Options{PartSize: buckettest.PartSize, SSE: c.asked, intercept: fault(func(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
				if r.Method == http.MethodHead {
					return c.head(r, next)
				}
				if isCreate(r) || isPart(r) { // says nothing, as some stores do
					return silent(r, next)
				}
				response, err := next.Do(r)
				if err != nil || !isPut(r) && !isComplete(r) || losses.Add(1) > 1 {
					return response, err
				}
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
				return nil, errors.New("connection reset by peer")
			}).intercept})
			for _, size := range []int{10, buckettest.PartSize + 10} {
				losses.Store(0)
				o := buckettest.Put(t, b, string(rune('a'+size%26)), buckettest.Content(size), nil)
				if o.NotEncrypted != c.want || losses.Load() == 0 {
					t.Errorf("%d bytes: not encrypted: %v, want %v", size, o.NotEncrypted, c.want)
				}
			}
		})
	}
}

func pass(r *http.Request, next aws.HTTPClient) (*http.Response, error) { return next.Do(r) }

func forbid(r *http.Request, _ aws.HTTPClient) (*http.Response, error) {
	return answers(r, http.StatusForbidden, "AccessDenied", ""), nil
}

func silent(r *http.Request, next aws.HTTPClient) (*http.Response, error) {
	response, err := next.Do(r)
	if err == nil {
		for name := range response.Header {
			if len(name) > 28 && name[:28] == "X-Amz-Server-Side-Encryption" {
				response.Header.Del(name)
			}
		}
		response.Header.Del("X-Amz-Server-Side-Encryption")
	}
	return response, err
}
