package main

import (
	"errors"
	"io/fs"
	"net"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/worker"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
)

// hinted is an error with a hint that only the command itself could give.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// hints are the next steps for errors that do not say it themselves.
var hints = []struct {
	reason error
	hint   string
}{
	{restore.ErrTargetExists, "--replace swaps it for the snapshot and keeps the old one beside it"},
	{restore.ErrTargetOpen, "stop what has it open, or add --live to write the snapshot into the open database"},
	{restore.ErrUncertain, "make sure that no application has it open, then add --assume-closed"},
	{restore.ErrCannotSwap, "--live writes the snapshot into the existing file instead"},
	{restore.ErrAmbiguous, "give more of the ID"},
	{restore.ErrLocked, "--wait says how long to wait for other connections"},
	{snapshot.ErrLocked, "--wait says how long to wait for other connections"},
	{snapshot.ErrCutShort, "put the whole main file back from a copy, or restore a snapshot with --replace, which keeps all three files aside; do not open it with sqlite3 before"},
	{worker.ErrTooLong, "if the database is sound and this machine slow, --check-limit gives it more time"},
	{snapshot.ErrNewerFormat, "a newer lifeboat can read it; so can: aws s3 cp ... - | zstd -d"},
	{snapshot.ErrUncheckable, "--check none leaves SQLite's check out; every frame is verified in any case"},
	{snapshot.ErrCannotVacuum, "--method backup copies it page for page"},
	{restore.ErrNotRecorded, "it takes the right to read and set the snapshot's tags (s3:GetObjectTagging, s3:PutObjectTagging)"},
	{snapshot.ErrNoRoom, "make room on that disk; where it is that of the copy, --temp-dir names another"},
	{snapshot.ErrTempDir, "--temp-dir (or TMPDIR) names a directory that can be written, such as an emptyDir volume"},
	{upload.ErrOtherDatabase, "give each database a prefix of its own; if this is the same database under a new name, or with a new schema, add --adopt"},
	{upload.ErrPlaintext, "give the --age-recipient that was given before; --plaintext goes on without encryption"},
	{upload.ErrRecipients, "post-quantum recipients (age1pq1...) go only with each other"},
	{upload.ErrNoIdentity, "--age-identity FILE names the file with the private key"},
	{upload.ErrWrongIdentity, "each snapshot needs a key of those it was encrypted to at its time; if it surely has the right one, the snapshot's header is damaged: --snapshot ID takes an older one"},
	{upload.ErrNotEncrypted, "this store ignores --sse; --age-recipient encrypts before anything leaves this machine"},
	{upload.ErrTagsDamaged, "lifeboat pin BUCKET_URL --snapshot ID and then lifeboat unpin write them anew; until then that snapshot stays"},
	{upload.ErrClock, setClock},
	{lifecycle.ErrFuture, "if this machine's clock is behind, set it; else a wrong clock has named that snapshot: lifeboat status says what to do"},
	{errNotPrinted, "stdout is full, or its reader has gone; all else that this command does is done"},
	{upload.ErrQuota, "raise the cap or quota with the provider, or make room in the account: lifeboat lifecycle plan or prune show what may go"},
	{lifecycle.ErrNoRules, "is the bucket URL right? lifeboat lifecycle show says what rules there are"},
}

const setClock = "set this machine's clock (timedatectl, chronyc): which snapshot is the newest goes by it"

// hintFor returns the hint for an error, or "".
func hintFor(err error) string {
	var own *hinted
	if errors.As(err, &own) {
		return own.hint
	}
	if tooManyFiles(err) {
		return moreOpenFiles
	}
	for _, h := range hints {
		if errors.Is(err, h.reason) {
			return h.hint
		}
	}
	// A firewall forbids connections by the same error.
	var network *net.OpError
	if errors.Is(err, fs.ErrPermission) && !errors.As(err, &network) {
		return "run it as the user that the file belongs to (ls -ln; in Kubernetes runAsUser, runAsGroup and fsGroup)"
	}
	return hintForStore(err)
}

// hintForStore returns the hint for what a store said, or did not say.
func hintForStore(err error) string {
	if setting := upload.Setting(err); setting != "" {
		return setting
	}
	if region := upload.Region(err); region != "" {
		return "set AWS_REGION=" + region
	}
	if action := upload.MissingAction(err); action != "" {
		return deniedHint(action)
	}
	var answer smithy.APIError
	if errors.As(err, &answer) {
		switch answer.ErrorCode() {
		case "NoSuchBucket":
			return "lifeboat does not create buckets: create it, or correct the bucket URL or AWS_ENDPOINT_URL_S3, which is without the bucket's name"
		case "RequestTimeTooSkewed":
			return setClock
		case "InvalidAccessKeyId", "SignatureDoesNotMatch":
			return "the keys come from the AWS settings: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role"
		}
	}
	var unknown *net.DNSError
	if errors.As(err, &unknown) && strings.HasSuffix(unknown.Name, ".amazonaws.com") {
		return "is AWS_REGION right? For a store other than AWS set AWS_ENDPOINT_URL_S3"
	}
	if errors.As(err, &unknown) {
		return "is AWS_ENDPOINT_URL_S3 right? It is without the bucket's name, which comes after it in the path"
	}
	if errors.Is(err, upload.ErrUnreachable) {
		return "AWS_ENDPOINT_URL_S3 says where the store is; --retry-for says how long to try"
	}
	var wrong *usageError
	if errors.As(err, &wrong) {
		return "lifeboat COMMAND --help shows how"
	}
	return ""
}

// deniedHint says which policy in deploy/iam allows an action.
func deniedHint(action string) string {
	const try = "lifeboat doctor tries out what these credentials may do"
	for _, p := range policies {
		if slices.Contains(p.actions, action) {
			return "deploy/iam/" + p.role + "-*.json is a policy that allows " + action + " to " + p.who + "; " + try
		}
	}
	return "deploy/iam/README.md says who needs which rights; " + try
}

// policies are the roles in deploy/iam, with the actions that lead to them.
var policies = []struct {
	role, who string
	actions   []string
}{
	{"backup", "a backup job", []string{"s3:ListBucket", "s3:PutObject", "s3:PutObjectTagging", "s3:GetObjectTagging", "s3:AbortMultipartUpload"}},
	{"restore", "whoever restores", []string{"s3:GetObject", "s3:GetObjectVersion", "s3:ListBucketVersions"}},
	{"admin", "whoever sets the rules", []string{"s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration", "s3:GetBucketVersioning"}},
}
