package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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

// against runs a command on a bucket of a store that always answers like this,
// without patience.
func against(t *testing.T, store http.Handler, args ...string) error {
	t.Helper()
	return againstStore(t, store, append(args, "s3://bucket/app", "--retry-for", "1ms")...)
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

// What a firewall forbids has nothing to do with a file's owner.
func TestHintsForPermission(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EACCES)}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&os.PathError{Op: "open", Path: "app.db", Err: syscall.EACCES}, "run it as the user"},
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
		"":                                    {"a command is missing", "lifeboat --help lists the commands"},
		"bakcup app.db":                       {`unexpected argument bakcup, did you mean "backup"?`, "lifeboat --help lists the commands"},
		"verify":                              {"missing: <bucket-url>", "see lifeboat verify --help"},
		"backup s3://bucket/app app.db":       {`bucket URL "app.db": it must begin with`, "see lifeboat backup --help"},
		"lifecycle aply s3://bucket/app":      {`unexpected argument aply, did you mean "apply"?`, "see lifeboat lifecycle --help"},
		"lifecycle apply s3://bucket/app --x": {"unknown flag --x", "see lifeboat lifecycle apply --help"},
		"pin s3://bucket/app --snapshot":      {"--snapshot: its value is missing", "see lifeboat pin --help"},
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
