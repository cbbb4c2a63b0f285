package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/rawclient"
)

// retentionCommands do to the script's bucket what others do to buckets.
var retentionCommands = map[string]func(*testscript.TestScript, bool, []string){
	"versioned": versioned, "foreign-rule": foreignRule, "spoil": spoil, "age": ageSnapshots, "files": files,
	"eventually": eventually, "locked": locked, "undeletable": undeletable,
	"more-tags": moreTags, "many-rules": manyRules,
	"ahead": ahead,
}

func scriptBucket(ts *testscript.TestScript) (*rawclient.Client, bucket.URL) {
	u, err := bucket.ParseURL(ts.Getenv("S3"))
	ts.Check(err)
	return ts.Value(clientKey{}).(*rawclient.Client), u
}

// versioned turns versioning on.
func versioned(ts *testscript.TestScript, neg bool, args []string) {
	client, u := scriptBucket(ts)
	ts.Check(client.KeepVersions(context.Background(), u.Bucket))
}

// locked gives the script a fresh bucket that has Object Lock.
func locked(ts *testscript.TestScript, neg bool, args []string) {
	client, u := scriptBucket(ts)
	name := u.Bucket + "-locked"
	ts.Check(client.CreateLocked(context.Background(), name))
	ts.Setenv("S3", "s3://"+name+"/"+u.Prefix)
}

// undeletable tries to delete every version in the script's bucket, with all
// rights but the one to bypass a lock, and fails if one goes.
func undeletable(ts *testscript.TestScript, neg bool, args []string) {
	client, u := scriptBucket(ts)
	found, err := client.Versions(context.Background(), u.Bucket, "")
	ts.Check(err)
	found = slices.DeleteFunc(found, func(v bucket.Version) bool { return v.Deleted })
	if len(found) == 0 {
		ts.Fatalf("nothing is there to be deleted")
	}
	for _, v := range found {
		if client.Delete(context.Background(), u.Bucket, v.Name, v.Version) == nil {
			ts.Fatalf("%s was deleted", v.Name)
		}
	}
}

// more-tags N puts N tags of somebody else's on the only snapshot.
func moreTags(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	client, u := scriptBucket(ts)
	found, err := client.Objects(context.Background(), u.Bucket, "")
	ts.Check(err)
	key := found[0].Name
	tags, err := client.Tags(context.Background(), u.Bucket, key)
	ts.Check(err)
	for i := range n {
		name := "other-" + strconv.Itoa(i)
		tags[name] = name
	}
	ts.Check(client.SetTags(context.Background(), u.Bucket, key, tags))
}

// many-rules N gives the bucket N rules of somebody else's.
func manyRules(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	client, u := scriptBucket(ts)
	rules := make([]string, n)
	for i := range rules {
		name := "other-" + strconv.Itoa(i)
		rules[i] = foreign(name, name, "1")
	}
	ts.Check(client.PutRules(context.Background(), u.Bucket, rules...))
}

// foreign returns a rule in XML that expires what is under a prefix.
func foreign(id, prefix, days string) string {
	return "<Rule><ID>" + id + "</ID><Status>Enabled</Status><Filter><Prefix>" + prefix + "</Prefix></Filter>" +
		"<Expiration><Days>" + days + "</Days></Expiration></Rule>"
}

// foreign-rule PREFIX DAYS adds a rule without a tag to those of the bucket.
func foreignRule(ts *testscript.TestScript, neg bool, args []string) {
	client, u := scriptBucket(ts)
	ts.Check(client.AddRule(context.Background(), u.Bucket, foreign("foreign", args[0], args[1])))
}

// spoil overwrites the only snapshot with rubbish.
func spoil(ts *testscript.TestScript, neg bool, args []string) {
	client, u := scriptBucket(ts)
	found, err := client.Objects(context.Background(), u.Bucket, "")
	ts.Check(err)
	ts.Check(client.Put(context.Background(), u.Bucket, found[0].Name, "rubbish"))
}

// age DAYS makes the snapshots in the script's directory older, in their names
// and by the directory's clock.
func ageSnapshots(ts *testscript.TestScript, neg bool, args []string) {
	days, err := strconv.Atoi(args[0])
	ts.Check(err)
	names, err := filepath.Glob(ts.MkAbs("bucket/*Z-*"))
	ts.Check(err)
	for _, name := range names {
		stamp, rest, _ := strings.Cut(filepath.Base(name), "-")
		taken, err := time.Parse("20060102T150405Z", stamp)
		ts.Check(err)
		old := filepath.Join(filepath.Dir(name), taken.AddDate(0, 0, -days).Format("20060102T150405Z")+"-"+rest)
		ts.Check(os.Rename(name, old))
		then := time.Now().AddDate(0, 0, -days)
		ts.Check(os.Chtimes(old, then, then))
	}
}

// files N PATTERN counts files.
func files(ts *testscript.TestScript, neg bool, args []string) {
	names, err := filepath.Glob(ts.MkAbs(args[1]))
	ts.Check(err)
	if strconv.Itoa(len(names)) != args[0] {
		ts.Fatalf("%d files, want %s: %v", len(names), args[0], names)
	}
}

// eventually REGEXP PROGRAM ARG... runs a program until it prints what is
// wanted: a store's clock is known to about a second, and its rules take time.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[0])
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s never printed %s", args[1], args[0])
		}
	}
}

// The defaults of the flags are those of the library.
func TestPolicyDefaults(t *testing.T) {
	var p program
	parser, err := newParser(t.Context(), &console{globals: &p.globals}, &p)
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"prune", "lifecycle plan"} {
		args := append(strings.Fields(command), "s3://bucket/app")
		if _, err := parser.Parse(args); err != nil {
			t.Fatal(err)
		}
	}
	for _, got := range []policyFlags{p.Prune.policyFlags, p.Lifecycle.Plan.policyFlags} {
		policy := got.policy()
		for _, class := range lifecycle.Classes() {
			if policy[class] != lifecycle.DefaultPolicy()[class] {
				t.Errorf("%s is kept for %v by default, not for %v", class, policy[class], lifecycle.DefaultPolicy()[class])
			}
		}
		if time.Duration(got.Hold) != lifecycle.DefaultHold {
			t.Errorf("default hold: %v", time.Duration(got.Hold))
		}
	}
}
