package s3store

import (
	"context"
	"net/http"
	"strings"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// signLess leaves out of the signature what proxies on the way rewrite:
// Accept-Encoding, which Google Cloud Storage's and Cloudflare's front ends
// change, so that no signature fits that covers it, and the SDK's own counters.
// They are sent all the same; S3 asks for neither in a signature
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
func signLess(stack *middleware.Stack) error {
	hide := middleware.FinalizeMiddlewareFunc("LifeboatHideHeaders",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if request, ok := in.Request.(*smithyhttp.Request); ok {
				ctx = context.WithValue(ctx, hiddenKey{}, takeHidden(request.Header))
			}
			return next.HandleFinalize(ctx, in)
		})
	show := middleware.FinalizeMiddlewareFunc("LifeboatShowHeaders",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if request, ok := in.Request.(*smithyhttp.Request); ok {
				hidden, _ := ctx.Value(hiddenKey{}).(http.Header)
				for name, values := range hidden {
					request.Header[name] = values
				}
			}
			return next.HandleFinalize(ctx, in)
		})
	if err := stack.Finalize.Insert(hide, "Signing", middleware.Before); err != nil {
		return err
	}
	return stack.Finalize.Insert(show, "Signing", middleware.After)
}

type hiddenKey struct{}

// takeHidden removes what is not to be signed, and returns it.
func takeHidden(header http.Header) http.Header {
	taken := http.Header{}
	for name, values := range header {
		if name == "Accept-Encoding" || strings.HasPrefix(name, "Amz-Sdk-") {
			taken[name] = values
			delete(header, name)
		}
	}
	return taken
}
