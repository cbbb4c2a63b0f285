package iam_test

import (
	"encoding/json"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// matches reports whether a key's ARN is one of a policy's resources.
func (s statement) matches(key string) bool {
	return slices.ContainsFunc(s.Resource, func(pattern string) bool {
		parts := regexp.QuoteMeta(pattern)
		return regexp.MustCompile("^" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(parts) + "$").MatchString("arn:aws:s3:::BUCKET/" + key)
	})
}

// holds reports whether a request with those condition keys meets the condition, as
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
// has it.
func (s statement) holds(request map[string]string) bool {
	for operator, conditions := range s.Condition {
		for key, values := range conditions {
			got, present := request[key]
			equal := present && slices.Contains(values, got)
			switch operator {
			case "StringEquals", "Bool":
			case "StringEqualsIfExists", "ForAllValues:StringEquals":
				equal = equal || !present
			case "Null":
				equal = slices.Equal(values, oneOrMore{map[bool]string{true: "false", false: "true"}[present]})
			default:
				panic(operator)
			}
			if !equal {
				return false
			}
		}
	}
	return true
}

// on returns the statements about an action on a key.
func (p policy) on(action, key string) (about policy) {
	for _, s := range p.Statement {
		if slices.Contains(s.Action, action) && s.matches(key) {
			about.Statement = append(about.Statement, s)
		}
	}
	return about
}

// allows reports whether the statements allow a request with those condition keys.
func (p policy) allows(request map[string]string) bool {
	allowed := false
	for _, s := range p.Statement {
		if s.holds(request) {
			if s.Effect == "Deny" {
				return false
			}
			allowed = true
		}
	}
	return allowed
}

func read(t *testing.T, name string) (p policy) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What each policy for AWS lets its user set a snapshot's tag to, for every class and
// every tag that it may have: nothing but what is of its own class.
func TestClassesOnAWS(t *testing.T) {
	values := []string{"", series.Pinned, "x"}
	for _, class := range series.Classes() {
		values = append(values, string(class), series.Held(class))
	}
	id := snapshot.NewID(time.Now())
	for role, may := range map[string]func(class, held, existing, to string) bool{
		"backup": func(class, held, existing, to string) bool {
			return to == held && (existing == "" || existing == held) || to == class && existing == held
		},
		"copy":    func(_, held, existing, to string) bool { return to == held && (existing == "" || existing == held) },
		"release": func(class, held, existing, to string) bool { return to == class && existing == held },
		"restore": func(_, _, _, _ string) bool { return false },
		"drill":   func(_, _, _, _ string) bool { return false },
		"admin":   func(class, held, _, to string) bool { return to == class || to == held || to == series.Pinned },
	} {
		policy := read(t, role+"-aws.json")
		for _, class := range series.Classes() {
			for _, name := range []series.Name{{ID: id, Class: class}, {ID: id, Class: class, Base: id}, {ID: id, Class: class, Encrypted: true}, {ID: id, Class: class, Base: id, Encrypted: true}} {
				about := policy.on("s3:PutObjectTagging", "PREFIX/"+name.String())
				for _, existing := range values {
					for _, to := range values {
						request := map[string]string{"s3:RequestObjectTag/" + series.TagRetention: to, "s3:ExistingObjectTag/" + series.TagRetention: existing}
						for key, value := range request {
							if value == "" {
								delete(request, key)
							}
						}
						got := about.allows(request)
						if got != may(string(class), series.Held(class), existing, to) {
							t.Errorf("%s of %s from %q to %q: allowed %v", role, name, existing, to, got)
						}
					}
				}
			}
		}
	}
}

// The job and the copy upload on AWS under their own prefix, and overwrite nothing.
func TestUploadsOnAWS(t *testing.T) {
	for _, role := range []string{"backup-aws.json", "copy-aws.json"} {
		uploader := read(t, role)
		key := "PREFIX/" + series.Name{ID: snapshot.NewID(time.Now()), Class: series.Daily}.String()
		own, other := uploader.on("s3:PutObject", key), uploader.on("s3:PutObject", "other/"+key)
		for name, c := range map[string]struct {
			request map[string]string
			good    bool
		}{
			"an object":        {map[string]string{"s3:ObjectCreationOperation": "true", "s3:if-none-match": "*"}, true},
			"a part":           {map[string]string{"s3:ObjectCreationOperation": "false"}, true},
			"over another one": {map[string]string{"s3:ObjectCreationOperation": "true"}, false},
		} {
			if own.allows(c.request) != c.good || other.allows(c.request) {
				t.Errorf("%s, %s: allowed %v, elsewhere %v", role, name, own.allows(c.request), other.allows(c.request))
			}
		}
	}
}

// A drill job on AWS uploads records and nothing else, and overwrites none. A backup job
// uploads no record: it could forge proofs of its own snapshots.
func TestRecordsOnAWS(t *testing.T) {
	drills, backup := read(t, "drill-aws.json"), read(t, "backup-aws.json")
	id := snapshot.NewID(time.Now())
	record := drill.Folder + "/" + drill.Name{Time: time.Now(), Snapshot: id}.String()
	fresh := map[string]string{"s3:ObjectCreationOperation": "true", "s3:if-none-match": "*"}
	for key, good := range map[string]bool{
		record: true, record + "x": false, drill.Folder + "/x.json": false, path.Base(record): false, "deeper/" + record: false,
		series.Name{ID: id, Class: series.Daily}.String(): false,
	} {
		about := drills.on("s3:PutObject", "PREFIX/"+key)
		if about.allows(fresh) != good || about.allows(map[string]string{"s3:ObjectCreationOperation": "true"}) {
			t.Errorf("%s: allowed %v", key, !good)
		}
	}
	if backup.on("s3:PutObject", "PREFIX/"+record).allows(fresh) {
		t.Error("a backup job may write records")
	}
}

// Names of one class are never resources of another's statements.
func TestPatterns(t *testing.T) {
	for _, role := range []string{"backup-aws", "backup-minio", "copy-aws", "copy-minio", "release-aws", "release-minio", "admin-aws", "admin-minio"} {
		for _, class := range series.Classes() {
			key := "PREFIX/" + series.Name{ID: snapshot.NewID(time.Now()), Class: class, Base: snapshot.NewID(time.Now())}.String()
			matched := 0
			for _, s := range read(t, role+".json").Statement {
				if len(s.Condition) == 0 || !slices.Contains(s.Action, "s3:PutObjectTagging") {
					continue
				}
				of := strings.HasSuffix(strings.ToLower(s.Sid), string(class))
				if s.matches(key) != of {
					t.Errorf("%s: %s matches %s: %v", role, s.Sid, key, !of)
				}
				if of {
					matched++
				}
			}
			if matched == 0 {
				t.Errorf("%s has no statement for %s", role, class)
			}
		}
	}
}
