package lifecycle

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// toXML returns the lifecycle configuration as the SDK sends it. The SDK has
// no other way to its serializer than to send, so it sends to a function.
func toXML(rules []types.LifecycleRule) ([]byte, error) {
	var body []byte
	client := s3.New(s3.Options{
		Region:      "us-east-1",
		Credentials: aws.AnonymousCredentials{},
		HTTPClient: sendFunc(func(r *http.Request) (*http.Response, error) {
			var err error
			if r.Body != nil {
				body, err = io.ReadAll(r.Body)
			}
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, err
		}),
	})
	_, err := client.PutBucketLifecycleConfiguration(context.Background(), &s3.PutBucketLifecycleConfigurationInput{
		Bucket:                 aws.String("bucket"),
		LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules},
	})
	if err != nil {
		return nil, fmt.Errorf("write lifecycle rules as XML: %w", err)
	}
	return body, nil
}

type sendFunc func(*http.Request) (*http.Response, error)

func (f sendFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// lostIn returns what of a lifecycle configuration, as a store sent it, would be
// gone if the rules that the SDK read from it were written back: elements that
// the SDK's types do not have.
func lostIn(sent []byte, read []types.LifecycleRule) ([]string, error) {
	before, err := leaves(sent)
	if err != nil {
		return nil, fmt.Errorf("read the bucket's lifecycle configuration: %w", err)
	}
	written, err := toXML(read)
	if err != nil {
		return nil, err
	}
	after, err := leaves(written)
	if err != nil {
		return nil, err
	}
	kept := map[string]int{}
	for _, leaf := range after {
		kept[leaf]++
	}
	var lost []string
	for _, leaf := range before {
		if kept[leaf]--; kept[leaf] < 0 {
			lost = append(lost, leaf)
		}
	}
	return lost, nil
}

// canonical returns one text for rules that say the same.
func canonical(rules ...types.LifecycleRule) string {
	var normalized []types.LifecycleRule
	for _, r := range rules {
		normalized = append(normalized, normal(r))
	}
	written, err := toXML(normalized)
	if err != nil {
		return "invalid: " + err.Error() // equal to no rule that a store has
	}
	all, err := leaves(written)
	if err != nil {
		return "invalid: " + err.Error()
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// maxDepth bounds the nesting of a lifecycle configuration: a tag of a rule is
// six deep.
const maxDepth = 20

// leaves returns what a document says: its elements that have no elements in
// them, as LifecycleConfiguration/Rule[2]/Expiration[1]/Days[1]=30, and, which
// no store is known to send, text beside elements, and attributes. Names are
// without namespaces, and times are all written in one way.
func leaves(document []byte) ([]string, error) {
	type element struct {
		path  string
		count map[string]int
		text  strings.Builder
	}
	var found []string
	stack := []*element{{count: map[string]int{}}}
	decoder := xml.NewDecoder(bytes.NewReader(document))
	for {
		token, err := decoder.Token()
		if err == io.EOF && len(stack) == 1 {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		top := stack[len(stack)-1]
		switch token := token.(type) {
		case xml.StartElement:
			name := token.Name.Local
			top.count[name]++
			path := strings.TrimPrefix(fmt.Sprintf("%s/%s[%d]", top.path, name, top.count[name]), "/")
			for _, a := range token.Attr {
				if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" {
					found = append(found, path+"/@"+a.Name.Local+"="+a.Value)
				}
			}
			if len(stack) > maxDepth {
				return nil, fmt.Errorf("elements are nested deeper than %d", maxDepth)
			}
			stack = append(stack, &element{path: path, count: map[string]int{}})
		case xml.CharData:
			top.text.Write(token)
		case xml.EndElement:
			if text := top.text.String(); len(top.count) == 0 || strings.TrimSpace(text) != "" {
				found = append(found, top.path+"="+value(text))
			}
			stack = stack[:len(stack)-1]
		}
	}
}

// value returns a leaf's text, without what two writers may do differently.
func value(text string) string {
	if t, err := time.Parse(time.RFC3339, strings.TrimSpace(text)); err == nil {
		return t.UTC().Format(time.RFC3339)
	}
	return text
}
