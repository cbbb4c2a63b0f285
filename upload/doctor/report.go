package doctor

import (
	"context"
	"fmt"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/trial"
)

// An Answer is what an examination has found out about one ability.
type Answer string

// The answers. Refused: the store said that these credentials may not, so
// whether it can is not known.
const (
	Yes      Answer = "yes"
	No       Answer = "no"
	Refused  Answer = "refused"
	NotTried Answer = "not tried"
)

// A Finding is the outcome of one check.
type Finding struct {
	// Check names it, for good: programs may look for it.
	Check  string
	Answer Answer
	// Detail is what was seen, "" if the answer is enough.
	Detail string
	// Meaning is what the answer means for Lifeboat, in plain words.
	Meaning string
}

// A Report is what Examine has found.
type Report struct {
	URL      bucket.URL
	Findings []Finding
	// Left names what could not be cleaned up: keys relative to the bucket URL, or
	// absolute paths of files.
	Left []string
}

// Of returns the answer to a check, NotTried if it is not in the report.
func (r Report) Of(check string) Answer {
	for _, f := range r.Findings {
		if f.Check == check {
			return f.Answer
		}
	}
	return NotTried
}

// lacks returns which of these checks were not answered with yes, each with its answer.
func (r Report) lacks(checks ...string) []string {
	var lacks []string
	for _, check := range checks {
		if answer := r.Of(check); answer != Yes {
			lacks = append(lacks, fmt.Sprintf("%s: %s", check, answer))
		}
	}
	return lacks
}

// CanBackup reports whether a backup with these settings would succeed.
func (r Report) CanBackup() bool { return len(r.LacksForBackup()) == 0 }

// LacksForBackup returns the checks that stand in the way of a backup, each with its
// answer, such as "put: refused".
func (r Report) LacksForBackup() []string {
	if r.URL.Dir != "" {
		return r.lacks("write", "fsync")
	}
	lacks := r.lacks("list", "clock", "put", "multipart")
	// Without tags they are in an object beside, which has to be read. A store
	// that forgets tags is not one without.
	if r.Of("tags on put") == No && r.Of("tags read") == No {
		lacks = append(lacks, r.lacks("get")...)
	} else {
		lacks = append(lacks, r.lacks("tags on put", "tags read")...)
	}
	if r.Of("tags in parts") == No {
		lacks = append(lacks, r.lacks("tags later")...)
	}
	return lacks
}

// CanRestore reports whether a restore with these settings would succeed.
func (r Report) CanRestore() bool { return len(r.LacksForRestore()) == 0 }

// LacksForRestore is LacksForBackup for a restore.
func (r Report) LacksForRestore() []string {
	if r.URL.Dir != "" {
		return r.lacks("read")
	}
	return r.lacks("list", "get")
}

// Rules reports whether the bucket's lifecycle rules can carry out retention
// here; with No it takes prune. NotTried: the store has tags, but there are no
// rules that these credentials could see, and only writing some would tell.
func (r Report) Rules() Answer {
	if r.Of("tags on put") != Yes || r.Of("lifecycle read") == No {
		return No
	}
	return r.Of("lifecycle rules")
}

// throwAway is the content of throw-away objects.
var throwAway = []byte("written by lifeboat doctor; may be deleted\n")

// A probe is one check with the meanings of its answers.
type probe[E any] struct {
	check string
	// try returns the answer and what was seen. An error ends the examination.
	try              func(ctx context.Context, x E) (Answer, string, error)
	yes, no, refused string
}

// runProbes makes one finding for each probe. After an error the rest is not
// tried.
func runProbes[E any](ctx context.Context, x E, probes []probe[E]) ([]Finding, error) {
	var findings []Finding
	var broken error
	for _, p := range probes {
		f := Finding{Check: p.check, Answer: NotTried}
		if broken == nil {
			f.Answer, f.Detail, broken = p.try(ctx, x)
			if ctx.Err() != nil {
				broken = fmt.Errorf("try %s: %w", p.check, context.Cause(ctx))
			}
			if broken != nil {
				f.Detail = broken.Error()
			}
		}
		f.Meaning = map[Answer]string{Yes: p.yes, No: p.no, Refused: p.refused, NotTried: "not known"}[f.Answer]
		findings = append(findings, f)
	}
	return findings, broken
}

// answerTo makes an answer of an error of the store. A store that gives no
// answer at all ends the examination.
func answerTo(err error) (Answer, string, error) {
	switch {
	case err == nil:
		return Yes, "", nil
	case !trial.Is(err, trial.Any):
		return NotTried, "", err
	case trial.Is(err, trial.Denied):
		return Refused, trial.Brief(err), nil
	}
	return No, trial.Brief(err), nil
}
