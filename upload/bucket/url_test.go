package bucket

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for in, want := range map[string]URL{
		"s3://bucket/app":              {Bucket: "bucket", Prefix: "app"},
		"s3://bucket/app///":           {Bucket: "bucket", Prefix: "app"},
		"s3://my-bucket.x/a b/c%20+é@": {Bucket: "my-bucket.x", Prefix: "a b/c%20+é@"},
		"S3://bucket/App":              {Bucket: "bucket", Prefix: "App"},
		"File:///Backups/app":          {Dir: "/Backups/app"},
		"s3://Old_Bucket/app":          {Bucket: "Old_Bucket", Prefix: "app"},
		"file:///backups/app/":         {Dir: "/backups/app"},
		"file:///back%20ups/100%25":    {Dir: "/back ups/100%"},
	} {
		u, err := ParseURL(in)
		if err != nil || u != want {
			t.Errorf("%q: %+v, %v, want %+v", in, u, err, want)
		}
		if again, err := ParseURL(u.String()); err != nil || again != u {
			t.Errorf("%q: its String %q parses as %+v, %v", in, u, again, err)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	for in, reason := range map[string]string{
		"":              "must begin with",
		"/backups/app":  "must begin with",
		"file:/backups": "must begin with",

		"https://bucket/app":     "must begin with",
		"s3://":                  "bucket is missing",
		"s3:///app":              "bucket is missing",
		"s3://bucket":            "prefix is missing",
		"s3://bucket///":         "prefix is missing",
		"s3://bucket/a//b":       "empty path segment",
		"s3://bucket//a":         "empty path segment",
		"s3://bucket/a/../b":     `path segment ".."`,
		"s3://bucket/./b":        `path segment "."`,
		"s3://bucket/a?b=c":      "query or fragment",
		"s3://bucket/a#b":        "query or fragment",
		"s3://user:pw@bucket/a":  "user info",
		"s3://user:a/pw@b/c":     "user info",
		"s3://user:a?pw@b/c":     "user info",
		"s3://bu/a":              "not a valid bucket name",
		"s3://bucket:9000/a":     "not a valid bucket name",
		"s3://b..ucket/a":        "not a valid bucket name",
		"s3://-bucket/a":         "not a valid bucket name",
		"s3://bucket/a\n":        "control characters",
		"s3://bucket/\xff":       "not valid UTF-8",
		"file://":                "directory is missing",
		"file:///":               "directory is missing",
		"file://backups/app":     "three slashes",
		"file:///a//b":           "empty path segment",
		"file:///a/..":           `path segment ".."`,
		"file:///a/%2e%2e/b":     `path segment ".."`,
		"file:///100%":           "percent-encoding",
		"file:///a%00b":          "control characters",
		"file:///a%0Ab":          "control characters",
		"file:///a%FF":           "not valid UTF-8",
		"file:///a?b":            "query or fragment",
		"file://root:pw@nas/dir": "user info",
		"s3://bucket/" + strings.Repeat("a", maxPrefix+1): "more than 900",
		"s3://" + strings.Repeat("a", 256) + "/prefix":    "not a valid bucket name",
	} {
		u, err := ParseURL(in)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %+v, %v, want an error with %q", in, u, err, reason)
		}
		if u != (URL{}) {
			t.Errorf("%q: %+v beside an error", in, u)
		}
		if err != nil && strings.Contains(err.Error(), "pw@") {
			t.Errorf("%q: the password is in the error: %v", in, err)
		}
	}
}

func TestParseTree(t *testing.T) {
	for in, want := range map[string]URL{
		"s3://bucket":      {Bucket: "bucket"},
		"S3://bucket///":   {Bucket: "bucket"},
		"s3://bucket/a/b/": {Bucket: "bucket", Prefix: "a/b"},
		"s3://bucket/all":  {Bucket: "bucket", Prefix: "all"},
		"file:///srv":      {Dir: "/srv"},
		"s3://":            {}, "s3://bu": {}, "s3://bucket?": {}, "s3://user:pw@bucket": {}, "file:///": {}, "file://": {}, "bucket": {}, "": {},
	} {
		u, err := ParseTree(in)
		if u != want || (err == nil) != (want != URL{}) {
			t.Errorf("%q: %+v, %v, want %+v", in, u, err, want)
		}
		if again, wrong := ParseTree(u.String()); err == nil && (wrong != nil || again != u) {
			t.Errorf("%q: its String %q parses as %+v, %v", in, u, again, wrong)
		}
	}
}
