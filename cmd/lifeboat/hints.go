package main

import (
	"errors"
	"io/fs"
	"net"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/hooks"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// hinted is an error with a hint that only the command itself could give.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// hintFor returns the hint for an error, or "".
func hintFor(err error) string {
	var own *hinted
	if errors.As(err, &own) {
		return own.hint
	}
	if tooManyFiles(err) {
		return moreOpenFiles
	}
	if damaged := hintForTags(err); damaged != "" {
		return damaged
	}
	for _, r := range reasons {
		if r.hint != "" && errors.Is(err, r.is) {
			return r.hint
		}
	}
	if errors.Is(err, hooks.ErrMayNotRun) {
		return "the user that runs the backup must be able to run that program: chmod +x, and no noexec on its file system"
	}
	// A firewall forbids connections by the same error.
	var network *net.OpError
	if errors.Is(err, fs.ErrPermission) && !errors.As(err, &network) {
		return "run it as the user that the file belongs to (ls -ln; in Kubernetes runAsUser, runAsGroup and fsGroup)"
	}
	return hintForStore(err)
}

// hintForTags returns the commands that write damaged tags anew, "" if err is about
// something else.
func hintForTags(err error) string {
	var damaged *bucket.DamagedTagsError
	if !errors.As(err, &damaged) {
		return ""
	}
	id, _, _ := strings.Cut(damaged.Object, ".")
	which := terminal.Quote(damaged.URL.String()) + " --snapshot " + terminal.Quote(id)
	return "no rule and no prune takes that snapshot until its tags are written anew: lifeboat pin " + which + " && lifeboat unpin " + which
}

// hintForStore returns the hint for an answer of a store, or for none. With a profile that
// a flag names the settings are in that.
func hintForStore(err error) string {
	hint := hintForSettings(err)
	profile := bucket.Profile(err)
	if profile == "" {
		return hint
	}
	of := " of the profile " + terminal.Quote(profile)
	return strings.NewReplacer(
		"AWS_ENDPOINT_URL_S3", "endpoint_url"+of, "AWS_REGION=", "region"+of+" to ", "AWS_REGION", "region"+of,
		"the keys come from the AWS settings: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role", "the keys are those"+of,
	).Replace(hint)
}

// hintForSettings returns the hint in words for the settings of the environment.
func hintForSettings(err error) string {
	if setting := bucket.Setting(err); setting != "" {
		return setting
	}
	if region := bucket.Region(err); region != "" {
		return "set AWS_REGION=" + region
	}
	if action := bucket.MissingAction(err); action != "" {
		return deniedHint(action)
	}
	switch bucket.Code(err) {
	case "NoSuchBucket":
		return "lifeboat does not create buckets: create it, or correct the bucket URL or AWS_ENDPOINT_URL_S3, which is without the bucket's name"
	case "RequestTimeTooSkewed":
		return hintClock
	case "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return "the keys come from the AWS settings: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role"
	}
	var unknown *net.DNSError
	if errors.As(err, &unknown) && strings.HasSuffix(unknown.Name, ".amazonaws.com") {
		return "is AWS_REGION right? For a store other than AWS set AWS_ENDPOINT_URL_S3"
	}
	if errors.As(err, &unknown) {
		return "is AWS_ENDPOINT_URL_S3 right? It is without the bucket's name, which comes after it in the path"
	}
	if errors.Is(err, bucket.ErrUnreachable) {
		return "is AWS_ENDPOINT_URL_S3 right? --retry-for sets how long to try"
	}
	return ""
}

// withHelp returns an error of the command line with a hint at the help of its
// command, nil for none, unless another hint helps more.
func withHelp(command *kong.Node, err error) error {
	var wrong *usageError
	switch {
	case !errors.As(err, &wrong) || hintFor(err) != "":
		return err
	case command == nil:
		return &hinted{err, "lifeboat --help lists the commands"}
	}
	return &hinted{err, "see lifeboat " + commandOf(command) + " --help"}
}

// deniedHint names the policy in deploy/iam that allows an action.
func deniedHint(action string) string {
	const try = "lifeboat doctor tries out what these credentials may do"
	for _, p := range policies {
		if slices.Contains(p.actions, action) {
			return "deploy/iam/" + p.role + "-*.json is a policy that allows " + action + " to " + p.who + "; " + try
		}
	}
	return "deploy/iam/README.md lists the rights of each job; " + try
}

// policies are the roles in deploy/iam, with the actions that lead to them.
var policies = []struct {
	role, who string
	actions   []string
}{
	{"backup", "a backup job", []string{"s3:ListBucket", "s3:PutObject", "s3:PutObjectTagging", "s3:GetObjectTagging", "s3:AbortMultipartUpload"}},
	{"restore", "a restore", []string{"s3:GetObject", "s3:GetObjectVersion", "s3:ListBucketVersions"}},
	{"admin", "an operator who sets the rules", []string{"s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration", "s3:GetBucketVersioning"}},
}
