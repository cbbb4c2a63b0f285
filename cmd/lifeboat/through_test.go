package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Where a configuration gives the bucket URL, a command line has a stand-in for it.
func TestThroughConfiguration(t *testing.T) {
	parser, err := newParser(t.Context(), &console{}, &program{})
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"restore --config f --only acme":                "restore URL OWN --config f --only acme",
		"restore --only acme copy.db":                   "restore URL --only acme copy.db",
		"restore --only=acme -":                         "restore URL --only=acme -",
		"--quiet restore --all --to dir":                "--quiet restore URL OWN --all --to dir",
		"query --config f SELECT":                       "query URL --config f SELECT",
		"verify --config f":                             "verify URL --config f",
		"lifecycle apply --config f --keep-daily 9d":    "lifecycle apply URL --config f --keep-daily 9d",
		"pin --only acme latest":                        "pin URL --only acme latest",
		"extract --only acme out.db --all":              "extract URL --only acme out.db --all",
		"restore s3://bucket/app app.db":                "",
		"restore app.db":                                "",
		"verify --all":                                  "", // of a series: all snapshots
		"backup --config f":                             "",
		"status --only acme":                            "",
		"series --config f":                             "",
		"version":                                       "",
		"restore s3://bucket/app app.db --only acme":    "refused",
		"lifecycle show s3://bucket/app --config f":     "refused",
		"query --only acme file:///srv/app SELECT":      "refused",
		"verify s3://bucket/app --shard 1/2":            "refused",
		"prune s3://bucket/app --parallel 7":            "refused",
		"backup app.db s3://bucket/app --shard 1/2":     "refused",
		"status s3://bucket/app --only acme":            "refused",
		"backup app.db --shard 1/2":                     "",
		"restore s3://bucket/app app.db --host web1":    "refused",
		"query --only s3://bucket/app SELECT":           "query URL --only s3://bucket/app SELECT",
		"query --only acme s3://no/url/but/a/statement": "refused",
	} {
		through, is, err := throughConfiguration(parser.Model.Node, strings.Fields(line))
		got := strings.NewReplacer(noURL, "URL", ownPath, "OWN").Replace(strings.Join(through, " "))
		switch {
		case want == "refused":
			if err == nil || is {
				t.Errorf("%s: not refused", line)
			}
		case err != nil || is != (want != "") || is && got != want || !is && got != line:
			t.Errorf("%s: %s, %v, %v", line, got, is, err)
		}
	}
	t.Setenv("LIFEBOAT_CONFIG", "f")
	if through, is, err := throughConfiguration(parser.Model.Node, []string{"verify"}); !is || err != nil || !slices.Equal(through, []string{"verify", noURL}) {
		t.Errorf("by the environment: %q, %v, %v", through, is, err)
	}
	if through, is, err := throughConfiguration(parser.Model.Node, []string{"restore", "app.db"}); is || err != nil || len(through) != 2 {
		t.Errorf("by the environment, with an argument: %q, %v, %v", through, is, err)
	}
}

// Those without a drill come first, then those whose drill is the longest ago.
func TestLongestAgo(t *testing.T) {
	now := time.Now()
	last := map[int]time.Time{1: now, 2: {}, 3: now.Add(-time.Hour), 5: now.Add(-time.Minute), 7: {}}
	for n, want := range map[int][]int{1: {7}, 2: {7, 2}, 4: {7, 2, 3, 5}, 9: {7, 2, 3, 5, 1}} {
		if got := longestAgo([]int{1, 7, 3, 2, 5}, last, n); !slices.Equal(got, want) {
			t.Errorf("%d: %v, want %v", n, got, want)
		}
	}
}

// A record whose time cannot be right does not put off the next drill.
func TestLastOf(t *testing.T) {
	now := time.Now()
	at := func(times ...time.Time) (all []drill.Entry) {
		for _, at := range times {
			all = append(all, drill.Entry{Name: drill.Name{Time: at}, Object: bucket.Object{Modified: now}})
		}
		return all
	}
	hour := now.Add(-time.Hour)
	for i, all := range [][]drill.Entry{at(hour), at(hour.Add(-time.Hour), hour), at(hour, now.AddDate(70, 0, 0), now.AddDate(71, 0, 0))} {
		if got := lastOf(all, now); !got.Equal(hour) {
			t.Errorf("%d: %v, want %v", i, got, hour)
		}
	}
	if got := lastOf(at(now.AddDate(70, 0, 0)), now); !got.IsZero() {
		t.Errorf("of the future alone: %v", got)
	}
}

// Below --to each database has its own path, so that none takes the place of another.
func TestBelow(t *testing.T) {
	for _, c := range []struct{ path, url, want string }{
		{"/srv/acme/data.db", "s3://bucket/t/acme", "to/srv/acme/data.db"},
		{"", "s3://bucket/t/acme", "to/bucket/t/acme"},
		{"", "file:///nas/acme", "to/nas/acme"},
	} {
		var u bucketURL
		if err := u.UnmarshalText([]byte(c.url)); err != nil {
			t.Fatal(err)
		}
		r := restoreCmd{To: "to"}
		if got := r.below(&task{Database: &databases.Database{Path: c.path, URL: u.URL}}); got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.path, c.url, got, c.want)
		}
	}
}
