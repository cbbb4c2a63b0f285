package lifecycle

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Render writes rules for an operator who puts them into a bucket by other
// means. Formats: "xml" as PutBucketLifecycleConfiguration takes it, "json" as
// the AWS command line takes it, "terraform" as a resource of Terraform's AWS
// provider, which holds the rules of Rules only. All three replace whatever
// the bucket has when they are applied.
func Render(rules []Rule, format string) (string, error) {
	sdk := unwrap(rules)
	switch format {
	case "xml":
		return renderXML(sdk)
	case "json":
		return renderJSON(sdk)
	case "terraform":
		return renderTerraform(sdk), nil
	}
	return "", fmt.Errorf("unknown format %q for lifecycle rules: want xml, json or terraform", format)
}

func renderXML(rules []types.LifecycleRule) (string, error) {
	document, err := toXML(rules)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	encoder := xml.NewEncoder(&b)
	encoder.Indent("", "  ")
	decoder := xml.NewDecoder(bytes.NewReader(document))
	for {
		// RawToken leaves xmlns the attribute that it is.
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if err := encoder.EncodeToken(token); err != nil {
			return "", err
		}
	}
	if err := encoder.Close(); err != nil {
		return "", err
	}
	return b.String() + "\n", nil
}

// renderJSON relies on the SDK's field names, which are those of the API.
func renderJSON(rules []types.LifecycleRule) (string, error) {
	plain, err := json.Marshal(types.BucketLifecycleConfiguration{Rules: rules})
	if err != nil {
		return "", err
	}
	var tree any
	if err := json.Unmarshal(plain, &tree); err != nil {
		return "", err
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(withoutNulls(tree)); err != nil {
		return "", err
	}
	return b.String(), nil
}

func withoutNulls(tree any) any {
	switch tree := tree.(type) {
	case map[string]any:
		for key, child := range tree {
			if child == nil {
				delete(tree, key)
			} else {
				withoutNulls(child)
			}
		}
	case []any:
		for _, child := range tree {
			withoutNulls(child)
		}
	}
	return tree
}

func renderTerraform(rules []types.LifecycleRule) string {
	var b strings.Builder
	b.WriteString("# This resource replaces all lifecycle rules of the bucket: keep your others in it.\n" +
		"resource \"aws_s3_bucket_lifecycle_configuration\" \"lifeboat\" {\n" +
		"  bucket = aws_s3_bucket.backups.id\n")
	for _, r := range rules {
		m := matchOf(r)
		fmt.Fprintf(&b, "\n  rule {\n    id     = %s\n    status = %q\n", hcl(aws.ToString(r.ID)), r.Status)
		if len(m.tags) == 0 {
			fmt.Fprintf(&b, "    filter {\n      prefix = %s\n    }\n", hcl(m.prefix))
		}
		for key, value := range m.tags { // one in a rule of ours
			fmt.Fprintf(&b, "    filter {\n      and {\n        prefix = %s\n        tags   = { %s = %s }\n      }\n    }\n",
				hcl(m.prefix), hcl(key), hcl(value))
		}
		if e := r.Expiration; e != nil && e.Days != nil {
			fmt.Fprintf(&b, "    expiration {\n      days = %d\n    }\n", *e.Days)
		} else if e != nil && aws.ToBool(e.ExpiredObjectDeleteMarker) {
			b.WriteString("    expiration {\n      expired_object_delete_marker = true\n    }\n")
		}
		if n := r.NoncurrentVersionExpiration; n != nil {
			fmt.Fprintf(&b, "    noncurrent_version_expiration {\n      noncurrent_days = %d\n    }\n", aws.ToInt32(n.NoncurrentDays))
		}
		if a := r.AbortIncompleteMultipartUpload; a != nil {
			fmt.Fprintf(&b, "    abort_incomplete_multipart_upload {\n      days_after_initiation = %d\n    }\n", aws.ToInt32(a.DaysAfterInitiation))
		}
		b.WriteString("  }\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// hcl quotes a string for Terraform, in which ${ and %{ begin templates.
func hcl(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(fmt.Sprintf("%q", s))
}
