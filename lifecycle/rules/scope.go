package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A Set is the rules of one scope in a bucket: of a series, or of a tree, which is all
// series below a prefix.
type Set struct {
	bucket bucket.Bucket
	scope  scope
}

// OfSeries returns the set of the series in b.
func OfSeries(b bucket.Bucket) Set { return Set{b, scope(b.URL().Prefix)} }

// OfTree returns the set of the tree below the prefix of b.
func OfTree(b bucket.Bucket) Set { return Set{b, treeScope(b.URL().Prefix)} }

// ForSeries returns the rules that carry out a policy for the series under a prefix: one
// for each class that is not kept forever, and one that ends unfinished uploads and
// removes delete markers with nothing behind them. Noncurrent versions are kept for
// noncurrent, None for as long as the bucket does. Their expiry is part of the same
// rules, filtered by tag, so that no rule expires an overwritten held snapshot.
// Source for what a rule can have:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
func ForSeries(prefix string, p lifecycle.Policy, noncurrent lifecycle.Keep) []Rule {
	return wrap(rulesFor(scope(prefix), p, noncurrent))
}

// ForTree is ForSeries for all series below a prefix.
func ForTree(prefix string, p lifecycle.Policy, noncurrent lifecycle.Keep) []Rule {
	return wrap(rulesFor(treeScope(prefix), p, noncurrent))
}

// A scope is what a set of rules takes, as it stands in their IDs: the prefix of a
// series, or that of a tree and a slash behind it, which no prefix of a series has.
type scope string

func treeScope(prefix string) scope { return scope(prefix + "/") }

func (s scope) isTree() bool { return strings.HasSuffix(string(s), "/") }

// prefix returns the prefix of the series or the tree.
func (s scope) prefix() string { return strings.TrimSuffix(string(s), "/") }

// keys returns what all keys of the scope begin with.
func (s scope) keys() string { return s.prefix() + "/" }

// String returns the scope in words.
func (s scope) String() string {
	if s.isTree() {
		return "the tree " + s.keys()
	}
	return "the series " + s.prefix()
}

// hashed stands for a scope that is too long for a rule's ID. That of a tree ends in
// a slash, too.
func (s scope) hashed() string {
	sum := sha256.Sum256([]byte(s.prefix()))
	return hex.EncodeToString(sum[:]) + strings.TrimPrefix(string(s), s.prefix())
}

// ownerOf returns the scope of a rule, by the rule's ID and filter, or "".
func ownerOf(rule s3Rule) scope {
	prefix := strings.TrimSuffix(matchOf(rule).prefix, "/")
	for _, s := range []scope{scope(prefix), treeScope(prefix)} {
		if ours(rule, s) != "" {
			return s
		}
	}
	return ""
}

// around reports whether a rule is of a tree in which the scope lies.
func around(rule s3Rule, s scope) bool {
	tree := ownerOf(rule)
	return tree.isTree() && tree != s && strings.HasPrefix(s.keys(), tree.keys())
}

// noneOf returns ErrNoRules. Where the rules of a tree take the set's snapshots, it names
// that.
func (s Set) noneOf(all []s3Rule) error {
	for _, rule := range all {
		if around(rule, s.scope) {
			tree := bucket.URL{Bucket: s.bucket.URL().Bucket, Prefix: ownerOf(rule).prefix()}
			return fmt.Errorf("%s: %w: its snapshots are taken by the rules of %s --tree", s.bucket.URL(), ErrNoRules, tree)
		}
	}
	return fmt.Errorf("%s: %w", s.bucket.URL(), ErrNoRules)
}
