package quirks

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// listings are the operations that list.
var listings = []string{"ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"}

var (
	entry     = regexp.MustCompile(`(?s)<(Contents|CommonPrefixes|Version|DeleteMarker|Upload)>.*?</(Contents|CommonPrefixes|Version|DeleteMarker|Upload)>`)
	keyOf     = regexp.MustCompile(`<Key>([^<]*)</Key>`)
	truncated = regexp.MustCompile(`<IsTruncated>[^<]*</IsTruncated>`)
	markers   = regexp.MustCompile(`<Next[A-Za-z]*>[^<]*</Next[A-Za-z]*>|<Next[A-Za-z]*/>`)
	end       = regexp.MustCompile(`</List[A-Za-z]*Result>\s*$`)
)

// LateListing leaves an object out of listings for a while after it was put.
func LateListing(late time.Duration) Quirk {
	return lateListing(func(p *put) bool { return time.Since(p.at) < late })
}

// LateListings leaves an object out of the first n listings in which it would
// be for the first time.
func LateListings(n int) Quirk {
	return lateListing(func(p *put) bool { p.hidden++; return p.hidden <= n })
}

type put struct {
	at     time.Time
	hidden int
}

func lateListing(hide func(*put) bool) Quirk {
	var mu sync.Mutex
	puts := map[string]*put{}
	return func(store *Store, r *http.Request) (*http.Response, error) {
		response, err := store.Do(r)
		if err != nil || response.StatusCode/100 != 2 {
			return response, err
		}
		mu.Lock()
		defer mu.Unlock()
		bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch Operation(r) {
		case "PutObject", "CompleteMultipartUpload":
			puts[bucket+"/"+key] = &put{at: time.Now()}
		case "ListObjectsV2", "ListObjectVersions":
			return AlterBody(response, func(body string) string {
				return entry.ReplaceAllStringFunc(body, func(e string) string {
					p := puts[bucket+"/"+decodedKey(e, body)]
					if p != nil && hide(p) {
						return ""
					}
					return e
				})
			})
		}
		return response, nil
	}
}

// decodedKey returns the key of an entry of a listing.
func decodedKey(entry, listing string) string {
	match := keyOf.FindStringSubmatch(entry)
	if match == nil {
		return ""
	}
	if strings.Contains(listing, "<EncodingType>url</EncodingType>") {
		if key, err := url.QueryUnescape(match[1]); err == nil {
			return key
		}
	}
	return match[1]
}

// TruncatedWithoutToken cuts listings after n entries and says that there is
// more, but not where. The operations are all that list if none is given.
func TruncatedWithoutToken(n int, operations ...string) Quirk {
	return onListings(alterGood(func(body string) string { return cut(body, n, "") }), operations)
}

// RepeatedToken cuts listings after n entries, and gives the same page with the
// same token whenever it is asked for more.
func RepeatedToken(n int) Quirk { return samePage(n, func() string { return "again" }) }

// EndlessListing answers listings with pages that are empty, each with another
// token.
func EndlessListing() Quirk {
	var page atomic.Int64
	return samePage(0, func() string { return strconv.FormatInt(page.Add(1), 10) })
}

// samePage cuts listings after n entries, and gives the same page whenever it is
// asked for more.
func samePage(n int, token func() string) Quirk {
	var mu sync.Mutex
	pages := map[string]string{}
	return onListings(func(store *Store, r *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		query, next := r.URL.Query(), token()
		next = "<NextContinuationToken>" + next + "</NextContinuationToken><NextKeyMarker>" + next + "</NextKeyMarker>"
		id := r.URL.Path + "?" + query.Get("prefix")
		if query.Has("continuation-token") || query.Get("key-marker") != "" {
			return Answer(r, http.StatusOK, cut(pages[id], n, next))
		}
		response, err := store.Do(r)
		if err != nil || response.StatusCode/100 != 2 {
			return response, err
		}
		return AlterBody(response, func(body string) string {
			pages[id] = body
			return cut(body, n, next)
		})
	}, nil)
}

// SmallPages lets the store list no more than n entries at once.
func SmallPages(n int) Quirk {
	return onListings(func(store *Store, r *http.Request) (*http.Response, error) {
		query := r.URL.Query()
		for _, name := range []string{"max-keys", "max-uploads"} {
			query.Set(name, strconv.Itoa(n))
		}
		r.URL.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
		if err := store.Sign(r); err != nil {
			return nil, err
		}
		return store.Do(r)
	}, nil)
}

// Backwards gives the entries of listings in descending order of key.
func Backwards() Quirk {
	return onListings(alterGood(func(body string) string {
		entries := entry.FindAllString(body, -1)
		i := len(entries)
		return entry.ReplaceAllStringFunc(body, func(string) string { i--; return entries[i] })
	}), nil)
}

// Outside adds an entry outside every prefix to listings of objects.
func Outside(key string) Quirk {
	return On(alterGood(func(body string) string {
		return end.ReplaceAllString(body, "<Contents><Key>"+key+"</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"+
			`<ETag>"0"</ETag><Size>1</Size></Contents>$0`)
	}), "ListObjectsV2")
}

func onListings(quirk Quirk, operations []string) Quirk {
	if len(operations) == 0 {
		operations = listings
	}
	return On(quirk, operations...)
}

// cut leaves n entries in a listing, marked as truncated.
func cut(body string, n int, next string) string {
	i := 0
	body = entry.ReplaceAllStringFunc(body, func(e string) string {
		if i++; i > n {
			return ""
		}
		return e
	})
	body = truncated.ReplaceAllString(markers.ReplaceAllString(body, ""), "")
	return end.ReplaceAllString(body, "<IsTruncated>true</IsTruncated>"+next+"$0")
}
