package main

import (
	"fmt"
	"testing"
)

func TestShardText(t *testing.T) {
	for text, want := range map[string]shard{"0/8": {0, 8}, "3/8": {3, 8}, "7/8": {7, 8}, "8/8": {0, 8}, "0/1": {0, 1}, "1/1": {0, 1}} {
		var s shard
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "3", "/", "3/", "/8", "9/8", "-1/8", "0/0", "1/8/2", "a/8", "$(JOB_COMPLETION_INDEX)/8"} {
		if err := new(shard).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// Every series is in one shard, which stays the same from release to release, and the
// shards are about as large as each other.
func TestShards(t *testing.T) {
	count := [8]int{}
	for i := range 8000 {
		url := fmt.Sprintf("s3://bucket/tenants/%d", i)
		in := 0
		for part := range uint64(8) {
			if (shard{part, 8}).has(url) {
				in++
				count[part]++
			}
		}
		if in != 1 {
			t.Fatalf("%s is in %d shards", url, in)
		}
	}
	for part, n := range count {
		if n < 900 || n > 1100 {
			t.Errorf("shard %d has %d of 8000", part, n)
		}
	}
	if !(shard{5, 8}).has("s3://bucket/tenants/acme") || !(shard{}).has("s3://bucket/tenants/acme") {
		t.Error("tenants/acme has moved to another shard")
	}
}
