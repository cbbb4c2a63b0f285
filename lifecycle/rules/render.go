package rules

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Render returns rules as text, for an operator who puts them into a bucket by other
// means. Formats are "xml" for PutBucketLifecycleConfiguration, "json" for the AWS
// command line, and "terraform" for a resource of Terraform's AWS provider, which
// can have the rules of For only. Each replaces all rules of the bucket when it is
// applied.
func Render(rules []Rule, format string) (string, error) {
	switch format {
	case "xml":
		return renderXML(unwrap(rules))
	case "json":
		return renderJSON(unwrap(rules))
	case "terraform":
		return renderTerraform(unwrap(rules)), nil
	}
	return "", fmt.Errorf("unknown format %q for lifecycle rules: want xml, json or terraform", format)
}

func renderXML(rules []s3Rule) (string, error) {
	document, err := indented(rules, "  ")
	return string(document) + "\n", err
}

func renderJSON(rules []s3Rule) (string, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(s3Rules{rules})
	return b.String(), err
}

func renderTerraform(rules []s3Rule) string {
	var b strings.Builder
	b.WriteString("# This resource replaces all lifecycle rules of the bucket: keep your others in it.\n" +
		"resource \"aws_s3_bucket_lifecycle_configuration\" \"lifeboat\" {\n" +
		"  bucket = aws_s3_bucket.backups.id\n")
	for _, r := range rules {
		m := matchOf(r)
		fmt.Fprintf(&b, "\n  rule {\n    id     = %s\n    status = %q\n", hcl(value(r.ID)), r.Status)
		if len(m.tags) == 0 {
			fmt.Fprintf(&b, "    filter {\n      prefix = %s\n    }\n", hcl(m.prefix))
		}
		for key, value := range m.tags { // one in a rule of ours
			fmt.Fprintf(&b, "    filter {\n      and {\n        prefix = %s\n        tags   = { %s = %s }\n      }\n    }\n",
				hcl(m.prefix), hcl(key), hcl(value))
		}
		if e := r.Expiration; e != nil && e.Days != nil {
			fmt.Fprintf(&b, "    expiration {\n      days = %d\n    }\n", *e.Days)
		} else if e != nil && value(e.ExpiredObjectDeleteMarker) {
			b.WriteString("    expiration {\n      expired_object_delete_marker = true\n    }\n")
		}
		if n := r.NoncurrentVersionExpiration; n != nil {
			fmt.Fprintf(&b, "    noncurrent_version_expiration {\n      noncurrent_days = %d\n    }\n", value(n.NoncurrentDays))
		}
		if a := r.AbortIncompleteMultipartUpload; a != nil {
			fmt.Fprintf(&b, "    abort_incomplete_multipart_upload {\n      days_after_initiation = %d\n    }\n", value(a.DaysAfterInitiation))
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
