package lifecycle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/lifeboat-sqlite/lifeboat/upload"
)

// A Rule is one lifecycle rule of a bucket: of a series, or somebody else's.
type Rule struct{ sdk types.LifecycleRule }

// ID returns the rule's name, "" if it has none. Those of a series are
// lifeboat/PREFIX/CLASS, with the SHA-256 of a prefix that is too long for it.
func (r Rule) ID() string { return aws.ToString(r.sdk.ID) }

// Enabled reports whether the store carries the rule out.
func (r Rule) Enabled() bool { return r.sdk.Status == types.ExpirationStatusEnabled }

// String says in a few words what the rule does, such as "14d, noncurrent 30d".
func (r Rule) String() string { return describe(r.sdk) }

func wrap(rules []types.LifecycleRule) []Rule {
	wrapped := make([]Rule, len(rules))
	for i, r := range rules {
		wrapped[i] = Rule{r}
	}
	return wrapped
}

func unwrap(rules []Rule) []types.LifecycleRule {
	unwrapped := make([]types.LifecycleRule, len(rules))
	for i, r := range rules {
		unwrapped[i] = r.sdk
	}
	return unwrapped
}

// A Configuration is a bucket's whole lifecycle configuration, seen by one of
// its series.
type Configuration struct {
	prefix string
	rules  []types.LifecycleRule
	// minimumSize is AWS's setting for transitions, which every write must
	// repeat or else resets.
	minimumSize types.TransitionDefaultMinimumObjectSize
	// lost is what the store sent and rules do not hold, so that writing rules
	// would lose it.
	lost []string
}

// Read returns the lifecycle configuration of a series' bucket. None is no
// error. It needs the right s3:GetLifecycleConfiguration; its errors are those
// of package upload.
func Read(ctx context.Context, b *upload.S3) (Configuration, error) {
	c := Configuration{prefix: b.URL().Prefix}
	var sent []byte
	out, err := b.Client().GetBucketLifecycleConfiguration(ctx,
		&s3.GetBucketLifecycleConfigurationInput{Bucket: aws.String(b.URL().Bucket)}, keepBody(&sent))
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "NoSuchLifecycleConfiguration" {
		return c, nil
	}
	if err != nil {
		return c, describeError(ctx, b, "read", "s3:GetLifecycleConfiguration", err)
	}
	c.rules, c.minimumSize = out.Rules, out.TransitionDefaultMinimumObjectSize
	c.lost, err = lostIn(sent, out.Rules)
	return c, err
}

// Rules returns the rules of the series.
func (c Configuration) Rules() []Rule {
	mine, _ := split(c.rules, c.prefix)
	return wrap(mine)
}

// Others returns all rules of the bucket that are not of the series.
func (c Configuration) Others() []Rule {
	_, others := split(c.rules, c.prefix)
	return wrap(others)
}

// Frozen reports whether the series has rules and all of them are disabled.
func (c Configuration) Frozen() bool { return isFrozen(c.rules, c.prefix) }

// Policy returns the policy that the rules of the series carry out. A class
// that none of them matches is kept forever.
func (c Configuration) Policy() Policy { return policyOf(c.rules, c.prefix) }

// Warnings returns what in the bucket's rules endangers the series, in words:
// rules of others, and ones of the series with a filter that is not theirs,
// that would take snapshots which the series keeps, and series whose prefixes
// lie inside one another.
func (c Configuration) Warnings() []string { return dangers(c.rules, c.prefix) }

// maxDocument is several times what 1,000 rules can need, in bytes.
const maxDocument = 16 << 20

// keepBody keeps the body of the answer as the store sent it.
func keepBody(body *[]byte) func(*s3.Options) {
	keep := middleware.DeserializeMiddlewareFunc("KeepBody", func(ctx context.Context, in middleware.DeserializeInput,
		next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		response, ok := out.RawResponse.(*smithyhttp.Response)
		if err != nil || !ok {
			return out, metadata, err
		}
		read, err := io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
		err = errors.Join(err, response.Body.Close())
		if len(read) > maxDocument {
			err = fmt.Errorf("a lifecycle configuration of more than %d MiB", maxDocument>>20)
		}
		response.Body = io.NopCloser(bytes.NewReader(read))
		*body = read
		return out, metadata, err
	})
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Deserialize.Add(keep, middleware.After)
		})
	}
}
