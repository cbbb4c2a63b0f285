package rawclient

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// Create makes a bucket. Header are names and values by turns.
func (c *Client) Create(ctx context.Context, bucket string, header ...string) error {
	for try := 0; ; try++ {
		_, err := c.Call(ctx, http.MethodPut, bucket, "", header...)
		refused, ok := err.(*Error)
		if !ok || refused.Status != http.StatusServiceUnavailable || try == 50 {
			return err
		}
		// MinIO's wait for its disks shows so after it has said that it is ready.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// CreateLocked makes a bucket with Object Lock.
func (c *Client) CreateLocked(ctx context.Context, bucket string) error {
	return c.Create(ctx, bucket, "X-Amz-Bucket-Object-Lock-Enabled", "true")
}

// LockAll makes a bucket with Object Lock lock what comes for seven days, in
// which no user can delete it.
func (c *Client) LockAll(ctx context.Context, bucket string) error {
	_, err := c.Call(ctx, http.MethodPut, bucket+"?object-lock", "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"+
		"<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>7</Days></DefaultRetention></Rule></ObjectLockConfiguration>")
	return err
}

// KeepVersions turns versioning on.
func (c *Client) KeepVersions(ctx context.Context, bucket string) error {
	_, err := c.Call(ctx, http.MethodPut, bucket+"?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
	return err
}

// Rules returns the bucket's lifecycle configuration as it is.
func (c *Client) Rules(ctx context.Context, bucket string) (string, error) {
	answer, err := c.Call(ctx, http.MethodGet, bucket+"?lifecycle", "")
	return string(answer.Body), err
}

// PutRules replaces the bucket's lifecycle configuration by these rules, each a
// Rule in XML.
func (c *Client) PutRules(ctx context.Context, bucket string, rules ...string) error {
	return c.putRules(ctx, bucket, "<LifecycleConfiguration>"+strings.Join(rules, "")+"</LifecycleConfiguration>")
}

// AddRule adds a rule, in XML, to those that the bucket has.
func (c *Client) AddRule(ctx context.Context, bucket, rule string) error {
	has, err := c.Rules(ctx, bucket)
	if err != nil {
		return err
	}
	return c.putRules(ctx, bucket, strings.Replace(has, "</LifecycleConfiguration>", rule+"</LifecycleConfiguration>", 1))
}

func (c *Client) putRules(ctx context.Context, bucket, document string) error {
	_, err := c.Call(ctx, http.MethodPut, bucket+"?lifecycle", document)
	return err
}
