package main

import (
	"errors"

	"github.com/aws/smithy-go"

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
	{snapshot.ErrNewerFormat, "a newer lifeboat can read it; so can: aws s3 cp ... - | zstd -d"},
	{snapshot.ErrUncheckable, "--check none leaves SQLite's check out; every frame is verified in any case"},
	{restore.ErrNotRecorded, "it takes the right to read and set the snapshot's tags (s3:GetObjectTagging, s3:PutObjectTagging)"},
	{snapshot.ErrNoRoom, "--temp-dir names another directory for the copy"},
	{snapshot.ErrTempDir, "--temp-dir (or TMPDIR) names a directory that can be written, such as an emptyDir volume"},
	{upload.ErrOtherDatabase, "give each database a prefix of its own; if this is the same database under a new name, add --adopt"},
	{upload.ErrPlaintext, "give the --age-recipient that was given before; --plaintext goes on without encryption"},
	{upload.ErrRecipients, "post-quantum recipients (age1pq1...) go only with each other"},
	{upload.ErrNoIdentity, "--age-identity FILE names the file with the private key"},
	{upload.ErrWrongIdentity, "each snapshot needs a key of those it was encrypted to at its time; if it surely has the right one, the snapshot's header is damaged: --before ID takes an older one"},
	{upload.ErrNotEncrypted, "this store ignores --sse; --age-recipient encrypts before anything leaves this machine"},
	{upload.ErrClock, setClock},
	{lifecycle.ErrNoRules, "is the bucket URL right? lifeboat lifecycle show says what rules there are"},
}

const setClock = "set this machine's clock (timedatectl, chronyc): which snapshot is the newest goes by it"

// hintFor returns the hint for an error, or "".
func hintFor(err error) string {
	var own *hinted
	if errors.As(err, &own) {
		return own.hint
	}
	for _, h := range hints {
		if errors.Is(err, h.reason) {
			return h.hint
		}
	}
	var answer smithy.APIError
	if errors.As(err, &answer) {
		switch answer.ErrorCode() {
		case "NoSuchBucket":
			return "lifeboat does not create buckets: create it, or correct the bucket URL or AWS_ENDPOINT_URL_S3"
		case "RequestTimeTooSkewed":
			return setClock
		case "InvalidAccessKeyId", "SignatureDoesNotMatch":
			return "the keys come from the AWS settings: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role"
		}
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
