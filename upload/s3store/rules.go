package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Rules implements bucket.Ruled. It needs the right
// s3:GetLifecycleConfiguration.
func (b *s3Store) Rules(ctx context.Context) (bucket.Rules, error) {
	var document []byte
	out, err := b.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &b.url.Bucket}, keepAnswer(&document))
	if code, _ := codeOf(err); code == "NoSuchLifecycleConfiguration" {
		return bucket.Rules{}, nil
	}
	if err != nil {
		return bucket.Rules{}, b.describeRules(ctx, "read the lifecycle rules of", "s3:GetLifecycleConfiguration", err)
	}
	return bucket.Rules{Document: document, MinimumSize: string(out.TransitionDefaultMinimumObjectSize)}, nil
}

// PutRules implements bucket.Ruled. It needs the right
// s3:PutLifecycleConfiguration.
func (b *s3Store) PutRules(ctx context.Context, rules bucket.Rules) error {
	_, err := b.client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket:                             &b.url.Bucket,
		LifecycleConfiguration:             &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{}}, // the SDK demands one
		TransitionDefaultMinimumObjectSize: types.TransitionDefaultMinimumObjectSize(rules.MinimumSize),
	}, sendInstead(rules.Document))
	if err != nil {
		return b.describeRules(ctx, "write the lifecycle rules of", "s3:PutLifecycleConfiguration", err)
	}
	return nil
}

// Expiration implements bucket.Ruled. It needs the right to read the object.
func (b *s3Store) Expiration(ctx context.Context, object bucket.Object) (string, error) {
	input := &s3.HeadObjectInput{Bucket: &b.url.Bucket, Key: aws.String(b.objectKey(object.Name))}
	if object.Version != "" {
		input.VersionId = &object.Version
	}
	out, err := b.client.HeadObject(ctx, input)
	if err != nil {
		return "", b.describeRules(ctx, "ask for the expiration of "+object.Name+" in", "s3:GetObject", err)
	}
	return aws.ToString(out.Expiration), nil
}

// describeRules describes an error of a call about lifecycle rules, which not
// every store has.
func (b *s3Store) describeRules(ctx context.Context, doing, action string, err error) error {
	described := describe(ctx, failure{doing, b.url.String(), action}, err)
	if statusOf(err) == http.StatusNotImplemented {
		return fmt.Errorf("%w; %w", described, bucket.ErrNoLifecycle)
	}
	return described
}

// maxDocument is several times what 1,000 rules can need, in bytes.
const maxDocument = 16 << 20

// keepAnswer keeps the body of the answer as the store sent it: the SDK's types
// drop what they do not know.
func keepAnswer(body *[]byte) func(*s3.Options) {
	keep := middleware.DeserializeMiddlewareFunc("LifeboatKeepAnswer", func(ctx context.Context, in middleware.DeserializeInput,
		next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		response, ok := out.RawResponse.(*smithyhttp.Response)
		if err != nil || !ok {
			return out, metadata, err
		}
		read, err := io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
		err = errors.Join(err, response.Body.Close())
		if len(read) > maxDocument {
			err = fmt.Errorf("a lifecycle configuration of more than %d MiB", maxDocument>>20)
		}
		response.Body = io.NopCloser(bytes.NewReader(read))
		*body = read
		return out, metadata, err
	})
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Deserialize.Add(keep, middleware.After)
		})
	}
}

// sendInstead replaces the body that the SDK has made of a request's input.
func sendInstead(body []byte) func(*s3.Options) {
	replace := middleware.SerializeMiddlewareFunc("LifeboatSendInstead", func(ctx context.Context, in middleware.SerializeInput,
		next middleware.SerializeHandler) (middleware.SerializeOutput, middleware.Metadata, error) {
		request, ok := in.Request.(*smithyhttp.Request)
		if !ok {
			return middleware.SerializeOutput{}, middleware.Metadata{}, fmt.Errorf("a request of type %T", in.Request)
		}
		request, err := request.SetStream(bytes.NewReader(body))
		if err != nil {
			return middleware.SerializeOutput{}, middleware.Metadata{}, err
		}
		in.Request = request
		return next.HandleSerialize(ctx, in)
	})
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Serialize.Add(replace, middleware.After)
		})
	}
}
