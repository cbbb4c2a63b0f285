package main

import (
	"encoding"
	"slices"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

func TestFlagValues(t *testing.T) {
	day := 24 * time.Hour
	durations := map[string]time.Duration{
		"0": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "4d": 4 * day, "2w": 14 * day, "1w2d": 9 * day, "1d12h": 36 * time.Hour,
		"": -1, "d": -1, "-1s": -1, "-1d": -1, "1d-1h": -1, "1.5d": -1, "4 d": -1, "4": -1, "1d1w": -1, "1d1d": -1, "fortnight": -1,
		"99999999999d": -1, "9999999w": -1, "106751d24h": -1,
	}
	for text, want := range durations {
		var d duration
		check(t, text, &d, want >= 0, func() bool { return time.Duration(d) == want })
	}
	sizes := map[string]int64{
		"1": 1, "20MiB": 20 << 20, "5GB": 5e9, "1 KiB": 1 << 10,
		"": 0, "0": 0, "-1": 0, "fast": 0, "20 parsecs": 0, "99999999 EiB": 0, "9223372036854775808": 0,
	}
	for text, want := range sizes {
		var s byteSize
		check(t, text, &s, want > 0, func() bool { return int64(s) == want })
	}
	five := time.Date(2026, 11, 20, 17, 0, 0, 0, time.UTC)
	moments := map[string]time.Time{ // package moments has more
		"2026-11-20 17:00": five, "2026-11-20T18:00:00+01:00": five, "2026-11-20": five.Add(7*time.Hour - time.Second), "": {}, "the other day": {},
	}
	for text, want := range moments {
		var m moment
		check(t, text, &m, !want.IsZero(), func() bool { return m.Equal(want) })
	}
}

func check(t *testing.T, text string, value encoding.TextUnmarshaler, valid bool, right func() bool) {
	t.Helper()
	switch err := value.UnmarshalText([]byte(text)); {
	case !valid && err == nil:
		t.Errorf("%T %q: taken as %v", value, text, value)
	case valid && err != nil:
		t.Errorf("%T: %v", value, err)
	case valid && !right():
		t.Errorf("%T %q: got %v", value, text, value)
	}
}

func TestQuote(t *testing.T) {
	for given, want := range map[string]string{
		"app.db": "app.db", "s3://bucket/app": "s3://bucket/app", "": "''", "my app.db": "'my app.db'", "a'b": `'a'\''b'`, "$HOME": "'$HOME'", "~/x": "'~/x'",
	} {
		if got := terminal.Quote(given); got != want {
			t.Errorf("quote(%q) is %s, want %s", given, got, want)
		}
	}
}

// A variable in an environment must not consent to anything, or override a
// guard. All other flags have one.
func TestNoVariableConsents(t *testing.T) {
	parser, err := newParser(t.Context(), &console{}, &program{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && flag.Name != "help" && flag.Name != "help-all" {
			consents := flag.Name == "yes" || flag.Name == "ignore-shrink"
			if consents {
				found[flag.Name]++
			}
			// What a command is about is said where it is typed: a variable would make each
			// backup one that uploads nothing, or each plan one for a tree.
			about := flag.Name == "tree" || flag.Name == "only" || slices.Contains([]string{"dry-run", "all", "to"}, flag.Name) && len(flag.Envs) == 0
			if (len(flag.Envs) == 0) != (consents || about) {
				t.Errorf("--%s: %v", flag.Name, flag.Envs)
			}
		}
		return next(nil)
	})
	if err != nil || found["yes"] != 4 || found["ignore-shrink"] != 3 {
		t.Errorf("%v: %v", found, err)
	}
}
