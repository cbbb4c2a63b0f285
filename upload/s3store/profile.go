package s3store

import (
	"bytes"
	"cmp"
	"context"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/middleware"
)

// regionByDefault is that of a profile which names none.
const regionByDefault = "us-east-1"

// ofProfile returns a function that finds the AWS settings of a profile. Endpoint, region
// and authorities of the environment are another store's, and never the profile's.
func ofProfile(profile string) func(context.Context, ...func(*config.LoadOptions) error) (aws.Config, error) {
	return func(ctx context.Context, options ...func(*config.LoadOptions) error) (aws.Config, error) {
		shared, err := config.LoadSharedConfigProfile(ctx, profile, func(o *config.LoadSharedConfigOptions) {
			o.ConfigFiles, o.CredentialsFiles = filesOf("AWS_CONFIG_FILE"), filesOf("AWS_SHARED_CREDENTIALS_FILE")
		})
		if err != nil {
			return aws.Config{}, err
		}
		options = append(options, config.WithSharedConfigProfile(profile), config.WithRegion(cmp.Or(shared.Region, regionByDefault)))
		if shared.CustomCABundle != "" {
			bundle, err := os.ReadFile(shared.CustomCABundle)
			if err != nil {
				return aws.Config{}, err
			}
			options = append(options, config.WithCustomCABundle(bytes.NewReader(bundle)))
		}
		cfg, err := config.LoadDefaultConfig(ctx, options...)
		if err == nil && shared.CustomCABundle == "" {
			cfg.HTTPClient, err = clientOf(options) // without AWS_CA_BUNDLE
		}
		return cfg, err
	}
}

// clientOf returns the HTTP client that options set.
func clientOf(options []func(*config.LoadOptions) error) (config.HTTPClient, error) {
	var loaded config.LoadOptions
	for _, set := range options {
		if err := set(&loaded); err != nil {
			return nil, err
		}
	}
	return loaded.HTTPClient, nil
}

// filesOf returns the file that a variable names, nil for the usual ones.
func filesOf(variable string) []string {
	if file := os.Getenv(variable); file != "" {
		return []string{file}
	}
	return nil
}

// endpointOfProfile returns the endpoint in the profile of loaded settings, nil for
// AWS itself.
func endpointOfProfile(cfg aws.Config) *string {
	for _, source := range cfg.ConfigSources {
		shared, ok := source.(config.SharedConfig)
		if !ok {
			continue
		}
		if endpoint, found, err := shared.GetServiceBaseEndpoint(context.Background(), "S3"); found && err == nil {
			return &endpoint
		}
		if shared.BaseEndpoint != "" {
			return &shared.BaseEndpoint
		}
	}
	return nil
}

// A profileError is an error with the settings of a profile, not those of the environment.
type profileError struct {
	error
	profile string
}

func (e *profileError) Unwrap() error { return e.error }

// Profile is for bucket.Profile.
func (e *profileError) Profile() string { return e.profile }

// withProfile returns an error that names the profile, unless there is neither.
func withProfile(profile string, err error) error {
	if profile == "" || err == nil {
		return err
	}
	return &profileError{err, profile}
}

// nameProfile makes the errors of every operation of a client name its profile.
func nameProfile(profile string) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("LifeboatProfile",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				out, metadata, err := next.HandleInitialize(ctx, in)
				return out, metadata, withProfile(profile, err)
			}), middleware.Before)
	}
}
