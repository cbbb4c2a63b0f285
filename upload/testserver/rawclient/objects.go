package rawclient

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A Page is one answer to a listing.
type Page struct {
	Objects   []bucket.Object // their names are whole keys, their ETags as they came
	Truncated bool
	Next      string // what to go on with, "" if there is nothing
}

// List returns one page of a bucket's objects with a prefix, after is the last
// page's Next or "".
func (c *Client) List(ctx context.Context, name, prefix, after string) (Page, error) {
	var found struct {
		Contents []struct {
			Key, ETag    string
			Size         int64
			LastModified time.Time
		}
		IsTruncated           bool
		NextContinuationToken string
	}
	query := url.Values{"list-type": {"2"}, "prefix": {prefix}}
	if after != "" {
		query.Set("continuation-token", after)
	}
	if err := c.read(ctx, name+"?"+query.Encode(), &found); err != nil {
		return Page{}, err
	}
	page := Page{Truncated: found.IsTruncated, Next: found.NextContinuationToken}
	for _, o := range found.Contents {
		page.Objects = append(page.Objects, bucket.Object{Name: o.Key, ETag: o.ETag, Size: o.Size, Modified: o.LastModified})
	}
	return page, nil
}

var errMany = errors.New("there is more than a page")

// Objects returns a bucket's objects with a prefix, by their whole keys. More
// than a page is an error.
func (c *Client) Objects(ctx context.Context, name, prefix string) ([]bucket.Object, error) {
	page, err := c.List(ctx, name, prefix, "")
	if err == nil && page.Truncated {
		err = errMany
	}
	return page.Objects, err
}

// Versions returns all versions and delete markers with a prefix, by their whole
// keys. More than a page is an error.
func (c *Client) Versions(ctx context.Context, name, prefix string) ([]bucket.Version, error) {
	type version struct {
		XMLName              xml.Name
		Key, ETag, VersionId string
		Size                 int64
		LastModified         time.Time
		IsLatest             bool
	}
	var found struct {
		Versions    []version `xml:"Version"`
		Markers     []version `xml:"DeleteMarker"`
		IsTruncated bool
	}
	if err := c.read(ctx, name+"?"+url.Values{"versions": {""}, "prefix": {prefix}}.Encode(), &found); err != nil {
		return nil, err
	}
	var all []bucket.Version
	for _, v := range append(found.Versions, found.Markers...) {
		all = append(all, bucket.Version{
			Object:  bucket.Object{Name: v.Key, ETag: strings.Trim(v.ETag, `"`), Size: v.Size, Modified: v.LastModified, Version: v.VersionId},
			Latest:  v.IsLatest,
			Deleted: v.XMLName.Local == "DeleteMarker",
		})
	}
	if found.IsTruncated {
		return all, errMany
	}
	return all, nil
}

// Uploads returns the keys with a prefix whose upload was begun and not ended.
func (c *Client) Uploads(ctx context.Context, name, prefix string) ([]string, error) {
	var found struct {
		Keys []string `xml:"Upload>Key"`
	}
	err := c.read(ctx, name+"?"+url.Values{"uploads": {""}, "prefix": {prefix}}.Encode(), &found)
	return found.Keys, err
}

// Put stores an object, or overwrites it. Header are names and values by turns.
func (c *Client) Put(ctx context.Context, name, key, content string, header ...string) error {
	_, err := c.Call(ctx, http.MethodPut, name+"/"+key, content, header...)
	return err
}

// Get returns an object with its content.
func (c *Client) Get(ctx context.Context, name, key string) (Answer, error) {
	return c.Call(ctx, http.MethodGet, name+"/"+key, "")
}

// Head returns the metadata of an object.
func (c *Client) Head(ctx context.Context, name, key string) (http.Header, error) {
	answer, err := c.Call(ctx, http.MethodHead, name+"/"+key, "")
	return answer.Header, err
}

// Copy copies an object to another key.
func (c *Client) Copy(ctx context.Context, name, from, to string, header ...string) error {
	return c.Put(ctx, name, to, "", append(header, "X-Amz-Copy-Source", name+"/"+from)...)
}

// Delete deletes an object, or one version of it.
func (c *Client) Delete(ctx context.Context, name, key, version string) error {
	target := name + "/" + key
	if version != "" {
		target += "?versionId=" + url.QueryEscape(version)
	}
	_, err := c.Call(ctx, http.MethodDelete, target, "")
	return err
}

type tagging struct {
	XMLName xml.Name `xml:"Tagging"`
	Tags    []tag    `xml:"TagSet>Tag"`
}

type tag struct{ Key, Value string }

// Tags returns an object's tags.
func (c *Client) Tags(ctx context.Context, name, key string) (bucket.Tags, error) {
	var found tagging
	err := c.read(ctx, name+"/"+key+"?tagging", &found)
	tags := bucket.Tags{}
	for _, t := range found.Tags {
		tags[t.Key] = t.Value
	}
	return tags, err
}

// SetTags replaces an object's tags.
func (c *Client) SetTags(ctx context.Context, name, key string, tags bucket.Tags) error {
	var set tagging
	for key, value := range tags {
		set.Tags = append(set.Tags, tag{key, value})
	}
	body, err := xml.Marshal(set)
	if err != nil {
		return err
	}
	_, err = c.Call(ctx, http.MethodPut, name+"/"+key+"?tagging", string(body))
	return err
}
