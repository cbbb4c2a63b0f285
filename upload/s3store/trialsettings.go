package s3store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Rules implements trial.Store.
func (x *s3Trial) Rules(ctx context.Context) (int, error) {
	out, err := x.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &x.url.Bucket})
	if err != nil {
		return 0, x.setting(ctx, "lifecycle rules", "s3:GetLifecycleConfiguration", err)
	}
	return len(out.Rules), nil
}

// Versioned implements trial.Store.
func (x *s3Trial) Versioned(ctx context.Context) (bool, error) {
	out, err := x.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &x.url.Bucket})
	if err != nil {
		return false, x.setting(ctx, "versioning", "s3:GetBucketVersioning", err)
	}
	return out.Status == types.BucketVersioningStatusEnabled, nil
}

// Lock implements trial.Store.
func (x *s3Trial) Lock(ctx context.Context) error {
	_, err := x.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &x.url.Bucket})
	return x.setting(ctx, "object lock", "s3:GetBucketObjectLockConfiguration", err)
}

// Encryption implements trial.Store. There is one try: a store that does not
// know the question may answer another.
func (x *s3Trial) Encryption(ctx context.Context) error {
	_, err := x.client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &x.url.Bucket},
		func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
	return x.setting(ctx, "encryption", "s3:GetEncryptionConfiguration", err)
}

// setting puts an error of a question about the bucket into words.
func (x *s3Trial) setting(ctx context.Context, what, action string, err error) error {
	if err == nil {
		return nil
	}
	return describe(ctx, failure{"get the " + what + " of", "s3://" + x.url.Bucket, action}, err)
}
