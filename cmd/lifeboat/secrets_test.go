package main

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
)

// Every kind of secret, in settings that are right and in such that are wrong
// in odd ways: none is ever printed, or shows in the list of processes.
func TestSecretsAreNotTold(t *testing.T) {
	secure := testserver.StartTLS(t)
	bucket := "s3://" + secure.Bucket(t) + "/app"
	dir := t.TempDir()
	db := filepath.Join(dir, "app.db")
	sqlite(t, db, "CREATE TABLE t (x)")
	const hidden = "hunter2hunter2hunter2hunter2hunt"
	key := base64.StdEncoding.EncodeToString([]byte(hidden))
	profile := filepath.Join(dir, "profile")
	if err := os.WriteFile(profile, []byte("[default]\naws_access_key_id = a\naws_secret_access_key "+hidden+"\n["+hidden+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(dir, "key")
	if err := os.WriteFile(keyFile, []byte(key+"\n"), 0o400); err != nil {
		t.Fatal(err)
	}
	// The server's own secret is one too.
	secrets := []string{hidden, key, secure.SecretKey, hidden[:20]}
	const id, secret, token, endpoint = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"
	told, worked := 0, 0
	for name, settings := range map[string][]string{
		"right":                    {},
		"right, with a key":        {customerKey + "=" + key},
		"another key":              {customerKey + "=" + base64.StdEncoding.EncodeToString([]byte(strings.ToUpper(hidden)))},
		"a key that is none":       {customerKey + "=" + hidden + "?"},
		"a key that is too long":   {customerKey + "=" + key + key},
		"a key in a file":          {customerKey + "_FILE=" + keyFile},
		"a key as its file":        {customerKey + "_FILE=" + key},
		"wrong secret":             {secret + "=" + hidden},
		"secret with a break":      {secret + "=" + hidden + "\n"},
		"wrong token":              {token + "=" + hidden},
		"token with a break":       {token + "=" + hidden + "\n"},
		"ID with a break":          {id + "=" + hidden + "\n"},
		"endpoint with a password": {endpoint + "=https://user:" + hidden + "@127.0.0.1:1"},
		"endpoint with a space":    {endpoint + "=https://user:" + hidden + "@127.0.0.1:1 x"},
		"endpoint with a port":     {endpoint + "=https://user:" + hidden + "@127.0.0.1:%zz"},
		"endpoint without a host":  {endpoint + "=" + hidden},
		"endpoint over HTTP":       {endpoint + "=http://user:" + hidden + "@127.0.0.1:1", customerKey + "=" + key},
		"proxy with a password":    {"HTTPS_PROXY=http://user:" + hidden + "@127.0.0.1:1", endpoint + "=https://store.invalid"},
		"proxy that is none":       {"HTTPS_PROXY=http://user:" + hidden + "@127.0.0.1:%zz", endpoint + "=https://store.invalid"},
		"proxy with a space":       {"HTTPS_PROXY=http://user:" + hidden + " x@127.0.0.1:1", endpoint + "=https://store.invalid"},
		"broken profile":           {id + "=", secret + "=", "AWS_SHARED_CREDENTIALS_FILE=" + profile},
	} {
		for _, verb := range [][]string{
			{"backup", db, bucket, "--always"}, {"list", bucket, "--json"}, {"show", bucket},
			{"restore", bucket, filepath.Join(t.TempDir(), "new.db"), "--json"},
			{"lifecycle", "show", bucket}, {"lifecycle", "apply", bucket}, {"lifecycle", "release", bucket},
			{"prune", bucket}, {"pin", bucket, "--snapshot", "latest"},
			{"verify", bucket, "--record"}, {"doctor", bucket},
		} {
			for _, how := range []string{"--debug", "--log-format=json"} {
				command := exec.Command("lifeboat", append(verb, how, "--retry-for", "0")...)
				command.Env = append(os.Environ(), "AWS_EC2_METADATA_DISABLED=true", "HOME="+dir, "TMPDIR="+t.TempDir())
				for name, value := range secure.Environment() {
					command.Env = append(command.Env, name+"="+value)
				}
				command.Env = append(command.Env, settings...)
				code, out := ended(t, command)
				if code == 0 {
					worked++
				}
				told += len(out)
				for _, s := range secrets {
					if strings.Contains(out, s) {
						t.Errorf("%s, %s: a secret is told: %s", name, verb, out)
					}
				}
			}
		}
	}
	if told == 0 || worked == 0 {
		t.Errorf("%d bytes were printed, %d commands worked", told, worked)
	}
}

// A running program shows its secrets to nobody who lists processes, and its
// files to nobody else, whatever the umask.
func TestNobodyElseSees(t *testing.T) {
	dir, temp := t.TempDir(), t.TempDir()
	db := filepath.Join(dir, "app.db")
	makeDB(t, db, 6000, "")
	const hidden = "hunter2hunter2hunter2hunter2hunt"
	start := func(line string) (*exec.Cmd, *bytes.Buffer) {
		command := exec.Command("sh", "-c", "umask 000; exec "+line)
		command.Env = append(os.Environ(), "TMPDIR="+temp, "AWS_SECRET_ACCESS_KEY="+hidden, "AWS_SESSION_TOKEN="+hidden)
		out := new(bytes.Buffer)
		command.Stdout, command.Stderr = out, out
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		return command, out
	}
	bucket := filepath.Join(dir, "bucket")
	command, out := start("lifeboat backup " + db + " file://" + bucket + " --max-rate 4MiB")
	seen := map[string]bool{}
	await.That(t, func() bool {
		line, err := os.ReadFile("/proc/" + strconv.Itoa(command.Process.Pid) + "/cmdline")
		if err == nil && strings.Contains(string(line), "hunter2") {
			t.Fatalf("the command line is %q", line)
		}
		look(t, temp, seen)
		return seen["copy.db"] && seen["lock"]
	})
	if err := command.Wait(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	look(t, dir, seen)
	target := filepath.Join(dir, "new.db")
	command, out = start("lifeboat restore file://" + bucket + " " + target)
	if err := command.Wait(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the restored database: %v, %v", info, err)
	}
	t.Logf("seen: %v", seen)
}

// look notes what there is below dir, and fails if others may read it.
func look(t *testing.T, dir string, seen map[string]bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || path == dir || entry.Name() == "app.db" {
			return nil // gone, or not ours
		}
		info, err := entry.Info()
		if err != nil {
			return nil
		}
		seen[entry.Name()] = true
		if info.Mode().Perm()&0o077 != 0 || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
