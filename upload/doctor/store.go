package doctor

import (
	"context"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/trial"
)

// A storeExam is one examination of a store on its way.
type storeExam struct {
	bucket.Bucket
	trial  trial.Store
	folder string        // of all names, with a slash
	sample bucket.Object // some object of the series, where nothing may be put

	put          *trial.Stored // the whole object, nil: not put
	tags         bucket.Tags   // that the objects are put with
	tagsErr      error         // why tags had to be left out
	noConditions bool          // conditions had to be left out
	inParts      bool          // an upload in parts was completed, or may have been
	rules        int           // lifecycle rules of the bucket that could be seen
	open         trial.Upload  // neither complete nor aborted, nil: none
}

func (x *storeExam) whole() string { return x.folder + "whole" }
func (x *storeExam) parts() string { return x.folder + "parts" }

// readable returns an object to read: our own, or one of the series.
func (x *storeExam) readable() (bucket.Object, bool) {
	if x.put != nil {
		return x.put.Object, true
	}
	return x.sample, x.sample.Name != ""
}

// beginWithPart begins an upload and sends its part.
func (x *storeExam) beginWithPart(ctx context.Context) (trial.Upload, error) {
	upload, err := x.trial.Begin(ctx, x.parts(), x.tags)
	if err != nil {
		return nil, err
	}
	return upload, upload.Send(ctx, throwAway)
}
