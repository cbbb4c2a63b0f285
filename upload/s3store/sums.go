package s3store

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// contentSums sends a Content-MD5 along once the store has demanded a checksum:
// S3 does of every object and part for a bucket whose default retention locks
// them, which the client cannot know. Without that demand there is none, since
// TLS and the archive's own checksums do the work.
type contentSums struct{ wanted atomic.Bool }

// watchOperations makes every operation of a client heed the demand.
func (s *contentSums) watchOperations(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("LifeboatContentSums", s.handle), "Retry", middleware.Before)
}

func (s *contentSums) handle(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	request, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return next.HandleFinalize(ctx, in)
	}
	if s.wanted.Load() {
		if err := addSum(request); err != nil {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, err
		}
	}
	out, metadata, err := next.HandleFinalize(ctx, in)
	if !demandsSum(err) || request.Header.Get(contentMD5) != "" {
		return out, metadata, err
	}
	s.wanted.Store(true)
	if failed := addSum(request); failed != nil || request.Header.Get(contentMD5) == "" {
		return out, metadata, err
	}
	return next.HandleFinalize(ctx, in)
}

const contentMD5 = "Content-Md5"

// addSum adds the header to a request whose content can be read twice, and sets
// that back to its beginning.
func addSum(request *smithyhttp.Request) error {
	if request.Method != http.MethodPut || !request.IsStreamSeekable() || request.Header.Get(contentMD5) != "" {
		return nil
	}
	if err := request.RewindStream(); err != nil {
		return err
	}
	sum, err := md5Of(request.GetStream())
	if err != nil {
		return err
	}
	request.Header.Set(contentMD5, sum)
	return request.RewindStream()
}

// md5Of returns the MD5 of content as S3's headers have it, in base64.
func md5Of(content io.Reader) (string, error) {
	hash := md5.New()
	if _, err := io.Copy(hash, content); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(hash.Sum(nil)), nil
}

// demandsSum reports whether the store refused a request for want of a checksum.
func demandsSum(err error) bool {
	code, message := codeOf(err)
	if code == "MissingContentMD5" {
		return true
	}
	message = strings.ToLower(message)
	return code == "InvalidRequest" &&
		(strings.Contains(message, "content-md5") || strings.Contains(message, "x-amz-checksum")) &&
		(strings.Contains(message, "required") || strings.Contains(message, "missing"))
}
