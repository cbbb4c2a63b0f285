package bucket

import (
	"context"
)

// Rules are a bucket's whole lifecycle configuration: those of all series in it,
// and of other tools.
type Rules struct {
	// Document is the XML as S3's API has it, LifecycleConfiguration at its root,
	// and nil for no rules at all
	// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html).
	Document []byte
	// MinimumSize is the setting of AWS for transitions, which comes beside the
	// document and which every write must repeat or else resets. Other stores
	// have "".
	MinimumSize string
}

// Ruled is implemented by buckets that delete objects by lifecycle rules. Its
// errors are those of Bucket; ErrNoLifecycle where the store turns out to have
// no rules.
type Ruled interface {
	Tree

	// Rules returns the lifecycle configuration.
	Rules(ctx context.Context) (Rules, error)

	// PutRules replaces the lifecycle configuration.
	PutRules(ctx context.Context, rules Rules) error

	// Expiration returns when which rule will take the object, as
	// PutResult.Expiration does: "" if none will.
	Expiration(ctx context.Context, object Object) (string, error)
}

// TagsBeside reports whether b keeps tags in files or objects of their own, which
// no lifecycle rule matches. A store shows by its answers whether it has tags, so
// known is false until tags were read or set.
func TagsBeside(b Bucket) (beside, known bool) {
	keeper, ok := As[interface {
		Bucket
		TagsBeside() (beside, known bool)
	}](b)
	if !ok {
		return false, true
	}
	return keeper.TagsBeside()
}
