package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle/lifecycletest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// A life is a world, the jobs in it, and what goes wrong there.
type life struct {
	*world
	release func(*life) error
	hold    time.Duration
	pace    time.Duration // from one run of the job to the next, about
	content int           // the database's present state
	changes float64       // how probable it is that a run finds another one
	known   map[snapshot.ID]bool
	pending []sending
	dead    time.Time // until then no release works
	quiet   time.Time // until then nothing changes
	before  time.Time // when the last run was
	tail    []series.Snapshot

	differentials, fulls, void int
}

// A sending is on its way into the bucket.
type sending struct {
	*shipped
	arrives time.Time
	killed  bool // its job, before it looks at what it has done
}

// newLife begins a series under random terms.
func newLife(r *rand.Rand, release func(*life) error) *life {
	pick := func(of ...time.Duration) time.Duration { return of[r.IntN(len(of))] }
	l := &life{
		world: newWorld(r), release: release, known: map[snapshot.ID]bool{}, changes: 0.6 + 0.4*r.Float64(),
		hold: pick(day, 2*day, 4*day), pace: pick(20*time.Minute, time.Hour, 2*time.Hour, 3*time.Hour, 4*time.Hour, 8*time.Hour, day),
	}
	l.now = lifecycletest.At("2025-11-20").Add(time.Duration(r.Int64N(int64(400 * day))))
	l.eager = r.IntN(2) == 0
	l.late = pick(0, day, 2*day)
	l.editPolicy()
	return l
}

// editPolicy chooses another policy that the ladder allows, often the least.
func (l *life) editPolicy() {
	p := Policy{Recent: Keep(int(l.hold/day) + l.r.IntN(3))}
	for _, c := range Classes()[1:] {
		if l.r.IntN(2) == 0 {
			p[c] = p.least(c) + Keep(l.r.IntN(10)*l.r.IntN(2))
		}
	}
	l.keep = map[string]Keep{}
	for _, c := range Classes() {
		l.keep[string(c)] = p.Keep(c)
	}
}

func (l *life) chance(p float64) bool { return l.r.Float64() < p }

func (l *life) upTo(d time.Duration) time.Duration { return time.Duration(l.r.Int64N(int64(d))) }

// step lets the time until the next run of the job go by, and runs it.
func (l *life) step() error {
	l.pass(l.pace/2 + l.upTo(l.pace))
	if l.chance(0.002) {
		l.pass(l.upTo(30 * day)) // no job runs
	}
	if l.chance(0.003) {
		l.quiet = l.now.Add(l.upTo(20 * day))
	}
	if l.chance(0.003) {
		l.dead = l.now.Add(l.upTo(40 * day))
	}
	if l.chance(0.002) {
		l.editPolicy()
	}
	if l.chance(0.01) {
		clear(l.known)
	}
	if l.now.After(l.quiet) && l.chance(l.changes) {
		l.content++
	}
	for n := 1; n > 0 && !l.chance(0.02); n-- {
		l.backup()
		if l.chance(0.01) {
			n++ // a second job that sees nothing of the first
		}
	}
	if err := l.pins(); err != nil {
		return err
	}
	if l.now.Before(l.dead) || !l.chance(0.1) {
		return nil
	}
	if l.chance(0.2) {
		l.writes = l.r.IntN(30)
	}
	if l.chance(0.2) {
		l.between = l.backup // after the release has listed, before it writes
	}
	err := l.release(l)
	l.between = nil
	if err == nil && l.chance(0.02) {
		l.allReleased()
	}
	return l.alive(err)
}

// allReleased notes what is due although a release has just ended well. What was
// pinned, and a broken one, which a base that went can make due in the past, are left to
// a release of all.
func (l *life) allReleased() {
	var objects []bucket.Object
	for _, s := range l.objects {
		if !s.gone {
			objects = append(objects, s.object)
		}
	}
	items := heldItems(series.Of(objects, l.now))
	for i := range items {
		items[i].Tags[series.TagRetention] = l.ids[items[i].ID].retention
	}
	for _, d := range Decide(items, l.options().Terms, l.now) {
		if d.Action == ActRelease && d.Counts() && !l.ids[d.ID].pinned {
			l.lost = append(l.lost, fmt.Sprintf("%s: a release has not reached %s, due at %s", l.now.Format(time.RFC3339), d.Object.Name, d.Due.Format(time.RFC3339)))
		}
	}
}

// alive forgets that a process was killed.
func (l *life) alive(err error) error {
	l.writes = -1
	if errors.Is(err, errKilled) {
		return nil
	}
	return err
}

// pass lets uploads arrive and rules work until later.
func (l *life) pass(d time.Duration) {
	for until := l.now.Add(d); ; {
		next := -1
		for i, u := range l.pending {
			if !u.arrives.After(until) && (next < 0 || u.arrives.Before(l.pending[next].arrives)) {
				next = i
			}
		}
		if next < 0 {
			l.until(until)
			return
		}
		u := l.pending[next]
		l.pending = slices.Delete(l.pending, next, next+1)
		l.until(u.arrives)
		l.arrived(u)
	}
}

// until moves the clock, and applies the rules at each midnight that it passes.
func (l *life) until(t time.Time) {
	for midnight := Daily.Start(l.now).Add(day); !midnight.After(t); midnight = midnight.Add(day) {
		l.now = midnight
		l.applyRules()
	}
	l.now = t
}

// recent returns the newest part of the series: the last two weeks, or all if nothing
// in those counts.
func (l *life) recent() []series.Snapshot {
	for _, s := range l.went {
		if len(l.above[s.ID]) > 0 {
			l.tail = nil
			break
		}
		l.tail = slices.DeleteFunc(l.tail, func(other series.Snapshot) bool { return other.ID == s.ID })
	}
	l.went = nil
	if len(l.tail) > 0 && l.tail[0].ID.Time().Before(Weekly.Start(l.now)) && !l.tail[0].ID.Time().Before(l.now.Add(-30*day)) {
		return l.tail
	}
	for _, from := range []time.Time{Weekly.Start(l.now).Add(-7 * day), {}} {
		first, _ := slices.BinarySearchFunc(l.objects, from.Format("20060102T150405Z"), byName)
		var objects []bucket.Object
		for _, s := range l.objects[first:] {
			if !s.gone {
				objects = append(objects, s.object)
			}
		}
		l.tail = series.Of(objects, l.now)
		if _, found := series.NewestOf(l.tail); found {
			break
		}
	}
	return l.tail
}

// backup is one run of the job: what package upload does.
func (l *life) backup() {
	tail := l.recent()
	newest, found := series.NewestOf(tail)
	var previous time.Time
	if found {
		previous = newest.ID.Time()
		if !l.now.Truncate(time.Second).After(previous) {
			return
		}
	}
	class := series.ClassAt(previous, l.now)
	if found {
		last := l.ids[newest.ID]
		if last.content == l.content && series.IsHeld(last.retention) && !(class.Longer(Hourly) && class.Longer(last.Class)) {
			l.ran(last.Class)
			return
		}
	}
	s := &shipped{Name: series.Name{ID: snapshot.NewID(l.now), Class: class}, content: l.content}
	week, _ := slices.BinarySearchFunc(tail, snapshot.ID(Weekly.Start(l.now).Format("20060102T150405Z")), func(s series.Snapshot, id snapshot.ID) int {
		return strings.Compare(string(s.ID), string(id))
	})
	for _, base := range series.Bases(tail[week:], class, l.now) {
		if l.known[base.ID] && l.holds(l.ids[base.ID]) {
			s.Base = base.ID
			break
		}
	}
	if s.Full() && Daily.Longer(class) {
		s.Class = l.raised(tail, class)
	}
	l.ran(s.Class)
	took := time.Second + l.upTo(20*time.Minute)
	if l.chance(0.01) {
		took = l.upTo(30 * time.Hour)
	}
	l.pending = append(l.pending, sending{s, l.now.Add(took), l.chance(0.02)})
}

// raised returns the class of a snapshot that is full for want of a base.
func (l *life) raised(tail []series.Snapshot, class Class) Class {
	today := 0
	for _, s := range slices.Backward(tail) {
		if s.ID.Time().Before(Daily.Start(l.now)) {
			break
		}
		if !Daily.Longer(s.Class) {
			today++
		}
	}
	if today < 2 {
		return Daily
	}
	return class
}

// holds reports whether a snapshot and all that it stands on are there, and held or
// pinned.
func (l *life) holds(s *shipped) bool {
	for {
		if s == nil || !series.IsHeld(s.retention) && s.retention != series.Pinned {
			return false
		}
		if s.Full() {
			return true
		}
		s = l.ids[s.Base]
	}
}

// arrived ends an upload. Its job looks at what it stands on once more.
func (l *life) arrived(u sending) {
	size := int64(1000)
	if !u.Full() {
		size = 10
		l.differentials++
	} else {
		l.fulls++
	}
	l.arrive(u.shipped, size)
	l.link(u.shipped)
	late := u.object.Modified.Sub(u.ID.Time()) > day
	switch {
	case u.Full():
	case !l.holds(l.ids[u.Base]), late:
		u.void = true
		l.void++
		if !u.killed {
			l.tail = nil
			again := &shipped{Name: series.Name{ID: snapshot.NewID(l.now.Add(time.Second)), Class: Recent}, content: l.content}
			if newest, found := series.NewestOf(l.recent()); found {
				again.Class = series.ClassAt(newest.ID.Time(), again.ID.Time())
			}
			l.ran(again.Class)
			l.pending = append(l.pending, sending{again, l.now.Add(time.Minute), false})
		}
		return
	}
	if !u.killed {
		l.known[u.ID] = true
	}
}

// link adds a snapshot that has arrived to the tail that is known.
func (l *life) link(s *shipped) {
	if len(l.tail) == 0 || s.ID < l.tail[len(l.tail)-1].ID {
		l.tail = nil
		return
	}
	objects := []bucket.Object{s.object}
	for base := l.ids[s.Base]; base != nil; base = l.ids[base.Base] {
		objects = append(objects, base.object)
	}
	linked := series.Of(objects, l.now)
	l.tail = append(l.tail, linked[len(linked)-1])
}

// ran notes a run that keeps the present content as that class. If a day or a longer
// period has begun since the last run, this is what was current then.
func (l *life) ran(as Class) {
	for _, c := range Classes()[2:] {
		if !l.before.IsZero() && c.Start(l.now).After(c.Start(l.before)) && c.Longer(as) {
			l.lost = append(l.lost, fmt.Sprintf("%s: what was current when a %s period began is kept as %s", l.now.Format(time.RFC3339), c, as))
		}
	}
	l.before = l.now
}

// pins pins or unpins a snapshot now and then, and may be killed at it.
func (l *life) pins() error {
	if !l.chance(0.004) || len(l.objects) == 0 {
		return nil
	}
	s := l.objects[l.r.IntN(len(l.objects))]
	if s.over || s.void || s.gone {
		return nil
	}
	if l.chance(0.3) {
		l.writes = l.r.IntN(5)
	}
	o := Options{Terms: Terms{Hold: l.hold}, Settle: 1}
	_, err := Pin(context.Background(), l, s.ID, o)
	if s.retention == series.Pinned && l.chance(0.8) {
		l.writes = -1
		if l.chance(0.3) {
			l.writes = l.r.IntN(3)
		}
		_, err = Unpin(context.Background(), l, s.ID, o)
	}
	if errors.Is(err, ErrNeeded) {
		err = nil
	}
	return l.alive(err)
}

// end lets the job make a last, full snapshot, and ends all pins. Then one release, and
// one of all, must leave nothing that is due.
func (l *life) end() error {
	l.pass(2 * day)
	for _, s := range slices.Backward(l.objects) {
		if s.retention == series.Pinned {
			s.retention = series.Held(s.Class)
		}
	}
	l.arrive(&shipped{Name: series.Name{ID: snapshot.NewID(l.now.Add(time.Second)), Class: Yearly}}, 1000)
	for range 2 { // the second for those that are held again because the newest had gone
		l.pass(l.hold + time.Hour)
		if err := l.alive(l.release(l)); err != nil {
			return err
		}
	}
	l.allReleased()
	if _, err := ReleaseAll(context.Background(), l, l.options()); err != nil {
		return err
	}
	for _, s := range l.objects[:len(l.objects)-1] {
		if !s.gone && s.retention != string(s.Class) {
			return fmt.Errorf("%s is %s and never released", s.object.Name, s.retention)
		}
	}
	return nil
}

func (l *life) options() Options {
	return Options{Terms: Terms{Hold: l.hold, IgnoreShrink: true}, Settle: 1}
}
