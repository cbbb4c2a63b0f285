package main

import (
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

func TestStatusOfTwoDatabasesInOneSeries(t *testing.T) {
	identity := func(pages string) string {
		return "4096:0:tab1:" + strings.Repeat(pages[:1], 4) + strings.Repeat(pages[1:2], 4)
	}
	for what, test := range map[string]struct {
		digests string   // a letter for each snapshot; a space: not known
		pages   []string // of each; none: not known
		sizes   []int64
		warns   bool
	}{
		"one":                         {digests: "a"},
		"two":                         {digests: "ab"},
		"one that changes":            {digests: "abcdefgh"},
		"one that is set back once":   {digests: "abcad"},
		"two in turn":                 {digests: "abab", warns: true},
		"two that share a page":       {digests: "abab", pages: []string{"ab", "ac", "ab", "ac"}, warns: true},
		"two that change":             {digests: "abcd", pages: []string{"ab", "xy", "ac", "xz"}, warns: true},
		"one of which a part is kept": {digests: "abcd", pages: []string{"ab", "ac", "ad", "ae"}},
		"encrypted, in turn":          {digests: "      ", sizes: []int64{100, 200, 101, 199, 100, 201}, warns: true},
		"encrypted, growing":          {digests: "      ", sizes: []int64{100, 120, 140, 170, 200, 230}},
		"encrypted, steady":           {digests: "      ", sizes: []int64{100, 101, 100, 101, 100, 101}},
		"encrypted, up and down":      {digests: "      ", sizes: []int64{100, 200, 150, 300, 100, 201}},
	} {
		var all []lifecycle.Decision
		for i, digest := range test.digests {
			d := lifecycle.Decision{Item: lifecycle.Item{Tags: bucket.Tags{}, TagsKnown: true}}
			d.Object.Size = 100
			if digest != ' ' {
				d.Tags[series.TagDigest] = string(digest)
			}
			if test.pages != nil {
				d.Tags[series.TagIdentity] = identity(test.pages[i])
			}
			if test.sizes != nil {
				d.Object.Size = test.sizes[i]
			}
			all = append(all, d)
		}
		if got := mixed(all); got != test.warns {
			t.Errorf("%s: mixed is %v", what, got)
		}
	}
}
