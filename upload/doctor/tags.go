package doctor

import (
	"context"
	"maps"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/trial"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

func tryTagsOnPut(ctx context.Context, x *storeExam) (Answer, string, error) {
	if x.put == nil {
		return NotTried, "nothing could be put", nil
	}
	if x.tagsErr != nil {
		answer, detail, err := answerTo(x.tagsErr)
		if answer == No && !trial.Is(x.tagsErr, trial.MayLackTags) {
			answer = Refused // a backup does not go on without them
		}
		return answer, detail, err
	}
	o, _ := x.readable()
	got, err := x.trial.Tags(ctx, o.Name)
	answer, detail, err := answerTo(err)
	switch {
	case answer == Yes && !maps.Equal(got, x.tags):
		return No, "the store takes tags and forgets them", err
	case answer == Refused:
		return Yes, "taken, but they may not be read back", err
	case answer == No:
		return No, "taken, but they cannot be read back: " + detail, err
	}
	return answer, detail, err
}

// tryTagsInParts reads the tags of what was uploaded in parts. They were given
// when the upload began.
func tryTagsInParts(ctx context.Context, x *storeExam) (Answer, string, error) {
	if x.tags == nil || !x.inParts {
		return NotTried, "nothing was uploaded in parts with tags", nil
	}
	got, err := x.trial.Tags(ctx, x.parts())
	if err == nil && !maps.Equal(got, x.tags) {
		return No, "the store takes tags when the upload begins, and has lost them when it is complete", nil
	}
	return answerTo(err)
}

func tryTagsRead(ctx context.Context, x *storeExam) (Answer, string, error) {
	o, ok := x.readable()
	if !ok {
		return NotTried, "there is nothing to read", nil
	}
	_, err := x.trial.Tags(ctx, o.Name)
	return answerTo(err)
}

func tryTagsLater(ctx context.Context, x *storeExam) (Answer, string, error) {
	if x.put == nil {
		return NotTried, "nothing could be put", nil
	}
	o, _ := x.readable()
	want := bucket.Tags{series.TagRetention: series.Held(series.Recent), series.TagConfirmed: "2026-01-01T00:00:00Z"}
	if err := x.trial.SetTags(ctx, o.Name, want); err != nil {
		return answerTo(err)
	}
	if got, err := x.trial.Tags(ctx, o.Name); err == nil && !maps.Equal(got, want) {
		return No, "the store takes tags and forgets them", nil
	}
	return Yes, "", nil
}
