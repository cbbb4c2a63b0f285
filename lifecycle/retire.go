package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// Retire releases all of a series whose database is gone: the newest, which no successor
// will ever supersede, and what is left of the others, whatever their hold. Before that
// it tags the newest as retired, so that no Release sets it back to held. Rules then take
// each snapshot when its class says so; what they keep forever stays, as does what is
// pinned and what that stands on. The next backup of the database ends it: its snapshot
// is the newest then, and held.
//
// What stands on a base gets its class before the base. A run that was interrupted leaves
// a series that the next Retire completes. Retire returns all decisions, those with
// ActRelease being what gets a class, and how many have got one by now.
//
// A series without a snapshot is bucket.ErrNotFound. While a snapshot lies in the future
// nothing is retired, and the error is ErrFuture. One whose newest was taken or confirmed
// less than o.Hold ago, and is not marked yet, is ErrInUse. With bucket.ErrTagsDamaged everything
// is done but for the snapshots whose tags are damaged, and with bucket.ErrChanged
// another newest snapshot has come meanwhile, so the database is not gone. Retire needs
// the rights to list, to read tags and to set them. Other errors are those of the bucket.
func Retire(ctx context.Context, b bucket.Bucket, o Options) (decisions []Decision, released int, err error) {
	decisions, err = WouldRetire(ctx, b, o.Terms)
	if err != nil {
		return decisions, 0, err
	}
	newest := Newest(decisions)
	now := series.Present(b)
	_, err = series.ChangeTags(ctx, b, newest.Object, func(tags bucket.Tags) error {
		if tags[series.TagRetired] == "" { // a run that was interrupted began earlier
			series.Stamp(tags, series.TagRetired, now)
		}
		return nil
	})
	if err != nil {
		return decisions, 0, fmt.Errorf("retire: mark %s: %w", newest.ID, err)
	}
	if err := stillNewest(ctx, b, newest.ID); err != nil {
		return decisions, 0, err
	}
	r := releaser{bucket: b, Options: o, moved: map[snapshot.ID]snapshot.ID{}}
	for _, d := range inOrder(decisions, ActRelease) {
		if err := r.release(ctx, *d); err != nil {
			return decisions, len(r.result.Released), err
		}
	}
	r.lookAgain(ctx)
	if err := stillNewest(ctx, b, newest.ID); err != nil {
		return decisions, len(r.result.Released), err
	}
	return decisions, len(r.result.Released), Damaged(itemsOf(decisions))
}

// WouldRetire returns the decisions by which Retire would release, and changes nothing.
// Its errors are those of Retire but for damaged tags of others than the newest.
func WouldRetire(ctx context.Context, b bucket.Bucket, t Terms) ([]Decision, error) {
	items, err := Load(ctx, b, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("look for snapshots to retire: %w", err)
	}
	decisions := retire(items, t.Policy)
	if len(items) == 0 {
		return nil, fmt.Errorf("retire %s: no snapshot: %w", b.URL(), bucket.ErrNotFound)
	}
	if i := slices.IndexFunc(items, func(item Item) bool { return item.Future }); i >= 0 {
		return decisions, fmt.Errorf("retire %s: %w: %s", b.URL(), ErrFuture, items[i].ID)
	}
	newest := Newest(decisions)
	if newest.Damaged != nil {
		return decisions, fmt.Errorf("retire %s: %w", b.URL(), newest.Damaged)
	}
	seen, now := newest.Seen(), series.Present(b)
	if seen.After(now.Add(series.MaxAhead)) {
		seen = newest.ID.Time() // a confirmation from the future is a mistake or a forgery
	}
	if age := now.Sub(seen); !newest.isRetired() && age < t.hold() {
		return decisions, fmt.Errorf("retire %s: %w: the newest was taken or last confirmed %s ago, less than %s", b.URL(), ErrInUse, words(max(age, 0)), words(t.hold()))
	}
	return decisions, nil
}

// Unretired returns how many snapshots a retirement that was interrupted has left held,
// as far as their tags are known. It is 0 for a series that is not retired.
func Unretired(items []Item) int {
	decisions := retire(items, nil)
	if len(items) == 0 || !Newest(decisions).isRetired() {
		return 0
	}
	left := 0
	for _, d := range decisions {
		if d.Action == ActRelease && d.TagsKnown && !d.assumed {
			left++
		}
	}
	return left
}

// retire returns what Retire does with each of the items, which are sorted by ID.
func retire(items []Item, policy Policy) []Decision {
	j := judge{Terms: Terms{Policy: policy}}
	decisions := make([]Decision, len(items))
	for i, item := range items {
		d := Decision{Item: item, Action: ActKeep, Reason: string(item.Class)}
		tag := item.Tags[series.TagRetention]
		switch {
		case item.Damaged != nil:
			d.Reason = "its tags are damaged, so nothing takes it"
		case tag == series.Pinned:
			d.Reason = "pinned"
		case item.Released() == item.Class:
			d.Reason += ", released already"
			d.Expires = j.expires(item, item.Class)
		case item.Held(), item.Released() != "":
			d.Action = ActRelease
			d.Reason += d.otherTag()
			d.Expires = j.expires(item, item.Class)
		default:
			d.Reason = fmt.Sprintf("its retention tag %q is not a class, so no rule takes it", tag)
		}
		decisions[i] = d
	}
	keepBases(decisions)
	return decisions
}

// Newest returns the newest of the decisions that counts, or the last of all. There must
// be one.
func Newest(decisions []Decision) *Decision {
	for i := range slices.Backward(decisions) {
		if decisions[i].Counts() {
			return &decisions[i]
		}
	}
	return &decisions[len(decisions)-1]
}

// stillNewest returns an error if a newer snapshot that counts has come into the series.
func stillNewest(ctx context.Context, b bucket.Bucket, newest snapshot.ID) error {
	items, err := List(ctx, b, newest.Time())
	if err != nil {
		return fmt.Errorf("look for snapshots that came meanwhile: %w", err)
	}
	for _, item := range items {
		if item.ID > newest && item.Counts() {
			return fmt.Errorf("retire %s: %w: snapshot %s came meanwhile, so its database is not gone", b.URL(), bucket.ErrChanged, item.ID)
		}
	}
	return nil
}

func itemsOf(decisions []Decision) []Item {
	items := make([]Item, len(decisions))
	for i, d := range decisions {
		items[i] = d.Item
	}
	return items
}

// Seen returns when the item was taken or, by its tags, last confirmed. A tag that is no
// time counts for nothing.
func (i Item) Seen() time.Time {
	confirmed, err := time.Parse(time.RFC3339, i.Tags[series.TagConfirmed])
	if err != nil {
		return i.ID.Time()
	}
	return latest(i.ID.Time(), confirmed)
}

// Retired returns when the item was marked as the newest of a series whose database is
// gone, and false if it was not. On any other than the newest the mark means nothing.
func (i Item) Retired() (time.Time, bool) {
	text := i.Tags[series.TagRetired]
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		at = i.Object.Modified
	}
	return at, text != ""
}
