package s3store

import (
	"bytes"
	"context"
	"encoding/base64"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
)

// encryptedBy reports whether the store's answer has the encryption that was asked
// for. Some stores take the request, and ignore it.
func (o settings) encryptedBy(algorithm types.ServerSideEncryption, customer *string) bool {
	switch {
	case len(o.SSE.CustomerKey) > 0:
		return aws.ToString(customer) != ""
	case o.SSE.Algorithm == "aws:kms":
		return strings.HasPrefix(string(algorithm), o.SSE.Algorithm)
	}
	return o.SSE.Algorithm == "" || algorithm != ""
}

// sendCustomerKey adds the customer key, if there is one, to every operation
// that takes one.
func (o settings) sendCustomerKey(stack *middleware.Stack) error {
	if len(o.SSE.CustomerKey) == 0 {
		return nil
	}
	md5, err := md5Of(bytes.NewReader(o.SSE.CustomerKey))
	if err != nil {
		return err
	}
	algorithm, key, sum := aws.String("AES256"), aws.String(base64.StdEncoding.EncodeToString(o.SSE.CustomerKey)), aws.String(md5)
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("SendCustomerKey", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		switch input := in.Parameters.(type) {
		case *s3.GetObjectInput:
			input.SSECustomerAlgorithm, input.SSECustomerKey, input.SSECustomerKeyMD5 = algorithm, key, sum
		case *s3.HeadObjectInput:
			input.SSECustomerAlgorithm, input.SSECustomerKey, input.SSECustomerKeyMD5 = algorithm, key, sum
		case *s3.PutObjectInput:
			input.SSECustomerAlgorithm, input.SSECustomerKey, input.SSECustomerKeyMD5 = algorithm, key, sum
		case *s3.CreateMultipartUploadInput:
			input.SSECustomerAlgorithm, input.SSECustomerKey, input.SSECustomerKeyMD5 = algorithm, key, sum
		case *s3.UploadPartInput:
			input.SSECustomerAlgorithm, input.SSECustomerKey, input.SSECustomerKeyMD5 = algorithm, key, sum
		case *s3.CompleteMultipartUploadInput:
			input.SSECustomerAlgorithm, input.SSECustomerKey, input.SSECustomerKeyMD5 = algorithm, key, sum
		}
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}
