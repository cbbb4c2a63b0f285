package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// ahead DURATION ENDING copies the newest snapshot of the script's bucket to an
// ID that is so far ahead of now and has that ending, as a wrong clock names it.
func ahead(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: ahead DURATION ENDING")
	}
	by, err := time.ParseDuration(args[0])
	ts.Check(err)
	client, u := scriptBucket(ts)
	prefix := u.Prefix + "/"
	found, err := client.Objects(context.Background(), u.Bucket, prefix)
	ts.Check(err)
	newest := slices.MaxFunc(found, func(a, b bucket.Object) int { return cmp.Compare(a.Name, b.Name) })
	to := prefix + time.Now().Add(by).UTC().Format("20060102T150405") + args[1] + ".daily.db.zst"
	ts.Check(client.Copy(context.Background(), u.Bucket, newest.Name, to))
}
