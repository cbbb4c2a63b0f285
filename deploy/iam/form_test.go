package iam_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// TestForm checks all policies for their form: what IAM's grammar asks for,
// the placeholders, and that nothing is allowed that nobody wants.
func TestForm(t *testing.T) {
	files, err := filepath.Glob("*.json")
	if err != nil || len(files) != 12 {
		t.Fatalf("%d policies: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, trouble := range form(text) {
			t.Errorf("%s: %s", file, trouble)
		}
		if strings.Contains(string(text), "s3:Delete") || strings.Contains(string(text), `"*"`) {
			t.Errorf("%s allows to delete, or everything", file)
		}
	}
	for _, bad := range []string{`{}`, `{"Version":"2012-10-17","Statement":[]}`, `{"Version":"2012-10-17","Statement":[
		{"Sid":"a b","Effect":"Permit","Action":"s3:PutObjekt","Resource":"arn:aws:s3:::other/*","Condition":{"StringLikes":{"s3:prefixes":1}}}]}`} {
		if len(form([]byte(bad))) == 0 {
			t.Errorf("%s is taken", bad)
		}
	}
}

// oneOrMore is IAM's way to write a list.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(data []byte) error {
	if data[0] != '[' {
		*o = []string{""}
		return json.Unmarshal(data, &(*o)[0])
	}
	return json.Unmarshal(data, (*[]string)(o))
}

// The actions, operators and condition keys that the policies use, as AWS
// lists them for S3:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
var (
	bucketActions = []string{"s3:ListBucket", "s3:ListBucketVersions", "s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration", "s3:GetBucketVersioning"}
	objectActions = []string{"s3:PutObject", "s3:AbortMultipartUpload", "s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging",
		"s3:GetObjectVersionTagging", "s3:PutObjectTagging"}
	operators = []string{"StringEquals", "StringLike", "StringEqualsIfExists", "ForAllValues:StringEquals", "Null", "Bool"}
	keys      = []string{"s3:prefix", "s3:if-none-match", "s3:ObjectCreationOperation", "s3:authType",
		"s3:RequestObjectTag/" + series.TagRetention, "s3:ExistingObjectTag/" + series.TagRetention}
	sid = regexp.MustCompile(`^[A-Za-z0-9]+$`)
)

type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid, Effect string
	Action      oneOrMore
	Resource    oneOrMore
	Condition   map[string]map[string]oneOrMore
}

func form(text []byte) (troubles []string) {
	var policy policy
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&policy); err != nil {
		return []string{err.Error()}
	}
	trouble := func(wrong bool, format string, arguments ...any) {
		if wrong {
			troubles = append(troubles, fmt.Sprintf(format, arguments...))
		}
	}
	trouble(policy.Version != "2012-10-17", "version %q", policy.Version)
	trouble(len(policy.Statement) == 0, "no statements")
	seen := map[string]bool{}
	for _, s := range policy.Statement {
		trouble(!sid.MatchString(s.Sid) || seen[s.Sid], "sid %q", s.Sid)
		seen[s.Sid] = true
		trouble(s.Effect != "Allow" && s.Effect != "Deny", "%s: effect %q", s.Sid, s.Effect)
		actions := objectActions
		if slices.Equal(s.Resource, oneOrMore{"arn:aws:s3:::BUCKET"}) {
			actions = bucketActions
		} else {
			for _, r := range s.Resource {
				trouble(!strings.HasPrefix(r, "arn:aws:s3:::BUCKET/PREFIX/") && s.Effect != "Deny", "%s: resource %q", s.Sid, r)
			}
		}
		for _, action := range s.Action {
			trouble(!slices.Contains(actions, action), "%s: %q is not an action on %q", s.Sid, action, s.Resource)
		}
		for operator, conditions := range s.Condition {
			trouble(!slices.Contains(operators, operator), "%s: operator %q", s.Sid, operator)
			for key := range conditions {
				trouble(!slices.Contains(keys, key), "%s: condition key %q", s.Sid, key)
			}
		}
	}
	return troubles
}
