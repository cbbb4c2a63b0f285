package s3store

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Sum implements bucket.Summed: by a checksum of the whole object where the store has
// one, else by an ETag that is an MD5, or of an object in parts the MD5 of their MD5s
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html).
func (b *s3Store) Sum(ctx context.Context, object bucket.Object) (bucket.Sum, error) {
	head, err := b.head(ctx, object, nil)
	if err != nil {
		return nil, err
	}
	if sum := wholeSum(head); sum != nil {
		return sum, nil
	}
	if head.SSECustomerAlgorithm != nil || strings.HasPrefix(string(head.ServerSideEncryption), "aws:kms") {
		return nil, nil // their ETags are no MD5s
	}
	digest, parts, inParts := strings.Cut(object.ETag, "-")
	if want, err := hex.DecodeString(digest); err != nil || len(want) != md5.Size {
		return nil, nil
	}
	if !inParts {
		return &contentSum{Hash: md5.New(), want: digest, encode: hex.EncodeToString, name: "ETag"}, nil
	}
	count, err := strconv.ParseInt(parts, 10, 32)
	if err != nil || count < 1 {
		return nil, nil
	}
	first, err := b.head(ctx, object, aws.Int32(1))
	if err != nil {
		return nil, err
	}
	size := aws.ToInt64(first.ContentLength)
	if size < 1 || (object.Size+size-1)/size != count {
		return nil, nil // the store does not know parts any more, or they differ in size
	}
	return &contentSum{Hash: &md5OfParts{size: size, part: md5.New()}, want: digest, encode: hex.EncodeToString, name: "ETag"}, nil
}

// head asks for what the store says of an object, or of one of its parts.
func (b *s3Store) head(ctx context.Context, object bucket.Object, part *int32) (*s3.HeadObjectOutput, error) {
	input := s3.HeadObjectInput{
		Bucket: &b.url.Bucket, Key: aws.String(b.objectKey(object.Name)), VersionId: version(object), PartNumber: part,
	}
	if part == nil {
		input.ChecksumMode = types.ChecksumModeEnabled
	}
	out, err := b.client.HeadObject(ctx, &input)
	if err != nil {
		return nil, describe(ctx, b.failureOf("read the checksum of", object, "s3:GetObject"), err)
	}
	if opaque(out.ETag) != object.ETag {
		return nil, fmt.Errorf("read the checksum of %s/%s: its ETag is %s, not %s: %w", b.url, object.Name, opaque(out.ETag), object.ETag, bucket.ErrChanged)
	}
	return out, nil
}

// nvme is the polynomial of CRC-64/NVME, reversed
// (https://reveng.sourceforge.io/crc-catalogue/all.htm).
const nvme = 0x9a6c9329ac4bc9b5

// wholeSum returns the checksum of the whole object in an answer, nil if there is none.
func wholeSum(head *s3.HeadObjectOutput) bucket.Sum {
	if head.ChecksumType != types.ChecksumTypeFullObject {
		return nil
	}
	for _, sum := range []struct {
		want *string
		hash func() hash.Hash
		name string
	}{
		{head.ChecksumCRC64NVME, func() hash.Hash { return crc64.New(crc64.MakeTable(nvme)) }, "CRC64NVME"},
		{head.ChecksumCRC32C, func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }, "CRC32C"},
		{head.ChecksumCRC32, func() hash.Hash { return crc32.NewIEEE() }, "CRC32"},
	} {
		if sum.want != nil {
			return &contentSum{Hash: sum.hash(), want: *sum.want, encode: base64.StdEncoding.EncodeToString, name: sum.name}
		}
	}
	return nil
}

// A contentSum is a bucket.Sum.
type contentSum struct {
	hash.Hash
	want   string
	encode func([]byte) string
	name   string
}

// Matches implements bucket.Sum.
func (s *contentSum) Matches() bool { return s.encode(s.Sum(nil)) == s.want }

// String implements bucket.Sum.
func (s *contentSum) String() string { return s.name }

// md5OfParts is the MD5 of the MD5s of parts that have one size, but for the last.
type md5OfParts struct {
	size, n int64
	part    hash.Hash
	sums    []byte
}

// Write implements io.Writer.
func (m *md5OfParts) Write(b []byte) (int, error) {
	written := len(b)
	for len(b) > 0 {
		if m.n == m.size {
			m.sums, m.n = m.part.Sum(m.sums), 0
			m.part.Reset()
		}
		some := b[:min(int64(len(b)), m.size-m.n)]
		m.part.Write(some)
		m.n, b = m.n+int64(len(some)), b[len(some):]
	}
	return written, nil
}

// Sum implements hash.Hash.
func (m *md5OfParts) Sum(b []byte) []byte {
	sum := md5.Sum(m.part.Sum(append([]byte{}, m.sums...)))
	return append(b, sum[:]...)
}

// Reset implements hash.Hash.
func (m *md5OfParts) Reset() {
	m.sums, m.n = nil, 0
	m.part.Reset()
}

// Size implements hash.Hash.
func (m *md5OfParts) Size() int { return md5.Size }

// BlockSize implements hash.Hash.
func (m *md5OfParts) BlockSize() int { return md5.BlockSize }
