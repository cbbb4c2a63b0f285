package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/rogpeppe/go-internal/testscript"
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
	found, err := client.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: &u.Bucket, Prefix: &prefix})
	ts.Check(err)
	newest := slices.MaxFunc(found.Contents, func(a, b types.Object) int { return cmp.Compare(*a.Key, *b.Key) })
	from, to := u.Bucket+"/"+*newest.Key, prefix+time.Now().Add(by).UTC().Format("20060102T150405")+args[1]+".db.zst"
	_, err = client.CopyObject(context.Background(), &s3.CopyObjectInput{Bucket: &u.Bucket, CopySource: &from, Key: &to})
	ts.Check(err)
}
