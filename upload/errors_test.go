package upload

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
)

type denied struct{ error }

func (denied) MissingAction() string { return "s3:GetObject" }
func (denied) Setting() string       { return "set it" }
func (denied) Code() string          { return "NoSuchKey" }
func (d denied) Unwrap() error       { return d.error }

// What a store has lost makes it unreachable, and all else that its error tells
// stays.
func TestLostErrorHidesNotFoundAlone(t *testing.T) {
	cause := denied{fmt.Errorf("read it: %w: %w", bucket.ErrNotFound, fs.ErrPermission)}
	err := fmt.Errorf("back up: %w", lostError{cause})
	if !errors.Is(err, bucket.ErrUnreachable) || errors.Is(err, bucket.ErrNotFound) || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v is not ErrUnreachable alone", err)
	}
	if bucket.MissingAction(err) != "s3:GetObject" || bucket.Setting(err) != "set it" || bucket.Code(err) != "NoSuchKey" {
		t.Errorf("%q, %q, %q", bucket.MissingAction(err), bucket.Setting(err), bucket.Code(err))
	}
	if err.Error() != "back up: "+cause.Error() {
		t.Error(err)
	}
}

// An application's bucket or logger that panics leaves nothing in the temp directory
// of a process that goes on.
func TestPanicRemovesTheCopy(t *testing.T) {
	b, db := emptySeries(t)
	dir := t.TempDir()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		var o BackupOptions
		o.Copy.TempDir = dir
		bug := wrapped{Bucket: b, list: func(bucket.Object) (bucket.Object, bool) { panic("a bug of the application") }}
		_, err := Backup(t.Context(), bug, db, o)
		t.Error(err)
	}()
	if left := buckettest.DirNames(t, dir); len(left) > 0 {
		t.Errorf("left in the temp directory: %v", left)
	}
}
