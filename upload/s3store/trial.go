package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/trial"
)

// Trial implements trial.StoreBucket.
func (b *s3Store) Trial() trial.Store { return &s3Trial{s3Store: b} }

// An s3Trial is one trial of a store on its way.
type s3Trial struct {
	*s3Store
	written []bucket.Object // to be deleted, by version where there is one
	begun   []*s3Upload     // to be aborted
}

// Refuses is for trial.Is.
func (e *storeError) Refuses(r trial.Refusal) bool {
	code, _ := codeOf(e)
	status := statusOf(e)
	switch r {
	case trial.Any:
		return status != 0 || !errors.Is(e.error, bucket.ErrUnreachable)
	case trial.Denied:
		return isDenied(code, status)
	case trial.Rejected:
		return status >= 400 && status < 500 || status == http.StatusNotImplemented
	case trial.NoConditions:
		return lacksConditions(e)
	case trial.Condition:
		return isPrecondition(e)
	case trial.MayLackTags:
		return mayLackTags(e)
	case trial.Unset:
		return isUnset(e) && !isUnknown(e)
	}
	return false
}

// Brief is for trial.Brief.
func (e *storeError) Brief() string {
	if e.brief != "" {
		return e.brief
	}
	return e.Error()
}

// describe puts an error of the SDK into words.
func (x *s3Trial) describe(ctx context.Context, operation, name, action string, err error) error {
	if err == nil {
		return nil
	}
	return describe(ctx, x.failureOf(operation, bucket.Object{Name: name}, action), err)
}

// Credentials implements trial.Store.
func (x *s3Trial) Credentials(ctx context.Context) (string, error) {
	c, err := x.client.Options().Credentials.Retrieve(ctx)
	if err != nil {
		return "", describe(ctx, failure{"get", "AWS credentials", ""}, err)
	}
	id := c.AccessKeyID
	text := fmt.Sprintf("access key ID ...%s from %s", id[max(0, len(id)-4):], sourceInWords(c.Source))
	if c.CanExpire {
		text += ", valid until " + c.Expires.UTC().Format(time.RFC3339)
	}
	return text, nil
}

// sourceInWords returns the SDK's name of where credentials come from in words.
func sourceInWords(source string) string {
	for name, words := range map[string]string{
		"EnvConfigCredentials":        "the environment",
		"SharedConfigCredentials":     "an AWS profile",
		"EC2RoleProvider":             "the instance's role",
		"WebIdentityCredentials":      "a web identity",
		"CredentialsEndpointProvider": "the container's role",
		"AssumeRoleProvider":          "an assumed role",
		"SSOProvider":                 "AWS single sign-on",
	} {
		if rest, found := strings.CutPrefix(source, name); found {
			return words + rest // such as the profile's file
		}
	}
	return source
}

// Put implements trial.Store.
func (x *s3Trial) Put(ctx context.Context, name string, content []byte, tags bucket.Tags) (trial.Stored, error) {
	return x.put(ctx, name, content, tags, nil)
}

// PutIfAbsent implements trial.Store.
func (x *s3Trial) PutIfAbsent(ctx context.Context, name string, content []byte, tags bucket.Tags) (trial.Stored, error) {
	return x.put(ctx, name, content, tags, aws.String("*"))
}

func (x *s3Trial) put(ctx context.Context, name string, content []byte, tags bucket.Tags, condition *string) (trial.Stored, error) {
	known := x.wrote(name, nil)
	out, err := x.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &x.url.Bucket, Key: aws.String(x.objectKey(name)), Body: bytes.NewReader(content),
		Tagging: tagging(tags), IfNoneMatch: condition,
	})
	err = x.describe(ctx, "put", name, "s3:PutObject", err)
	if err != nil {
		if !known {
			x.forget(name, err)
		}
		return trial.Stored{}, err
	}
	x.wrote(name, out.VersionId)
	stored := trial.Stored{
		Object:     bucket.Object{Name: name, Size: int64(len(content)), ETag: opaque(out.ETag)},
		Versioned:  aws.ToString(out.VersionId) != "" && *out.VersionId != "null",
		Encryption: string(out.ServerSideEncryption),
	}
	if stored.Encryption == "" && len(x.options.SSE.CustomerKey) > 0 {
		stored.Encryption = "with your own key"
	}
	return stored, nil
}

// wrote remembers an object that may be there now, and reports whether its
// name was known before. A version takes the place of the name alone: deleting
// by name would leave a delete marker.
func (x *s3Trial) wrote(name string, version *string) (known bool) {
	known = slices.ContainsFunc(x.written, func(o bucket.Object) bool { return o.Name == name })
	object := bucket.Object{Name: name, Version: aws.ToString(version)}
	if object.Version != "" {
		x.written = slices.DeleteFunc(x.written, func(o bucket.Object) bool { return o.Name == name && o.Version == "" })
	} else if known {
		return known
	}
	x.written = append(x.written, object)
	return known
}

// forget drops an object that the store said no to, so that it is not there.
func (x *s3Trial) forget(name string, err error) {
	if trial.Is(err, trial.Rejected) {
		x.written = slices.DeleteFunc(x.written, func(o bucket.Object) bool { return o.Name == name })
	}
}

// Names implements trial.Store.
func (x *s3Trial) Names(ctx context.Context, prefix, after string) (names []string, err error) {
	out, err := x.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket: &x.url.Bucket, Prefix: aws.String(x.objectKey(prefix)), StartAfter: aws.String(x.objectKey(after)),
		Delimiter: aws.String("/"), EncodingType: types.EncodingTypeUrl,
	})
	if err != nil {
		return nil, x.describe(ctx, "list", prefix, "s3:ListBucket", err)
	}
	for _, o := range out.Contents {
		if object, ok := x.listedAt(o, out.EncodingType); ok {
			names = append(names, object.Name)
		}
	}
	return names, nil
}

// ReadIfMatch implements trial.Store.
func (x *s3Trial) ReadIfMatch(ctx context.Context, name, etag string) error {
	out, err := x.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &x.url.Bucket, Key: aws.String(x.objectKey(name)), IfMatch: aws.String(`"` + etag + `"`), Range: aws.String("bytes=0-0"),
	})
	if err != nil {
		return x.describe(ctx, "read", name, "s3:GetObject", err)
	}
	return out.Body.Close()
}

// Tags implements trial.Store.
func (x *s3Trial) Tags(ctx context.Context, name string) (bucket.Tags, error) {
	return x.storeTags(ctx, bucket.Object{Name: name})
}

// SetTags implements trial.Store.
func (x *s3Trial) SetTags(ctx context.Context, name string, tags bucket.Tags) error {
	return x.setStoreTags(ctx, bucket.Object{Name: name}, tags)
}

// Delete implements trial.Store.
func (x *s3Trial) Delete(ctx context.Context, name string) error {
	return x.delete(ctx, bucket.Object{Name: name})
}

// delete deletes one object or version. A delete marker that comes of it is to
// be deleted too.
func (x *s3Trial) delete(ctx context.Context, object bucket.Object) error {
	out, err := x.client.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket: &x.url.Bucket, Key: aws.String(x.objectKey(object.Name)), VersionId: version(object),
	})
	if err != nil {
		return describe(ctx, x.failureOf("delete", object, "s3:DeleteObject"), err)
	}
	if object.Version == "" && aws.ToBool(out.DeleteMarker) && aws.ToString(out.VersionId) != "" {
		x.written = append(x.written, bucket.Object{Name: object.Name, Version: *out.VersionId})
	}
	return nil
}

// An s3Upload is one upload in parts of a trial.
type s3Upload struct {
	trial    *s3Trial
	name, id string
	etag     *string // of its part
}
