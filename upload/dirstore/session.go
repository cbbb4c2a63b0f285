package dirstore

import (
	"iter"
	"sync"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// fresh is for how long what was seen above one series is good for those beside it.
const fresh = time.Minute

// A Session is what the directories of many series share: thousands beside each other
// have one directory above them, which is read once.
type Session struct {
	mu    sync.Mutex
	above map[string]seen // by directory
}

type seen struct {
	at      time.Time
	objects []bucket.Object
}

// NewSession returns a Session, for one run of a program.
func NewSession() *Session { return &Session{above: map[string]seen{}} }

// Open is the Open of this package for one of many series.
func (s *Session) Open(u bucket.URL, o bucket.Options) (bucket.Bucket, error) {
	b, err := open(u, o)
	if err != nil {
		return nil, err
	}
	b.session = s
	return b, nil
}

// aboveOnce yields what is listed above the series in dir, and lists it once for all of
// them: it has the same names for each.
func (s *Session) aboveOnce(dir string, listed iter.Seq2[bucket.Object, error]) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		found := s.above[dir]
		if time.Since(found.at) >= fresh {
			found = seen{at: time.Now()}
			for object, err := range listed {
				if err != nil {
					yield(bucket.Object{}, err)
					return
				}
				found.objects = append(found.objects, object)
			}
			s.above[dir] = found
		}
		for _, object := range found.objects {
			if !yield(object, nil) {
				return
			}
		}
	}
}
