package doctor

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/trial"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// storeProbes are the checks of a bucket, in this order: later ones use what
// earlier ones have put.
var storeProbes = []probe[*storeExam]{
	{"credentials", tryCredentials, "these keys sign the requests", "nothing else can be tried", ""},
	{"list", tryList, "the bucket is there and answers", "a backup and a restore cannot go on", "a backup and a restore need it: s3:ListBucket"},
	{"clock", tryClock, "within the five minutes that a backup accepts", "a backup refuses: set this machine's clock", ""},
	{"put", tryPut, "a backup can upload", "a backup cannot upload", "a backup needs it; a restore does not"},
	{"put if absent", tryPutIfAbsent, "no backup overwrites a snapshot, even in a race", "a backup looks whether the name is free before it puts; names are random", ""},
	{"listing order", tryListingOrder, "a listing can start after a given name, and leaves out objects in folders below", "snapshots are found wrongly or not at all", ""},
	{"multipart", tryMultipart, "large databases upload in parallel parts", "only a database that fits into one part can be backed up", "a large database cannot be backed up"},
	{"multipart if absent", tryMultipartIfAbsent, "no upload in parts overwrites a snapshot, even in a race", "a backup looks whether the name is free before it completes; names are random", ""},
	{"list uploads", tryListUploads, "an upload whose ID was lost on the way is found and aborted", "parts of such an upload stay until the store ends it", "parts of an upload whose ID was lost on the way stay until the store ends it"},
	{"checksums", tryChecksums, "the store rejects a part that was altered on the way", "the store does not verify them; a restore does verify every byte", ""},
	{"abort", tryAbort, "a failed backup takes back its parts", "a failed backup leaves parts behind", "a failed backup leaves parts behind: s3:AbortMultipartUpload"},
	{"get", tryGet, "a restore can read ranges", "a restore cannot read", "a restore needs it: s3:GetObject; a backup job is better off without it"},
	{"tags on put", tryTagsOnPut, "snapshots are uploaded as held", "tags are in small objects beside the snapshots, and retention is by lifeboat prune", "a backup needs it: s3:PutObjectTagging"},
	{"tags in parts", tryTagsInParts, "snapshots that are uploaded in parts are held too", "after an upload in parts a backup sets them again, so it needs s3:PutObjectTagging on every store", "not known"},
	{"tags read", tryTagsRead, "a backup sees whether the newest snapshot is the same", "tags are read from the objects beside", "a backup needs it: s3:GetObjectTagging"},
	{"tags later", tryTagsLater, "a backup can confirm an unchanged database; the right to set a class was not tested", "tags are written to the objects beside", "no confirming, no releasing: s3:PutObjectTagging"},
	{"lifecycle read", tryLifecycleRead, "lifecycle plan and show work", "the store has no lifecycle rules: retention is by lifeboat prune", "lifecycle plan, show and apply need it: s3:GetLifecycleConfiguration; a backup job does not"},
	{"lifecycle rules", tryLifecycleRules, "the store keeps rules, and retention can be by them", "", ""},
	{"lifecycle write", tryLifecycleWrite, "", "the store has no lifecycle rules", ""},
	{"versioning", tryVersioning, "what is overwritten or deleted can be brought back: list --versions", "what is overwritten or deleted is gone", "only an administrator needs it"},
	{"list versions", tryListVersions, "list --versions and restore --allow-empty work", "no list --versions, no restore --allow-empty", "list --versions and restore --allow-empty need it: s3:ListBucketVersions"},
	{"object lock", tryObjectLock, "backup --object-lock works here", "no backup --object-lock in this bucket", "only an administrator needs it; backup --object-lock may work all the same"},
	{"encryption", tryEncryption, "the store encrypts what it is given", "the store does not say that it encrypts", "not known"},
	{"delete", tryDelete, "prune works; a backup job is better off without this right", "prune does not work", "good for a backup job: it never deletes. prune needs it: s3:DeleteObject"},
}

func tryCredentials(ctx context.Context, x *storeExam) (Answer, string, error) {
	who, err := x.trial.Credentials(ctx)
	if err != nil {
		return No, "", err
	}
	return Yes, who, nil
}

// tryList ends the examination where nothing else can succeed: a wrong key, no
// such bucket, no answer.
func tryList(ctx context.Context, x *storeExam) (Answer, string, error) {
	for o, err := range x.List(ctx, "") {
		if err != nil {
			return listAnswer(err)
		}
		x.sample = o
		if o.Size > 0 {
			break
		}
	}
	return Yes, "", nil
}

// listAnswer lets the examination go on where all that is missing is the right
// to list, or what it costs.
func listAnswer(err error) (Answer, string, error) {
	answer, detail, _ := answerTo(err)
	switch {
	case answer == NotTried:
		return NotTried, "", err
	case answer == Refused && (bucket.MissingAction(err) != "" || errors.Is(err, bucket.ErrQuota)):
		return Refused, detail, nil
	}
	return No, "", err
}

func tryClock(_ context.Context, x *storeExam) (Answer, string, error) {
	ahead, known := x.ClockOffset()
	if !known {
		return NotTried, "no answer of the store has a date", nil
	}
	ahead = ahead.Round(time.Second)
	detail := fmt.Sprintf("the store's clock is %v ahead", ahead)
	if ahead < 0 {
		detail = fmt.Sprintf("the store's clock is %v behind", -ahead)
	}
	if ahead.Abs() > series.MaxAhead {
		return No, detail, nil
	}
	return Yes, detail, nil
}

// tryPut leaves out the condition where the store does not know it, as a backup
// does, and the tags where it does not take them.
func tryPut(ctx context.Context, x *storeExam) (Answer, string, error) {
	stored, err := x.putWhole(ctx, x.tags)
	if err != nil && !errors.Is(err, bucket.ErrUnreachable) && ctx.Err() == nil {
		var again error
		if stored, again = x.putWhole(ctx, nil); again == nil {
			x.tags, x.tagsErr, err = nil, err, nil
		}
	}
	if err == nil {
		x.put = &stored
	}
	return answerTo(err)
}

func (x *storeExam) putWhole(ctx context.Context, tags bucket.Tags) (stored trial.Stored, err error) {
	if !x.noConditions {
		stored, err = x.trial.PutIfAbsent(ctx, x.whole(), throwAway, tags)
		if !trial.Is(err, trial.NoConditions) {
			return stored, err
		}
	}
	stored, err = x.trial.Put(ctx, x.whole(), throwAway, tags)
	x.noConditions = x.noConditions || err == nil
	return stored, err
}

func tryPutIfAbsent(ctx context.Context, x *storeExam) (Answer, string, error) {
	if x.put == nil {
		return NotTried, "nothing could be put", nil
	}
	if x.noConditions {
		return No, "the store does not take If-None-Match", nil
	}
	_, err := x.trial.PutIfAbsent(ctx, x.whole(), throwAway, x.tags)
	return kept(err)
}

// kept judges a request whose condition does not hold.
func kept(err error) (Answer, string, error) {
	if trial.Is(err, trial.Condition) {
		return Yes, "", nil
	}
	if err == nil {
		return No, "the store takes If-None-Match and replaces the object all the same", nil
	}
	return answerTo(err)
}

func tryListingOrder(ctx context.Context, x *storeExam) (Answer, string, error) {
	if x.put == nil {
		return NotTried, "nothing could be put", nil
	}
	for _, list := range []struct {
		prefix, after string
		shown         bool
		wrong         string
	}{
		{x.folder, x.folder + "v", true, "an object is missing in the listing"},
		{x.folder, x.folder + "whole", false, "start-after is ignored"},
		{"", bucket.TrialPrefix, false, "the delimiter is ignored"},
	} {
		names, err := x.trial.Names(ctx, list.prefix, list.after)
		if err != nil {
			return answerTo(err)
		}
		if slices.Contains(names, x.whole()) != list.shown {
			return No, list.wrong, nil
		}
	}
	return Yes, "", nil
}

func tryMultipart(ctx context.Context, x *storeExam) (Answer, string, error) {
	upload, err := x.beginWithPart(ctx)
	if err != nil {
		return answerTo(err)
	}
	err = upload.CompleteIfAbsent(ctx)
	if trial.Is(err, trial.NoConditions) {
		err = upload.Complete(ctx)
	}
	x.inParts = !trial.Is(err, trial.Rejected)
	return answerTo(err)
}

func tryMultipartIfAbsent(ctx context.Context, x *storeExam) (Answer, string, error) {
	if !x.inParts {
		return NotTried, "nothing could be uploaded in parts", nil
	}
	upload, err := x.beginWithPart(ctx)
	if err != nil {
		return answerTo(err)
	}
	return kept(upload.CompleteIfAbsent(ctx))
}

// tryListUploads leaves an upload open for the next probes.
func tryListUploads(ctx context.Context, x *storeExam) (Answer, string, error) {
	upload, err := x.trial.Begin(ctx, x.parts(), x.tags)
	if err != nil {
		return NotTried, "no upload could be begun", nil
	}
	x.open = upload
	listed, err := upload.Listed(ctx)
	if err == nil && !listed {
		return No, "an upload in progress is not listed", nil
	}
	return answerTo(err)
}

func tryChecksums(ctx context.Context, x *storeExam) (Answer, string, error) {
	if x.open == nil {
		return NotTried, "no upload could be begun", nil
	}
	sum := crc32.ChecksumIEEE(throwAway)
	if err := x.open.SendSummed(ctx, throwAway, sum); err != nil {
		answer, detail, err := answerTo(err)
		return answer, "a part with its right CRC32 was not taken: " + detail, err
	}
	err := x.open.SendSummed(ctx, throwAway, ^sum)
	switch {
	case err == nil:
		return No, "a part with a wrong CRC32 was taken", nil
	case trial.Is(err, trial.Rejected):
		return Yes, "", nil
	}
	return answerTo(err)
}

func tryAbort(ctx context.Context, x *storeExam) (Answer, string, error) {
	if x.open == nil {
		return NotTried, "no upload could be begun", nil
	}
	return answerTo(x.open.Abort(ctx))
}

func tryGet(ctx context.Context, x *storeExam) (Answer, string, error) {
	o, ok := x.readable()
	if !ok || o.Size == 0 {
		return NotTried, "there is nothing to read", nil
	}
	blob, err := x.Open(ctx, o)
	if err != nil {
		return answerTo(err)
	}
	defer blob.Close()
	if _, err := blob.ReadAt(make([]byte, 1), o.Size/2); errors.Is(err, bucket.ErrChanged) {
		return No, "the store does not give the range that was asked for", nil
	} else if err != nil {
		return answerTo(err)
	}
	err = x.trial.ReadIfMatch(ctx, o.Name, "another")
	if err == nil {
		return Yes, "If-Match is ignored; a restore compares the ETag itself", nil
	}
	if !trial.Is(err, trial.Any) {
		return answerTo(err)
	}
	return Yes, "", nil
}

// answerAbout is answerTo for questions about the bucket: unset is the
// answer if it has no such setting.
func answerAbout(err error, unset Answer) (Answer, string, error) {
	if trial.Is(err, trial.Unset) {
		return unset, "the bucket has none", nil
	}
	return answerTo(err)
}

func tryLifecycleRead(ctx context.Context, x *storeExam) (answer Answer, detail string, err error) {
	x.rules, err = x.trial.Rules(ctx)
	return answerAbout(err, Yes)
}

// tryLifecycleRules: a store that has none set may have none at all. Some say
// so in the same words.
func tryLifecycleRules(_ context.Context, x *storeExam) (Answer, string, error) {
	if x.rules == 0 {
		return NotTried, "none to be seen; lifecycle apply finds out whether the store takes them", nil
	}
	return Yes, fmt.Sprintf("%d in the bucket", x.rules), nil
}

// tryLifecycleWrite: the only way to find out is to write them.
func tryLifecycleWrite(context.Context, *storeExam) (Answer, string, error) {
	return NotTried, "doctor never changes rules; lifecycle apply finds out", nil
}

func tryVersioning(ctx context.Context, x *storeExam) (Answer, string, error) {
	if x.put != nil && x.put.Versioned {
		return Yes, "", nil
	}
	versioned, err := x.trial.Versioned(ctx)
	if err == nil && !versioned {
		return No, "", nil
	}
	answer, detail, err := answerAbout(err, No)
	if answer == Refused && x.put != nil {
		return No, "a new object has no version", nil
	}
	return answer, detail, err
}

func tryListVersions(ctx context.Context, x *storeExam) (Answer, string, error) {
	_, err := x.NeverUsed(ctx)
	return answerTo(err)
}

func tryObjectLock(ctx context.Context, x *storeExam) (Answer, string, error) {
	return answerAbout(x.trial.Lock(ctx), No)
}

func tryEncryption(ctx context.Context, x *storeExam) (Answer, string, error) {
	if x.put != nil && x.put.Encryption != "" {
		return Yes, x.put.Encryption, nil
	}
	return answerAbout(x.trial.Encryption(ctx), No)
}

// tryDelete tries the right on what was put; the rest is cleaned up at the end.
func tryDelete(ctx context.Context, x *storeExam) (Answer, string, error) {
	if x.put == nil {
		return NotTried, "nothing was put that may be deleted", nil
	}
	return answerTo(x.trial.Delete(ctx, x.whole()))
}
