package bucket

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A URL is a bucket URL: where one database's snapshots live.
type URL struct {
	Bucket string // S3 bucket, "" for file URLs
	Prefix string // key prefix without slashes at its ends, "" for file URLs
	Dir    string // absolute, clean directory, "" for S3 URLs
}

// maxPrefix leaves room in S3's 1,024 bytes of key for the names behind it.
const maxPrefix = 900

// validBucket are the names that a request in path style can carry: today's, and
// those with capitals, underscores and up to 255 characters that AWS gave out in
// us-east-1 until 2018 and other stores still do.
var validBucket = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{1,253}[A-Za-z0-9_]$`)

// ParseURL parses s3://bucket/prefix or file:///dir, with the scheme in any case.
// Trailing slashes are trimmed. An S3 prefix is taken literally; in a directory %XX is decoded, as
// in any file URL.
func ParseURL(s string) (URL, error) {
	u, err := parseURL(s)
	if err != nil {
		return URL{}, fmt.Errorf("bucket URL %q: %w", withoutUserInfo(s), err)
	}
	return u, nil
}

// ParseTree parses the URL of a place with many series below it: a bucket URL, or one
// without a prefix, s3://bucket, for all of a bucket.
func ParseTree(s string) (URL, error) {
	name := strings.TrimRight(s, "/")
	u, err := ParseURL(name + "/all")
	if err == nil && u.Dir == "" && u.Prefix == "all" {
		return URL{Bucket: u.Bucket}, nil
	}
	return ParseURL(s)
}

func parseURL(s string) (URL, error) {
	if hasOddCharacters(s) {
		return URL{}, errOddCharacters
	}
	scheme, rest, found := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	if !found || (scheme != "s3" && scheme != "file") {
		return URL{}, errors.New("it must begin with s3://bucket/prefix, or file:///dir for a directory")
	}
	if userInfo(rest) >= 0 {
		return URL{}, errors.New("user info does not belong here: credentials come from the AWS settings of the environment")
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		return URL{}, fmt.Errorf("a query or fragment (%q) means nothing here", rest[i:])
	}
	host, pathname, _ := strings.Cut(rest, "/")
	if scheme == "file" {
		return parseFile(host, pathname)
	}
	return parseS3(host, pathname)
}

var errOddCharacters = errors.New("it has control characters or is not valid UTF-8")

func hasOddCharacters(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl)
}

func parseS3(bucket, pathname string) (URL, error) {
	if bucket == "" {
		return URL{}, errors.New("the bucket is missing: s3://bucket/prefix")
	}
	if !validBucket.MatchString(bucket) || strings.Contains(bucket, "..") {
		return URL{}, fmt.Errorf("%q is not a valid bucket name: 3 to 255 letters, digits, dots, dashes and underscores", bucket)
	}
	prefix := strings.TrimRight(pathname, "/")
	if prefix == "" {
		return URL{}, fmt.Errorf("the prefix is missing: s3://%s/prefix; each database needs one of its own", bucket)
	}
	if len(prefix) > maxPrefix {
		return URL{}, fmt.Errorf("the prefix has %d bytes, more than %d", len(prefix), maxPrefix)
	}
	return URL{Bucket: bucket, Prefix: prefix}, checkSegments(prefix)
}

func parseFile(host, pathname string) (URL, error) {
	if host != "" {
		return URL{}, fmt.Errorf("%q stands where a host would: a directory needs three slashes, file:///dir", host)
	}
	dir, err := url.PathUnescape(strings.TrimRight(pathname, "/"))
	if err != nil {
		return URL{}, errors.New("bad percent-encoding (a percent sign itself is written %25)")
	}
	if hasOddCharacters(dir) {
		return URL{}, errOddCharacters
	}
	if dir == "" {
		return URL{}, errors.New("the directory is missing: file:///dir")
	}
	return URL{Dir: path.Clean("/" + dir)}, checkSegments(dir)
}

// checkSegments refuses what different tools would read as different places.
func checkSegments(pathname string) error {
	for segment := range strings.SplitSeq(pathname, "/") {
		switch segment {
		case "":
			return errors.New("it has an empty path segment (//)")
		case ".", "..":
			return fmt.Errorf("it has a path segment %q", segment)
		}
	}
	return nil
}

// userInfo returns where in what follows :// the @ behind user info is, or -1.
// A secret key may have slashes in it, so that one can stand far behind what
// looks like the host; a bucket's name has no colon.
func userInfo(rest string) int {
	host, _, _ := strings.Cut(rest, "/")
	if !strings.ContainsAny(host, ":@") {
		return -1
	}
	return strings.LastIndex(rest, "@")
}

// withoutUserInfo keeps a password out of an error's text.
func withoutUserInfo(s string) string {
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		scheme, rest = "", s
	} else {
		scheme += "://"
	}
	if i := userInfo(rest); i >= 0 {
		rest = "..." + rest[i:]
	}
	return scheme + rest
}

// String returns the URL in the form that ParseURL takes, or ParseTree.
func (u URL) String() string {
	if u.Dir != "" {
		return "file://" + strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23").Replace(u.Dir)
	}
	return strings.TrimRight("s3://"+u.Bucket+"/"+u.Prefix, "/")
}
