package upload

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// s3Probes are the checks of a bucket, in this order: later ones use what
// earlier ones have put.
var s3Probes = []probe[*s3Examiner]{
	{"credentials", tryCredentials, "who asks", "nothing else can be tried", ""},
	{"list", tryList, "the bucket is there and answers", "a backup and a restore cannot go on", "a backup and a restore need it: s3:ListBucket"},
	{"clock", tryClock, "within the five minutes that a backup accepts", "a backup refuses: set this machine's clock", ""},
	{"put", tryPut, "a backup can upload", "a backup cannot upload", "a backup needs it; a restore does not"},
	{"put if absent", tryPutIfAbsent, "no backup overwrites a snapshot, even in a race", "a backup looks whether the name is free before it puts; names are random", ""},
	{"listing order", tryListingOrder, "a listing can begin late and leaves out what is deeper", "snapshots are found wrongly or not at all", ""},
	{"multipart", tryMultipart, "large databases upload in parallel parts", "only a database that fits into one part can be backed up", "a large database cannot be backed up"},
	{"multipart if absent", tryMultipartIfAbsent, "the same promise for uploads in parts", "a backup looks whether the name is free before it completes; names are random", ""},
	{"list uploads", tryListUploads, "an upload whose ID was lost on the way is found and aborted", "parts of such an upload stay until the store ends it", "parts of an upload whose ID was lost on the way stay until the store ends it"},
	{"checksums", tryChecksums, "the store rejects a part that was altered on the way", "the store does not verify them; a restore does verify every byte", ""},
	{"abort", tryAbort, "a failed backup takes back its parts", "a failed backup leaves parts behind", "a failed backup leaves parts behind: s3:AbortMultipartUpload"},
	{"get", tryGet, "a restore can read ranges", "a restore cannot read", "a restore needs it: s3:GetObject; a backup job is better off without it"},
	{"tags on put", tryTagsOnPut, "snapshots are uploaded as held", "tags are in small objects beside the snapshots, and retention is by lifeboat prune", "a backup needs it: s3:PutObjectTagging"},
	{"tags in parts", tryTagsInParts, "so are those that are uploaded in parts", "after an upload in parts a backup sets them again, so it needs s3:PutObjectTagging on every store", "not known"},
	{"tags read", tryTagsRead, "a backup sees whether the newest snapshot is the same", "tags are read from the objects beside", "a backup needs it: s3:GetObjectTagging"},
	{"tags later", tryTagsLater, "an unchanged database is confirmed; this says nothing of the right to set a class", "tags are written to the objects beside", "no confirming, no releasing: s3:PutObjectTagging"},
	{"lifecycle read", tryLifecycleRead, "lifecycle plan and show work", "the store has no lifecycle rules: retention is by lifeboat prune", "lifecycle plan, show and apply need it: s3:GetLifecycleConfiguration; a backup job does not"},
	{"lifecycle rules", tryLifecycleRules, "the store keeps rules, and retention can be by them", "", ""},
	{"lifecycle write", tryLifecycleWrite, "", "the store has no lifecycle rules", ""},
	{"versioning", tryVersioning, "what is overwritten or deleted can be brought back: list --versions", "what is overwritten or deleted is gone", "only an administrator needs it"},
	{"list versions", tryListVersions, "list --versions and restore --allow-empty work", "no list --versions, no restore --allow-empty", "list --versions and restore --allow-empty need it: s3:ListBucketVersions"},
	{"object lock", tryObjectLock, "backup --object-lock works here", "no backup --object-lock in this bucket", "only an administrator needs it; backup --object-lock may work all the same"},
	{"encryption", tryEncryption, "the store encrypts what it is given", "the store does not say that it encrypts", "not known"},
	{"delete", tryDelete, "prune works; a backup job is better off without this right", "prune does not work", "good for a backup job: it never deletes. prune needs it: s3:DeleteObject"},
}

func tryCredentials(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	c, err := x.client.Options().Credentials.Retrieve(ctx)
	if err != nil {
		return No, "", describe(ctx, failure{"get", "AWS credentials", ""}, err)
	}
	id := c.AccessKeyID
	detail := fmt.Sprintf("access key ID ...%s from %s", id[max(0, len(id)-4):], c.Source)
	if c.CanExpire {
		detail += ", valid until " + c.Expires.UTC().Format(time.RFC3339)
	}
	return Yes, detail, nil
}

// tryList ends the examination where nothing else can succeed: a wrong key, no
// such bucket, no answer.
func tryList(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	for o, err := range x.List(ctx, "") {
		code, _ := codeOf(err)
		if err != nil && refusals[code] != "" {
			return No, "", err
		}
		if err != nil {
			answer, detail, broken := answerTo(err)
			if answer != Refused {
				broken = err
			}
			return answer, detail, broken
		}
		x.sample = o
		if o.Size > 0 {
			break
		}
	}
	return Yes, "", nil
}

func tryClock(_ context.Context, x *s3Examiner) (Answer, string, error) {
	ahead := x.ClockOffset().Round(time.Second)
	detail := fmt.Sprintf("the store's clock is %v ahead", ahead)
	if ahead < 0 {
		detail = fmt.Sprintf("the store's clock is %v behind", -ahead)
	}
	if ahead.Abs() > maxAhead {
		return No, detail, nil
	}
	return Yes, detail, nil
}

// tryPut leaves out the condition where the store does not know it, as a backup
// does, and the tags where it does not take them.
func tryPut(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	put := func(tags bucket.Tags) (out *s3.PutObjectOutput, err error) {
		out, err = x.putObject(ctx, tags, x.condition)
		if lacksConditions(err) {
			if out, err = x.putObject(ctx, tags, nil); err == nil {
				x.condition = nil
			}
		}
		return out, err
	}
	out, err := put(x.tags)
	if err != nil && !errors.Is(err, bucket.ErrUnreachable) && ctx.Err() == nil {
		var again error
		if out, again = put(nil); again == nil {
			x.tags, x.tagsErr, err = nil, err, nil
		}
	}
	if err == nil {
		x.put = out
	}
	return answerTo(err)
}

func tryPutIfAbsent(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	if x.put == nil {
		return NotTried, "nothing could be put", nil
	}
	if x.condition == nil {
		return No, "the store does not take If-None-Match", nil
	}
	_, err := x.putObject(ctx, x.tags, x.condition)
	return kept(err)
}

// kept judges a request whose condition does not hold.
func kept(err error) (Answer, string, error) {
	if isPrecondition(err) {
		return Yes, "", nil
	}
	if err == nil {
		return No, "the store takes If-None-Match and replaces the object all the same", nil
	}
	return answerTo(err)
}

func tryListingOrder(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	if x.put == nil {
		return NotTried, "nothing could be put", nil
	}
	shown := func(prefix, after string) (string, error) {
		out, err := x.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
			Bucket: &x.url.Bucket, Prefix: aws.String(x.key(prefix)), StartAfter: aws.String(x.key(after)),
			Delimiter: aws.String("/"), EncodingType: types.EncodingTypeUrl,
		})
		if err != nil {
			return "", x.describe(ctx, "list", x.folder, "s3:ListBucket", err)
		}
		for _, o := range out.Contents {
			if object, ok := x.listedAt(o, out.EncodingType); ok && object.Name == x.whole() {
				return "object", nil
			}
		}
		return "", nil
	}
	for _, list := range []struct{ prefix, after, want, wrong string }{
		{x.folder, x.folder + "v", "object", "an object is missing in the listing"},
		{x.folder, x.folder + "whole", "", "start-after is ignored"},
		{"", bucket.TrialPrefix, "", "the delimiter is ignored"},
	} {
		got, err := shown(list.prefix, list.after)
		if err != nil {
			return answerTo(err)
		}
		if got != list.want {
			return No, list.wrong, nil
		}
	}
	return Yes, "", nil
}

func tryMultipart(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	id, err := x.begin(ctx)
	if err != nil {
		return answerTo(err)
	}
	etag, err := x.sendPart(ctx, id, nil)
	if err != nil {
		return answerTo(err)
	}
	err = x.complete(ctx, id, etag, aws.String("*"))
	if lacksConditions(err) {
		err = x.complete(ctx, id, etag, nil)
	}
	return answerTo(err)
}

func tryMultipartIfAbsent(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	if !x.hasParts() {
		return NotTried, "nothing could be uploaded in parts", nil
	}
	id, err := x.begin(ctx)
	if err != nil {
		return answerTo(err)
	}
	etag, err := x.sendPart(ctx, id, nil)
	if err != nil {
		return answerTo(err)
	}
	return kept(x.complete(ctx, id, etag, aws.String("*")))
}

// tryListUploads leaves an upload open for the next probes.
func tryListUploads(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	id, err := x.begin(ctx)
	if err != nil {
		return NotTried, "no upload could be begun", nil
	}
	x.open = id
	out, err := x.client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{
		Bucket: &x.url.Bucket, Prefix: aws.String(x.key(x.parts())),
	})
	if err != nil {
		return answerTo(x.describe(ctx, "list uploads of", x.parts(), "s3:ListBucketMultipartUploads", err))
	}
	for _, u := range out.Uploads {
		if aws.ToString(u.UploadId) == *id {
			return Yes, "", nil
		}
	}
	return No, "an upload in progress is not listed", nil
}

func tryChecksums(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	if x.open == nil {
		return NotTried, "no upload could be begun", nil
	}
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(doctorContent))
	if _, err := x.sendPart(ctx, x.open, aws.String(base64.StdEncoding.EncodeToString(sum))); err != nil {
		answer, detail, err := answerTo(err)
		return answer, "a part with its right CRC32 was not taken: " + detail, err
	}
	_, err := x.sendPart(ctx, x.open, aws.String("AAAAAA==")) // not that of the content
	if err == nil {
		return No, "a part with a wrong CRC32 was taken", nil
	}
	if status := statusOf(err); status < 400 || status >= 500 {
		return answerTo(err)
	}
	return Yes, "", nil
}

func tryAbort(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	if x.open == nil {
		return NotTried, "no upload could be begun", nil
	}
	return answerTo(x.abort(ctx, begunUpload{x.parts(), *x.open}))
}

// readable returns an object to read: our own, or one of the series.
func (x *s3Examiner) readable() (bucket.Object, bool) {
	if x.put != nil {
		return bucket.Object{Name: x.whole(), Size: int64(len(doctorContent)), ETag: opaque(x.put.ETag)}, true
	}
	return x.sample, x.sample.Name != ""
}

func tryGet(ctx context.Context, x *s3Examiner) (Answer, string, error) {
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
	algorithm, key, sum := x.options.SSE.customerKey()
	out, err := x.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &x.url.Bucket, Key: aws.String(x.key(o.Name)), IfMatch: aws.String(`"another"`), Range: aws.String("bytes=0-0"),
		SSECustomerAlgorithm: algorithm, SSECustomerKey: key, SSECustomerKeyMD5: sum,
	})
	if err == nil {
		return Yes, "If-Match is ignored; a restore compares the ETag itself", out.Body.Close()
	}
	if err := x.describe(ctx, "read", o.Name, "s3:GetObject", err); isSilence(err) {
		return answerTo(err)
	}
	return Yes, "", nil
}

func tryLifecycleRead(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	out, err := x.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &x.url.Bucket})
	if err == nil {
		x.rules = len(out.Rules)
	}
	return x.ask(ctx, "lifecycle rules", "s3:GetLifecycleConfiguration", err, Yes)
}

// tryLifecycleRules: a store that has none set may have none at all. Some say
// so in the same words.
func tryLifecycleRules(_ context.Context, x *s3Examiner) (Answer, string, error) {
	if x.rules == 0 {
		return NotTried, "none to be seen; lifecycle apply finds out whether the store takes them", nil
	}
	return Yes, fmt.Sprintf("%d in the bucket", x.rules), nil
}

// tryLifecycleWrite: the only way to find out is to write them.
func tryLifecycleWrite(context.Context, *s3Examiner) (Answer, string, error) {
	return NotTried, "doctor never changes rules; lifecycle apply finds out", nil
}

func tryVersioning(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	if x.put != nil && aws.ToString(x.put.VersionId) != "" && *x.put.VersionId != "null" {
		return Yes, "", nil
	}
	out, err := x.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &x.url.Bucket})
	if err == nil && out.Status != types.BucketVersioningStatusEnabled {
		return No, "", nil
	}
	answer, detail, err := x.ask(ctx, "versioning", "s3:GetBucketVersioning", err, No)
	if answer == Refused && x.put != nil {
		return No, "a new object has no version", nil
	}
	return answer, detail, err
}

func tryListVersions(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	_, err := x.NeverUsed(ctx)
	return answerTo(err)
}

func tryObjectLock(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	_, err := x.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &x.url.Bucket})
	return x.ask(ctx, "object lock", "s3:GetBucketObjectLockConfiguration", err, No)
}

func tryEncryption(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	if x.put != nil && x.put.ServerSideEncryption != "" {
		return Yes, string(x.put.ServerSideEncryption), nil
	}
	if len(x.options.SSE.CustomerKey) > 0 && x.put != nil {
		return Yes, "with your own key", nil
	}
	_, err := x.client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &x.url.Bucket}, func(o *s3.Options) {
		o.Retryer = aws.NopRetryer{} // a store that does not know the question may answer another
	})
	return x.ask(ctx, "encryption", "s3:GetEncryptionConfiguration", err, No)
}

// tryDelete tries the right on what was put; the rest is cleaned up at the end.
func tryDelete(ctx context.Context, x *s3Examiner) (Answer, string, error) {
	if x.put == nil {
		return NotTried, "nothing was put that may be deleted", nil
	}
	return answerTo(x.delete(ctx, bucket.Object{Name: x.whole()}))
}
