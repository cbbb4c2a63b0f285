package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/hooks"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// The answers are written as S3's documentation of its error responses has
// them.
func TestHintsForWhatStoresSay(t *testing.T) {
	for name, c := range map[string]struct {
		status       int
		header       string // x-amz-bucket-region
		code, body   string
		args         []string
		error, hints string
	}{
		"signed for another region": {400, "", "AuthorizationHeaderMalformed",
			"<Message>The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message><Region>eu-west-1</Region>",
			[]string{"list"}, "the bucket is in eu-west-1", "set AWS_REGION=eu-west-1"},
		"sent to another region": {301, "ap-south-1", "PermanentRedirect",
			"<Message>The bucket you are attempting to access must be addressed using the specified endpoint.</Message>",
			[]string{"list"}, "the bucket is in ap-south-1", "set AWS_REGION=ap-south-1"},
		"redirect without a name": {301, "", "PermanentRedirect", "<Message>elsewhere</Message>",
			[]string{"list"}, "the region is wrong, set AWS_REGION", ""},
		"rules in another region": {301, "ap-south-1", "PermanentRedirect", "<Message>elsewhere</Message>",
			[]string{"lifecycle", "show"}, "the bucket is in ap-south-1", "set AWS_REGION=ap-south-1"},
		"no virtual hosts": {403, "", "SecondLevelDomainForbidden", "<Message>Please use virtual hosted style to access.</Message>",
			[]string{"list"}, "only in the host", ""},
		"may not list": {403, "", "AccessDenied", "<Message>Access Denied</Message>",
			[]string{"list"}, "the credentials need s3:ListBucket", "deploy/iam/backup-*.json is a policy that allows s3:ListBucket to a backup job; lifeboat doctor"},
		"may not see rules": {403, "", "AccessDenied", "<Message>Access Denied</Message>",
			[]string{"lifecycle", "show"}, "the credentials need s3:GetLifecycleConfiguration", "deploy/iam/admin-*.json"},
		"no bucket": {404, "", "NoSuchBucket", "<Message>none</Message>",
			[]string{"lifecycle", "show"}, "no such bucket", "without the bucket's name"},
		"clock": {403, "", "RequestTimeTooSkewed", "<Message>The difference is too large</Message>",
			[]string{"lifecycle", "show"}, "clock", "timedatectl"},
	} {
		t.Run(name, func(t *testing.T) {
			err := against(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.header != "" {
					w.Header().Set("X-Amz-Bucket-Region", c.header)
				}
				w.WriteHeader(c.status)
				fmt.Fprintf(w, "<Error><Code>%s</Code>%s</Error>", c.code, c.body)
			}), c.args...)
			if exitCode(err) != exitRefused || !strings.Contains(err.Error(), c.error) {
				t.Errorf("exit %d: %v, want %q", exitCode(err), err, c.error)
			}
			if hint := hintFor(err); !strings.Contains(hint, c.hints) || (hint == "") != (c.hints == "") {
				t.Errorf("hint %q, want %q", hint, c.hints)
			}
		})
	}
}

// A copy says which place denies a right, and names a policy for each.
func TestHintsForCopies(t *testing.T) {
	dir := "file://" + storeCopies(t)
	const store = "s3://bucket/app"
	for place, args := range map[string][]string{"source": {store, dir}, "target": {dir, store}} {
		err := againstStore(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
		}), append([]string{"copy", "--retry-for", "0"}, args...)...)
		if exitCode(err) != exitRefused || !strings.HasPrefix(fmt.Sprint(err), "the "+place+": list "+store) {
			t.Errorf("%s: exit %d: %v", place, exitCode(err), err)
		}
		if hint := hintFor(err); !strings.Contains(hint, "restore-*.json") || !strings.Contains(hint, "copy-*.json") {
			t.Errorf("%s: hint %q", place, hint)
		}
	}
}

// against runs a command on a bucket of a store that always answers like this,
// without patience.
func against(t *testing.T, store http.Handler, args ...string) error {
	t.Helper()
	return againstStore(t, store, append(args, "s3://bucket/app", "--retry-for", "0")...)
}

// againstStore runs a command with a store that always answers like this.
func againstStore(t *testing.T, store http.Handler, args ...string) error {
	t.Helper()
	server := httptest.NewServer(store)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_S3": server.URL, "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
	} {
		t.Setenv(name, value)
	}
	var p program
	return p.do(t.Context(), args, &console{stdout: os.Stdout, stderr: os.Stderr, globals: &p.globals})
}

// Without a time to retry for, the first failure is the last.
func TestNoRetry(t *testing.T) {
	var requests atomic.Int32
	err := against(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}), "list")
	if exitCode(err) != exitUnreachable || requests.Load() != 1 {
		t.Errorf("%v after %d requests, want one", err, requests.Load())
	}
}

func TestHintsForUnknownHosts(t *testing.T) {
	for host, want := range map[string]string{
		"bucket.s3.eu-wst-1.amazonaws.com": "AWS_REGION",
		"bucket.s3.example.com":            "without the bucket's name",
	} {
		err := fmt.Errorf("list: %w: %w", bucket.ErrUnreachable, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true})
		if hint := hintFor(err); !strings.Contains(hint, want) {
			t.Errorf("%s: %q", host, hint)
		}
	}
}

// The settings of a profile that a flag names are not in the environment.
func TestHintsOfProfile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "none"))
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	for endpoint, want := range map[string]string{
		refusingEndpoint:                     "is endpoint_url of the profile second right?",
		refusingEndpoint + "/bucket":         "set endpoint_url of the profile second to http://",
		"s3.example.com":                     "set endpoint_url of the profile second to a URL such as",
		"http://no-such-host.invalid/bucket": "set endpoint_url of the profile second to http://no-such-host.invalid",
	} {
		text := "[profile second]\naws_access_key_id = id\naws_secret_access_key = secret\nendpoint_url = " + endpoint + "\n"
		if err := os.WriteFile(filepath.Join(dir, "config"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var p program
		err := p.do(t.Context(), []string{"copy", "s3://bucket/app", "file://" + dir + "/to", "--from-profile", "second", "--retry-for", "0"},
			&console{stdout: os.Stdout, stderr: os.Stderr, globals: &p.globals})
		if hint := hintFor(err); !strings.HasPrefix(hint, want) {
			t.Errorf("%s: %v, hint %q, want %q", endpoint, err, hint, want)
		}
	}
}

// What a firewall forbids has nothing to do with a file's owner, and a command that fails
// may be run.
func TestHintsForPermission(t *testing.T) {
	ofFile := &os.PathError{Op: "open", Path: "app.db", Err: syscall.EACCES}
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EACCES)}
	for _, c := range []struct {
		err  error
		want string
	}{
		{ofFile, "run it as the user"},
		{errors.Join(ofFile, fmt.Errorf("%w: sh: exit status 1", hooks.ErrAfter)), "run it as the user"},
		{errors.Join(ofFile, fmt.Errorf("%w: %w", hooks.ErrAfter, hooks.ErrMayNotRun)), "chmod +x"},
		{&os.LinkError{Op: "rename", Old: "new.db", New: "app.db", Err: syscall.EPERM}, "run it as the user"},
		{fmt.Errorf("list: %w: %w", bucket.ErrUnreachable, dial), "AWS_ENDPOINT_URL_S3"},
		{fmt.Errorf("push metrics to pushgateway.example.com: %w", dial), ""},
	} {
		if hint := hintFor(c.err); !strings.Contains(hint, c.want) || (hint == "") != (c.want == "") {
			t.Errorf("%v: %q, want %q", c.err, hint, c.want)
		}
	}
}

// What is wrong with a command line leads to the help of its command, in words
// that need no knowledge of the parser.
func TestHintsForUsage(t *testing.T) {
	for args, want := range map[string][2]string{
		"":                              {"a command is missing", ""}, // the help stands above it
		"bakcup app.db":                 {"there is no command bakcup", "did you mean lifeboat backup?"},
		"snapshots s3://bucket/app":     {"there is no command snapshots", "did you mean lifeboat list?"},
		"frobnicate":                    {"there is no command frobnicate", "lifeboat --help lists the commands"},
		"lifecycle aply s3://bkt/app":   {"there is no command aply", "did you mean lifeboat lifecycle apply?"},
		"lifecycle frob s3://bkt/app":   {"there is no command frob", "see lifeboat lifecycle --help"},
		"help frobnicate":               {"there is no command frobnicate", "lifeboat --help lists the commands"},
		"verify":                        {"BUCKET_URL is missing: lifeboat verify BUCKET_URL", "such as: lifeboat verify s3://bucket/app"},
		"restore":                       {"BUCKET_URL and DB are missing: lifeboat restore BUCKET_URL DB", "such as: lifeboat restore s3://bucket/app app.db"},
		"restore s3://bkt/web1":         {"DB is missing: lifeboat restore BUCKET_URL DB", "such as: lifeboat restore s3://bkt/web1 app.db"},
		"restore s3://bkt/web1 --live":  {"DB is missing: lifeboat restore BUCKET_URL DB", "such as: lifeboat restore s3://bkt/web1 app.db"},
		"pin":                           {"BUCKET_URL is missing: lifeboat pin BUCKET_URL", "such as: lifeboat pin s3://bucket/app 20261120T17"},
		"pin s3://bucket/app":           {"ID is missing: lifeboat pin BUCKET_URL ID", "lifeboat list s3://bucket/app shows which there are"},
		"unpin s3://bucket/app":         {"ID is missing: lifeboat unpin BUCKET_URL ID", "lifeboat list s3://bucket/app shows which there are"},
		"lifecycle apply":               {"BUCKET_URL is missing: lifeboat lifecycle apply BUCKET_URL", "such as: lifeboat lifecycle apply s3://bucket/app --keep-daily 30d"},
		"completion":                    {"SHELL is missing: lifeboat completion SHELL", "such as: lifeboat completion bash >/etc/bash_completion.d/lifeboat"},
		"completion tcsh":               {`SHELL must be one of "bash","zsh","fish" but got "tcsh"`, "see lifeboat completion --help"},
		"lifecycle":                     {"a command is missing: lifeboat lifecycle plan|apply|show|", "see lifeboat lifecycle --help"},
		"config check app.yaml":         {"unexpected argument app.yaml", "did you mean --config app.yaml?"},
		"list s3:bkt/app":               {"it must begin with", "did you mean s3://bkt/app?"},
		"list minio://bkt/app":          {"it must begin with", "did you mean s3://bkt/app?"},
		"list s3://bkt//app":            {"empty path segment", "did you mean s3://bkt/app?"},
		"list s3://bkt/app?list":        {"means nothing here", "did you mean s3://bkt/app?"},
		"list file:/a/b":                {"it must begin with", "did you mean file:///a/b?"},
		"list ../bkt":                   {"it must begin with", "see lifeboat list --help"},
		"list app.db":                   {"it must begin with", "see lifeboat list --help"},
		"list s3://bkt/app -n 3":        {"unknown flag -n", "did you mean --last?"},
		"list s3://bkt/app --last 0":    {`--last: "0" is not a whole number from 1 up`, "see lifeboat list --help"},
		"query s3://bkt/app --max-rows": {"--max-rows: its value is missing", "see lifeboat query --help"},
		"backup s3://bucket/app":        {"DB is missing: lifeboat backup DB BUCKET_URL", "see lifeboat backup --help"},
		"backup s3://bkt/app app.db":    {`bucket URL "app.db": it must begin with`, "are the arguments swapped? lifeboat backup DB BUCKET_URL"},
		"restore app.db S3://b/app":     {`bucket URL "app.db": it must begin with`, "are the arguments swapped? lifeboat restore BUCKET_URL DB"},
		"restore s3://bkt/a s3://bkt/b": {"s3://bkt/b is a bucket URL, and not the file to restore to", "see lifeboat restore --help"},
		"list s3://my-bucket":           {"the prefix is missing", "lifeboat series s3://my-bucket lists the series in that bucket"},
		"list s3://my-bucket/":          {"the prefix is missing", "lifeboat series s3://my-bucket lists the series in that bucket"},
		"list s3://":                    {"the bucket is missing", "see lifeboat list --help"},
		"backup app.db /mnt/nas/app":    {"it must begin with", "for a directory write file:///mnt/nas/app"},
		"list /mnt/nas/a%b":             {"it must begin with", "for a directory write file:///mnt/nas/a%25b"},
		"list https://s3.example":       {"it must begin with", "the bucket URL is s3://bucket/prefix; the store's own URL belongs into AWS_ENDPOINT_URL_S3"},

		"list s3://bkt/app/20261120T170000Z-3f9c2a.daily.db.zst": {"names one snapshot, and this command is about all: s3://bkt/app", "see lifeboat list --help"},
		"restore s3://bkt/app 20261120T170000Z-3f9c2a":           {"names a snapshot, and not the file", "see lifeboat restore --help"},
		"restore s3://bkt/app app.db 20261120T170000Z-3f9c2a":    {"unexpected argument", "a snapshot is chosen by --snapshot 20261120T170000Z-3f9c2a"},
		"restore s3://bkt/app a.db --at 2026-11-20 17:00":        {"unexpected argument 17:00", `a time with a space in it needs quotes: "2026-11-20 17:00"`},

		"restore s3://bkt/app a.db --force":     {"unknown flag --force", "did you mean --replace?"},
		"restore s3://bkt/app a.db --overwrite": {"unknown flag --overwrite", "did you mean --replace?"},
		"restore s3://bkt/app a.db -timestamp=": {"unknown flag -t", "did you mean --at?"},
		"restore s3://bkt/app a.db -replace":    {"unknown flag -r", "did you mean --replace, with two dashes?"},
		"restore s3://bkt/app a.db -o x":        {"unknown flag -o", "instead of -o: the file as the last argument, or - for stdout"},
		"prune s3://bucket/app --force":         {"unknown flag --force", "did you mean --yes?"},
		"list s3://bucket/app --endpoint-url":   {"unknown flag --endpoint-url", "instead of --endpoint-url: AWS_ENDPOINT_URL_S3"},
		"backup app.db s3://bkt/app --max_rate": {"unknown flag --max_rate", "did you mean --max-rate?"},
		"list s3://bucket/app --replace":        {"unknown flag --replace", "see lifeboat list --help"},

		"lifecycle apply s3://bucket/app --x":     {"unknown flag --x", "see lifeboat lifecycle apply --help"},
		"pin s3://bucket/app --snapshot":          {"--snapshot: its value is missing", "see lifeboat pin --help"},
		"restore file:///b a.db --live --replace": {"--replace puts a new file in place", "see lifeboat restore --help"},
	} {
		var p program
		err := p.do(t.Context(), strings.Fields(args), &console{stdout: os.Stdout, stderr: os.Stderr, globals: &p.globals})
		if exitCode(err) != exitUsage || !strings.Contains(err.Error(), want[0]) || strings.HasPrefix(err.Error(), "[") || hintFor(err) != want[1] {
			t.Errorf("%s: exit %d: %v, hint %q", args, exitCode(err), err, hintFor(err))
		}
	}
}

// A hint must not send anybody to a policy that does not help.
func TestPoliciesInHints(t *testing.T) {
	for _, p := range policies {
		files, err := filepath.Glob(filepath.Join("..", "..", "deploy", "iam", p.role+"-*.json"))
		if err != nil || len(files) != 2 {
			t.Fatalf("%s: %v, %v", p.role, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, action := range p.actions {
				if !strings.Contains(string(text), `"`+action+`"`) {
					t.Errorf("%s does not allow %s", file, action)
				}
			}
		}
	}
}
