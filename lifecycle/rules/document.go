package rules

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"time"
)

// The types below are S3's lifecycle configuration, with the API's names and in
// the order in which AWS's own clients write them
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html).
// What can be left out is a pointer: left out and empty are not the same.

// An s3Rule is one rule.
type s3Rule struct {
	AbortIncompleteMultipartUpload *s3Abort                 `json:",omitempty"`
	Expiration                     *s3Expiration            `json:",omitempty"`
	Filter                         *s3Filter                `json:",omitempty"`
	ID                             *string                  `json:",omitempty"`
	NoncurrentVersionExpiration    *s3NoncurrentExpiration  `json:",omitempty"`
	NoncurrentVersionTransitions   []s3NoncurrentTransition `json:",omitempty" xml:"NoncurrentVersionTransition"`
	Prefix                         *string                  `json:",omitempty"` // of rules older than Filter
	Status                         string                   `json:",omitempty" xml:",omitempty"`
	Transitions                    []s3Transition           `json:",omitempty" xml:"Transition"`
}

// The values of s3Rule.Status.
const (
	enabled  = "Enabled"
	disabled = "Disabled"
)

type s3Filter struct {
	And                   *s3And  `json:",omitempty"`
	ObjectSizeGreaterThan *int64  `json:",omitempty"`
	ObjectSizeLessThan    *int64  `json:",omitempty"`
	Prefix                *string `json:",omitempty"`
	Tag                   *s3Tag  `json:",omitempty"`
}

type s3And struct {
	ObjectSizeGreaterThan *int64  `json:",omitempty"`
	ObjectSizeLessThan    *int64  `json:",omitempty"`
	Prefix                *string `json:",omitempty"`
	Tags                  []s3Tag `json:",omitempty" xml:"Tag"`
}

type s3Tag struct {
	Key   *string `json:",omitempty"`
	Value *string `json:",omitempty"`
}

type s3Expiration struct {
	Date                      *time.Time `json:",omitempty"`
	Days                      *int32     `json:",omitempty"`
	ExpiredObjectDeleteMarker *bool      `json:",omitempty"`
}

type s3NoncurrentExpiration struct {
	NewerNoncurrentVersions *int32 `json:",omitempty"`
	NoncurrentDays          *int32 `json:",omitempty"`
}

type s3Transition struct {
	Date         *time.Time `json:",omitempty"`
	Days         *int32     `json:",omitempty"`
	StorageClass string     `json:",omitempty" xml:",omitempty"`
}

type s3NoncurrentTransition struct {
	NewerNoncurrentVersions *int32 `json:",omitempty"`
	NoncurrentDays          *int32 `json:",omitempty"`
	StorageClass            string `json:",omitempty" xml:",omitempty"`
}

type s3Abort struct {
	DaysAfterInitiation *int32 `json:",omitempty"`
}

// s3Rules is the root of the document.
type s3Rules struct {
	Rules []s3Rule `xml:"Rule"`
}

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// toXML returns rules as the document that a bucket takes.
func toXML(rules []s3Rule) ([]byte, error) { return indented(rules, "") }

// indented is toXML with lines that are indented by indent, for people.
func indented(rules []s3Rule, indent string) ([]byte, error) {
	root := xml.StartElement{
		Name: xml.Name{Local: "LifecycleConfiguration"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: namespace}},
	}
	var document bytes.Buffer
	encoder := xml.NewEncoder(&document)
	encoder.Indent("", indent)
	if err := encoder.EncodeElement(s3Rules{rules}, root); err != nil {
		return nil, fmt.Errorf("write lifecycle rules as XML: %w", err)
	}
	return document.Bytes(), encoder.Close()
}

// fromXML reads the document of a bucket, and returns what of it the rules do
// not hold, so that writing them back would lose it: elements of a store's own,
// or newer ones than are known here.
func fromXML(document []byte) (rules []s3Rule, lost []string, err error) {
	var read s3Rules
	if err := xml.Unmarshal(document, &read); err != nil {
		return nil, nil, fmt.Errorf("read the bucket's lifecycle configuration: %w", err)
	}
	lost, err = lostIn(document, read.Rules)
	return read.Rules, lost, err
}

// value returns what p points to, the zero value for nil.
func value[T any](p *T) T {
	var v T
	if p != nil {
		v = *p
	}
	return v
}
