package doctor

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/trial"
)

// A refusal is a store's error that says no in these ways.
type refusal struct {
	ways   []trial.Refusal
	action string
	error
}

func (e refusal) Refuses(r trial.Refusal) bool { return r == trial.Any || slices.Contains(e.ways, r) }
func (e refusal) MissingAction() string        { return e.action }
func (e refusal) Brief() string                { return "in brief" }
func (e refusal) Unwrap() error                { return e.error }

// What a store's error means, and to a listing, which ends the examination
// where no other request could succeed.
func TestAnswers(t *testing.T) {
	no := errors.New("get it: in brief")
	for name, c := range map[string]struct {
		err          error
		answer, list Answer
		broken, ends bool
	}{
		"no answer":       {fmt.Errorf("get it: %w", bucket.ErrUnreachable), NotTried, NotTried, true, true},
		"not known":       {refusal{nil, "", no}, No, No, false, true},
		"a missing right": {refusal{[]trial.Refusal{trial.Denied}, "s3:ListBucket", no}, Refused, Refused, false, false},
		"a wrong key":     {refusal{[]trial.Refusal{trial.Denied}, "", no}, Refused, No, false, true},
		"a cap":           {refusal{[]trial.Refusal{trial.Denied}, "", bucket.ErrQuota}, Refused, Refused, false, false},
	} {
		answer, detail, err := answerTo(c.err)
		if answer != c.answer || (err != nil) != c.broken || (detail == "in brief") != (answer == No || answer == Refused) {
			t.Errorf("%s: %s, %q, %v", name, answer, detail, err)
		}
		if answer, _, err := listAnswer(c.err); answer != c.list || (err != nil) != c.ends {
			t.Errorf("%s to a listing: %s, %v", name, answer, err)
		}
	}
	if answer, detail, err := answerTo(nil); answer != Yes || detail != "" || err != nil {
		t.Errorf("no error: %s, %q, %v", answer, detail, err)
	}
	unset := fmt.Errorf("get the lock: %w", refusal{[]trial.Refusal{trial.Unset}, "", no})
	if answer, detail, err := answerAbout(unset, Yes); answer != Yes || detail != "the bucket has none" || err != nil {
		t.Errorf("no such setting: %s, %q, %v", answer, detail, err)
	}
}
