package main

import (
	"errors"
	"testing"
	"time"
)

func TestChoice(t *testing.T) {
	const id = "20261120T170000Z-3f9c2a"
	for text, want := range map[string]choice{
		"latest": "latest", "20261120": "20261120", "2026-11-20": "2026-11-20", id: id,
		id + ".daily.db.zst": id, id + ".hourly.on-20261120T000000Z-ffffff.wal.zst.age": id, id + ".tags": id,
		"/mnt/nas/app/" + id + ".daily.db.zst": id, "s3://bucket/app/" + id + ".daily.db.zst": id,
		id + ".daily.txt": id + ".daily.txt", "app.db": "app.db",
	} {
		var c choice
		check(t, text, &c, true, func() bool { return c == want })
	}
	check(t, "", new(choice), false, nil)
	check(t, "AGE-SECRET-KEY-1QQQ", new(choice), false, nil)
}

func TestObjectURL(t *testing.T) {
	const id, base = "20261120T170000Z-3f9c2a", "20261120T000000Z-ffffff"
	for text, want := range map[string]snapshotURL{
		"s3://bucket/app":                                           {},
		"s3://bucket/app/" + id + ".daily.db.zst":                   {Named: id},
		"S3://bucket/app/" + id + ".daily.db.zst.age":               {Named: id},
		"s3://bucket/app/" + id:                                     {Named: id},
		"s3://bucket/app/" + id + ".recent.on-" + base + ".wal.zst": {Named: id},
	} {
		var u snapshotURL
		check(t, text, &u, true, func() bool { return u.Named == want.Named && u.String() == "s3://bucket/app" })
		check(t, text, new(bucketURL), want.Named == "", func() bool { return true })
	}
	for _, text := range []string{id, "", "s3://" + id + ".daily.db.zst", "s3://bucket/" + id + ".daily.db.zst"} {
		check(t, text, new(snapshotURL), false, nil)
		check(t, text, new(bucketURL), false, nil)
	}
}

// A command line that names two snapshots means neither.
func TestWhich(t *testing.T) {
	at := moment{time.Now()}
	for i, c := range []struct {
		flags  whichFlags
		others []choice
		want   whichFlags
		wrong  bool
	}{
		{},
		{flags: whichFlags{Snapshot: "a"}, others: []choice{"", ""}, want: whichFlags{Snapshot: "a"}},
		{others: []choice{"", "a"}, want: whichFlags{Snapshot: "a"}},
		{flags: whichFlags{Snapshot: "a"}, others: []choice{"a"}, want: whichFlags{Snapshot: "a"}},
		{flags: whichFlags{At: at}, others: []choice{""}, want: whichFlags{At: at}},
		{flags: whichFlags{Before: "a"}, others: []choice{""}, want: whichFlags{Before: "a"}},
		{flags: whichFlags{Snapshot: "b"}, others: []choice{"a"}, wrong: true},
		{others: []choice{"a", "b"}, wrong: true},
		{flags: whichFlags{At: at}, others: []choice{"a"}, wrong: true},
		{flags: whichFlags{Before: "b"}, others: []choice{"a"}, wrong: true},
	} {
		got, err := c.flags.with(c.others...)
		var usage *usageError
		if c.wrong != errors.As(err, &usage) || !c.wrong && got != c.want {
			t.Errorf("%d: %+v, %v", i, got, err)
		}
	}
}
