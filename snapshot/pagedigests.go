package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
)

// DigestOf returns the digest of the database that has these page digests: 16 bytes a
// page, in page order. It reads no further than the last of them. The error is that
// of pages, io.ErrUnexpectedEOF if it yields too few, or what ended ctx.
func DigestOf(ctx context.Context, pages io.Reader, pageSize, pageCount int) (string, error) {
	g := geometry{KindFull, pageSize, pageCount}
	contents := make([]sum, g.frames())
	group := make([]byte, g.perFrame()*PageDigestSize)
	for i := range contents {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		of := group[:g.pagesIn(i)*PageDigestSize]
		if _, err := io.ReadFull(pages, of); errors.Is(err, io.EOF) {
			return "", io.ErrUnexpectedEOF
		} else if err != nil {
			return "", err
		}
		contents[i] = sha256.Sum256(of)
	}
	return databaseDigest(pageSize, pageCount, contents), nil
}
