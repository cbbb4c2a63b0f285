package bucket

import (
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// A bucket URL that is taken means one place, which its String names too.
func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"s3://bucket/app", "s3://my-x/a b/c%20+é@///", "s3://bucket/a/../b", "s3://bucket//a", "s3://user:pw@bucket/a",
		"s3://bucket/a?b#c", "file:///backups/app/", "file:///back%20ups/100%25", "file:///a/%2e%2e/b", "file:///a%2Fb", "file:///a%2F/", "file:///a%0Ab",
		"file:///a%FF", "file:///a%3Fb%23c", "file://host/a", "s3://b..ucket/a", "s3://My_Bucket/a", "s3://" + strings.Repeat("b", 255) + "/a", "s3://-bucket/a", "s3://bucket/\xff", "s3://bucket/%2e%2e/", "s3://bucket/a\\..\\b",
		"wJalr/XUt\nbucket/app@2", "a?b\nbucket//app", "a#b@\nbucket/app", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		keepsSecrets(t, s)
		u, err := ParseURL(s)
		if err != nil {
			if u != (URL{}) {
				t.Errorf("%q: %+v beside an error", s, u)
			}
			return
		}
		if again, err := ParseURL(u.String()); err != nil || again != u {
			t.Errorf("%q: its String %q parses as %+v, %v", s, u, again, err)
		}
		place := u.Prefix
		if u.Dir != "" {
			place = strings.TrimPrefix(u.Dir, "/")
			if path.Clean(u.Dir) != u.Dir || !path.IsAbs(u.Dir) || u.Bucket+u.Prefix != "" {
				t.Errorf("%q: %+v", s, u)
			}
		} else if len(u.Bucket) < 3 || len(u.Bucket) > 255 || url.PathEscape(u.Bucket) != u.Bucket || strings.Contains(u.Bucket, "..") {
			t.Errorf("%q: bucket %q", s, u.Bucket)
		}
		if !utf8.ValidString(place) || strings.ContainsFunc(place, unicode.IsControl) || strings.ContainsAny(s, "?#") {
			t.Errorf("%q: %+v", s, u)
		}
		for segment := range strings.SplitSeq(place, "/") {
			if segment == "" || segment == "." || segment == ".." {
				t.Errorf("%q has a segment %q", s, segment)
			}
		}
		name := "20261123T201500Z-3f9c2a.db.zst"
		if key := u.Prefix + "/" + name; u.Dir == "" && (!strings.HasPrefix(key, u.Prefix+"/") || path.Base(key) != name || path.Clean(key) != key || len(key) > 1024) {
			t.Errorf("%q: key %q", s, key)
		}
		if file := filepath.Join(u.Dir, name); u.Dir != "" && path.Dir(file) != u.Dir {
			t.Errorf("%q: file %q", s, file)
		}
	})
}

// keepsSecrets checks that keys in a bucket URL are
// refused and not repeated, whatever stands around them.
func keepsSecrets(t *testing.T, around string) {
	const secret = "Rosebud"
	before, after, _ := strings.Cut(around, "\n")
	for _, scheme := range []string{"s3://", "file://", "https://", "://"} {
		u, err := ParseURL(scheme + "AKIA:" + before + secret + "@" + after)
		if err == nil {
			t.Errorf("taken: %+v", u)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("the secret is in the error: %v", err)
		}
	}
}
