package s3store

import (
	"context"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A Session is what the buckets of many series share: AWS settings and credentials,
// which are found once, the clock of the store, and listings. All of them are in one
// store: that of the AWS settings, or that of one profile.
type Session struct {
	clock storeClock

	mu      sync.Mutex
	configs map[settingsKey]aws.Config
	around  []*neighbourhood // the last ones that were opened, the latest at the end
}

// neighbourhoodsKept bounds the neighbourhoods in memory: where each series has one of its
// own, they serve no other.
const neighbourhoodsKept = 16

// NewSession returns a Session, for one run of a program.
func NewSession() *Session {
	return &Session{configs: map[settingsKey]aws.Config{}}
}

// Open is the Open of this package for one of many series.
func (s *Session) Open(ctx context.Context, u bucket.URL, o bucket.Options) (bucket.Bucket, error) {
	b, err := s.open(ctx, u, settings{Options: o})
	if err != nil {
		return nil, err
	}
	b.around = s.neighbourhoodOf(u)
	return b, nil
}

// A settingsKey is what AWS settings are found by.
type settingsKey struct {
	limits
	profile string
}

// config returns the AWS settings by the AWS default chain, or by the profile that the
// key names.
func (s *Session) config(ctx context.Context, key settingsKey) (aws.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cfg, ok := s.configs[key]; ok {
		return cfg, nil
	}
	load := config.LoadDefaultConfig
	if key.profile != "" {
		load = ofProfile(key.profile)
	}
	cfg, err := load(ctx, config.WithHTTPClient(share(key.limits).client))
	if err == nil {
		s.configs[key] = cfg
	}
	return cfg, err
}

func (s *Session) neighbourhoodOf(u bucket.URL) *neighbourhood {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &neighbourhood{bucket: u.Bucket, prefix: above(u.Prefix)}
	if i := slices.IndexFunc(s.around, n.isSame); i >= 0 {
		n = s.around[i]
		s.around = slices.Delete(s.around, i, i+1)
	}
	s.around = append(s.around, n)
	if len(s.around) > neighbourhoodsKept {
		s.around = slices.Delete(s.around, 0, 1)
	}
	return n
}
