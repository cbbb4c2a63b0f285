// Package s3store is the bucket in an S3-compatible store. It alone knows the SDK
// of AWS, and what stores other than AWS get wrong.
package s3store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// An s3Store is a Bucket in an S3-compatible store.
type s3Store struct {
	url     bucket.URL
	options settings
	client  *s3.Client
	clock   *storeClock
	around  *neighbourhood // nil for one that is opened alone
	wrote   atomic.Bool    // what neighbours have listed may be out of date
	beside  atomic.Bool    // the store knows no tags: they are kept beside the objects
	tagged  atomic.Bool    // the store knows tags: it has answered with some, or taken them
}

// Open returns the bucket of a bucket URL, s3://bucket/prefix. It asks the
// store nothing, but finding credentials may need the network.
func Open(ctx context.Context, u bucket.URL, o bucket.Options) (bucket.Bucket, error) {
	b, err := open(ctx, u, settings{Options: o})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func open(ctx context.Context, u bucket.URL, o settings) (*s3Store, error) {
	return NewSession().open(ctx, u, o)
}

// open finds settings and credentials by the AWS default chain. A custom
// endpoint gets path-style addressing, and checksums only where S3 demands
// them: several compatible stores reject the trailing ones that the SDK sends
// by default.
func (session *Session) open(ctx context.Context, u bucket.URL, o settings) (*s3Store, error) {
	if err := errors.Join(checkEncryption(o.SSE), checkLock(o.Lock)); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	limits := limits{o.stall, o.patience()}
	connections := share(limits)
	cfg, err := session.config(ctx, settingsKey{limits, o.Profile})
	if err != nil {
		return nil, &storeError{error: reason.Errorf(bucket.ErrRefused, err, "open %s: AWS settings: %v", u, err), setting: unreadable(err)}
	}
	b := &s3Store{url: u, options: o, clock: &session.clock}
	outage := &outage{limit: o.RetryFor, patience: o.patience()}
	b.client = s3.NewFromConfig(cfg, func(s *s3.Options) {
		s.Logger = logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
			o.Log.Debug(fmt.Sprintf(format, v...)) // by itself the SDK prints on stderr
		})
		s.HTTPClient = b.clock.watch(connections.withoutRedirects(s.HTTPClient))
		if o.intercept != nil {
			s.HTTPClient = o.intercept(s.HTTPClient)
		}
		s.HTTPClient = logRequests(s.HTTPClient, o.Log)
		s.Retryer = newRetryer(outage, o.Log)
		s.APIOptions = append(s.APIOptions, outage.watchOperations, new(contentSums).watchOperations, new(answerGuard).watchOperations, o.sendCustomerKey, signLess, nameProfile(o.Profile))
		s.DisableLogOutputChecksumValidationSkipped = true
		if o.Profile != "" {
			s.BaseEndpoint = endpointOfProfile(cfg)
		}
		if s.BaseEndpoint != nil {
			adaptToEndpoint(s, cfg)
		}
	})
	if err := b.check(ctx); err != nil {
		return nil, withProfile(o.Profile, err)
	}
	return b, nil
}

// adaptToEndpoint sets what stores other than AWS need.
func adaptToEndpoint(s *s3.Options, cfg aws.Config) {
	s.UsePathStyle = true
	if s.Region == "" {
		s.Region = "us-east-1"
	}
	request, response := explicitChecksums(cfg)
	if !request {
		s.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	}
	if !response {
		s.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	}
}

// explicitChecksums reports whether the user has set the two checksum modes:
// the loaded configuration itself no longer separates a setting from a default.
func explicitChecksums(cfg aws.Config) (request, response bool) {
	for _, source := range cfg.ConfigSources {
		switch c := source.(type) {
		case config.EnvConfig:
			request = request || c.RequestChecksumCalculation != 0
			response = response || c.ResponseChecksumValidation != 0
		case config.SharedConfig:
			request = request || c.RequestChecksumCalculation != 0
			response = response || c.ResponseChecksumValidation != 0
		}
	}
	return request, response
}

// check finds missing settings before any work is done for nothing.
func (b *s3Store) check(ctx context.Context) error {
	o := b.client.Options()
	refuse := func(text string, cause error) error {
		return reason.Errorf(bucket.ErrRefused, cause, "open %s: %s", b.url, text)
	}
	if o.Region == "" {
		return refuse("no AWS region is configured (AWS_REGION, or AWS_ENDPOINT_URL_S3 for another store)", nil)
	}
	if o.BaseEndpoint != nil {
		e, err := url.Parse(*o.BaseEndpoint)
		if err != nil || e.Host == "" || (e.Scheme != "http" && e.Scheme != "https") {
			return &storeError{error: refuse("the configured endpoint URL is not http://host or https://host", nil), setting: withScheme(*o.BaseEndpoint)}
		}
		if text := refuseEndpoint(b.url, e); text != "" {
			return &storeError{
				error:   refuse(text, nil),
				setting: "set AWS_ENDPOINT_URL_S3 to " + e.Scheme + "://" + e.Host + ": Lifeboat puts the bucket's name behind it",
			}
		}
		if e.Scheme == "http" && len(b.options.SSE.CustomerKey) > 0 {
			return refuse("a customer key must not be sent over plain HTTP: the endpoint URL needs https", nil)
		}
	}
	if o.Credentials == nil {
		return refuse("no AWS credentials are configured", nil)
	}
	if _, err := o.Credentials.Retrieve(ctx); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("open %s: %w", b.url, context.Cause(ctx))
		}
		return &storeError{
			error:   refuse("no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role: "+innermost(err).Error(), err),
			setting: halfOfKeys(),
		}
	}
	return nil
}

// URL implements Bucket.
func (b *s3Store) URL() bucket.URL { return b.url }

// CustomerKey implements bucket.Remote.
func (b *s3Store) CustomerKey() []byte { return b.options.SSE.CustomerKey }

// Endpoint implements bucket.Remote.
func (b *s3Store) Endpoint() string {
	e, err := url.Parse(aws.ToString(b.client.Options().BaseEndpoint))
	if err != nil || e.Host == "" { // check has let no wrong one through
		return ""
	}
	return strings.ToLower(e.Scheme+"://"+e.Host) + strings.TrimRight(e.Path, "/")
}

// ClockOffset implements Bucket. It is exact to about a second.
func (b *s3Store) ClockOffset() (time.Duration, bool) { return b.clock.offset(), b.clock.seen.Load() }

func (b *s3Store) objectKey(name string) string {
	if b.url.Prefix == "" { // all of a bucket: see Below
		return name
	}
	return b.url.Prefix + "/" + name
}

// failureOf begins the description of a failed operation on one object. On a
// given version IAM knows most actions by another name.
func (b *s3Store) failureOf(operation string, object bucket.Object, action string) failure {
	where := b.url.String() + "/" + object.Name
	if object.Version != "" {
		where += " version " + object.Version
		action = strings.NewReplacer("ObjectTagging", "ObjectVersionTagging",
			"GetObject", "GetObjectVersion", "DeleteObject", "DeleteObjectVersion").Replace(action)
	}
	return failure{operation, where, action}
}

func version(object bucket.Object) *string {
	if object.Version == "" {
		return nil
	}
	return &object.Version
}
