package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
)

// ContentDigest returns the digest of a database file: pageCount pages of pageSize bytes
// each, as content yields them. The error is that of content, io.ErrUnexpectedEOF if it
// yields too few, or what ended ctx.
func ContentDigest(ctx context.Context, content io.Reader, pageSize, pageCount int) (string, error) {
	g := geometry{KindFull, pageSize, pageCount}
	contents := make([]sum, g.frames())
	frame := make([]byte, frameSize)
	for i := range contents {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		of := frame[:g.length(i)]
		if _, err := io.ReadFull(content, of); errors.Is(err, io.EOF) {
			return "", io.ErrUnexpectedEOF
		} else if err != nil {
			return "", err
		}
		contents[i] = sha256.Sum256(g.digests(i, of))
	}
	return databaseDigest(pageSize, pageCount, contents), nil
}
