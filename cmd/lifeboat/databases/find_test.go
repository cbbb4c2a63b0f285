package databases

import (
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Bucket URLs that begin with the same letters are not nested.
func TestRefuseMixing(t *testing.T) {
	for _, c := range []struct {
		urls    []string
		refused string // a letter for each
	}{
		{[]string{"s3://bucket/a", "s3://bucket/b", "s3://bucket/ab", "s3://other/a", "file:///a"}, "....."},
		{[]string{"s3://bucket/a", "s3://bucket/a/"}, "xx"},
		{[]string{"s3://bucket/a", "s3://bucket/b", "s3://bucket/a/b/c", "s3://bucket/a/d"}, "x.xx"},
		{[]string{"file:///a/b", "file:///a", "file:///ab"}, "xx."},
		{[]string{"file:///", "file:///a"}, ""}, // no bucket URL
	} {
		var all []*Database
		for _, text := range c.urls {
			u, err := bucket.ParseURL(text)
			if err != nil {
				continue
			}
			all = append(all, &Database{Path: text, URL: u})
		}
		RefuseMixing(all)
		var got string
		for _, d := range all {
			if d.Err == nil {
				got += "."
			} else {
				got += "x"
			}
		}
		if want := c.refused; want != "" && got != want {
			t.Errorf("%v: got %s, want %s", c.urls, got, want)
		}
	}
}
