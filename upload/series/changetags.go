package series

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/pause"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// Settle is how long a change of tags must last before SettleTags believes in
// it: longer than longestChange, so that every other command that had read the
// tags before has written them by then.
const Settle = 5 * time.Second

// SettleTime returns what a time to settle means: 0 is Settle. One below 0 is an
// error, since a change that nothing looks at again may be undone.
func SettleTime(settle time.Duration) (time.Duration, error) {
	if settle < 0 {
		return 0, fmt.Errorf("a time to settle of %s is not possible: want 0 for %s, or more", settle, Settle)
	}
	return cmp.Or(settle, Settle), nil
}

const (
	// longestChange is how long after its read ChangeTags may write at first.
	// On a slow store that grows up to slowestChange.
	longestChange = 4 * time.Second
	slowestChange = 30 * time.Second
	// tagAttempts bounds how often one change is written.
	tagAttempts = 6
)

var (
	// errLate ends a write that is no longer one of what was read a moment ago.
	errLate = reason.Errorf(bucket.ErrUnreachable, nil, "the store took too long to write what it had answered before")
	// errContested: other commands keep changing the same tags.
	errContested = errors.New("other commands change them at the same time")
)

// ChangeTags changes an object's tags and keeps those that change leaves alone.
// Setting tags replaces the whole set, and no store takes a condition on that.
// So this reads them right before it writes, writes only soon after, and reads
// them again; where they are not as change wants them by then, it repeats all of
// that. Nothing else in these packages sets tags.
//
// change edits the tags in place. It is called for every read, so it must leave
// alone what is as it should be, and may return an error to stop: that is
// returned as it is. written reports whether anything was written, also with an
// error: after it, ErrNotFound means that the object is gone since.
//
// In a directory a lock makes the change one step. Elsewhere another command
// that has read before this one's write can still undo it: see SettleTags.
func ChangeTags(ctx context.Context, b bucket.Bucket, object bucket.Object, change func(bucket.Tags) error) (written bool, err error) {
	unlock, _ := lockTags(ctx, b)
	defer unlock()
	return changeTags(ctx, b, object, b.Tags, change)
}

// A tagReader is Bucket.Tags, or makes something of its errors.
type tagReader func(context.Context, bucket.Object) (bucket.Tags, error)

// tagsOrNone reads damaged tags as none, so that they can be written anew.
func tagsOrNone(b bucket.Bucket) tagReader {
	return func(ctx context.Context, object bucket.Object) (bucket.Tags, error) {
		tags, _, err := ReadTags(ctx, b, object)
		return tags, err
	}
}

// ReadTags returns an object's tags. Damaged ones count as none: then err is nil, and
// damaged is the error about them, a bucket.ErrTagsDamaged.
func ReadTags(ctx context.Context, b bucket.Bucket, object bucket.Object) (tags bucket.Tags, damaged, err error) {
	tags, err = b.Tags(ctx, object)
	if errors.Is(err, bucket.ErrTagsDamaged) {
		return nil, err, nil
	}
	return tags, nil, err
}

// Stamp notes the time of now under a key (RFC 3339, UTC). One that is a little
// later stays: another run at the same moment has set it. One that is more than
// five minutes later is from a wrong clock.
func Stamp(t bucket.Tags, key string, now time.Time) {
	if is, err := time.Parse(time.RFC3339, t[key]); err == nil && is.After(now) && !is.After(now.Add(MaxAhead)) {
		return
	}
	t[key] = now.UTC().Format(time.RFC3339)
}

func changeTags(ctx context.Context, b bucket.Bucket, object bucket.Object, read tagReader, change func(bucket.Tags) error) (written bool, err error) {
	window := longestChange
	failed := errContested
	for range tagAttempts {
		until := time.Now().Add(window)
		before, want, err := edited(ctx, object, read, change)
		if err != nil || maps.Equal(before, want) {
			return written, err
		}
		switch err := setTagsBy(ctx, b, object, want, until); {
		case err == nil:
			written, failed = true, errContested
		case errors.Is(err, errLate):
			window, failed = min(2*window, slowestChange), err
		default:
			// A refusal is what losing a race looks like where the store's
			// policies know tags: then they are no longer what was read.
			now, readErr := read(ctx, object)
			if readErr != nil && !errors.Is(readErr, bucket.ErrNotFound) || readErr == nil && maps.Equal(now, before) {
				return written, err
			}
		}
	}
	return written, fmt.Errorf("change tags of %s/%s: %w", b.URL(), object.Name, failed)
}

// edited returns the tags that an object has, and those that it should have.
func edited(ctx context.Context, object bucket.Object, read tagReader, change func(bucket.Tags) error) (has, want bucket.Tags, err error) {
	if has, err = read(ctx, object); err != nil {
		return nil, nil, err
	}
	want = bucket.Tags{}
	maps.Copy(want, has)
	return has, want, change(want)
}

// setTagsBy gives up with errLate when until has come.
func setTagsBy(ctx context.Context, b bucket.Bucket, object bucket.Object, tags bucket.Tags, until time.Time) error {
	ctx, cancel := context.WithDeadlineCause(ctx, until, errLate)
	defer cancel()
	return b.SetTags(ctx, object, tags)
}

// SettleTags is ChangeTags for what must not be lost. It looks again after the
// time to settle (see SettleTime) and up to twice that, makes the change once more if another
// command has undone it by then, and returns when it has lasted. It takes damaged
// tags for none and writes them anew.
func SettleTags(ctx context.Context, b bucket.Bucket, object bucket.Object, settle time.Duration, change func(bucket.Tags) error) error {
	settle, err := SettleTime(settle)
	if err != nil {
		return err
	}
	unlock, locked := lockTags(ctx, b)
	_, err = changeTags(ctx, b, object, tagsOrNone(b), change)
	unlock()
	for range tagAttempts {
		if err != nil || locked {
			return err
		}
		if err := pause.For(ctx, settle+rand.N(settle)); err != nil {
			return fmt.Errorf("the tags of %s/%s were written, but whether they stay was not checked: %w", b.URL(), object.Name, err)
		}
		var again bool
		if again, err = changeTags(ctx, b, object, tagsOrNone(b), change); err == nil && !again {
			return nil
		}
	}
	if err == nil {
		err = fmt.Errorf("change tags of %s/%s: %w", b.URL(), object.Name, errContested)
	}
	return err
}

// DeleteIf deletes an object if its tags, read right before that, are such that
// allowed returns nil. An error of allowed is returned as it is, and an object
// that is gone is ErrNotFound.
func DeleteIf(ctx context.Context, b bucket.Bucket, object bucket.Object, allowed func(bucket.Tags) error) error {
	unlock, _ := lockTags(ctx, b)
	defer unlock()
	tags, err := b.Tags(ctx, object)
	if err == nil {
		err = allowed(tags)
	}
	if err != nil {
		return err
	}
	return b.Delete(ctx, object)
}

// lockTags keeps every other ChangeTags, SettleTags and DeleteIf on the same
// bucket out until unlock is called, where the bucket can do that.
func lockTags(ctx context.Context, b bucket.Bucket) (unlock func(), locked bool) {
	if locker, ok := bucket.As[bucket.TagLocker](b); ok {
		return locker.LockTags(ctx)
	}
	return func() {}, false
}
