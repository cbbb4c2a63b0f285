package main

import (
	"context"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle/rules"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// holdFlag is how long a snapshot must have had a newer one before it is released.
type holdFlag struct {
	Hold duration `default:"4d" placeholder:"4d" group:"Retention" help:"Keep a snapshot at least this long after a newer one replaced it."`
}

// shrinkFlag overrides the shrink guard.
type shrinkFlag struct {
	IgnoreShrink bool `env:"-" help:"Override the shrink guard: the small one is right."`
}

// policyFlags are how long each class of snapshots is kept.
type policyFlags struct {
	KeepRecent  keepFlag `default:"4d" placeholder:"4d" help:"How long to keep snapshots that are not the first of an hour, day, ..."`
	KeepHourly  keepFlag `default:"6d" placeholder:"6d" help:"How long to keep the first snapshot of each hour."`
	KeepDaily   keepFlag `default:"14d" placeholder:"14d" help:"How long to keep the first snapshot of each day (UTC)."`
	KeepWeekly  keepFlag `default:"60d" placeholder:"60d" help:"How long to keep the first snapshot of each ISO week."`
	KeepMonthly keepFlag `default:"400d" placeholder:"400d" help:"How long to keep the first snapshot of each month."`
	KeepYearly  keepFlag `default:"forever" placeholder:"forever" help:"How long to keep the first snapshot of each year: days, none, or forever."`
	holdFlag
}

// Validate implements kong's check of flags that depend on each other.
func (p *policyFlags) Validate() error { return p.policy().Validate(time.Duration(p.Hold)) }

func (p *policyFlags) policy() lifecycle.Policy {
	return lifecycle.Policy{
		lifecycle.Recent: p.KeepRecent.Keep, lifecycle.Hourly: p.KeepHourly.Keep, lifecycle.Daily: p.KeepDaily.Keep,
		lifecycle.Weekly: p.KeepWeekly.Keep, lifecycle.Monthly: p.KeepMonthly.Keep, lifecycle.Yearly: p.KeepYearly.Keep,
	}
}

func (p *policyFlags) terms() lifecycle.Terms {
	return lifecycle.Terms{Policy: p.policy(), Hold: p.holdOf()}
}

// settle is how long apply, freeze, pin and unpin watch whether what they have
// written lasts.
var settle = series.Settle

// A keepFlag is lifecycle's as a flag.
type keepFlag struct{ lifecycle.Keep }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *keepFlag) UnmarshalText(text []byte) (err error) {
	k.Keep, err = lifecycle.ParseKeep(string(text))
	return err
}

// holdOf returns the hold as package lifecycle takes it.
func (h holdFlag) holdOf() time.Duration { return h.Hold.or(lifecycle.NoHold) }

// bucketPolicy returns the policy that the bucket's own rules carry out, nil
// where there are no rules.
func bucketPolicy(ctx context.Context, b bucket.Bucket) (lifecycle.Policy, error) {
	if _, ok := bucket.As[bucket.Ruled](b); !ok {
		return nil, nil
	}
	has, err := rules.OfSeries(b).Read(ctx)
	if err != nil {
		return nil, err
	}
	if len(has.Rules())+len(has.Around()) == 0 {
		return nil, nil
	}
	return has.Policy(), nil
}
