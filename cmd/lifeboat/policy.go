package main

import (
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
)

// holdFlag says how long a snapshot must have been superseded.
type holdFlag struct {
	Hold duration `default:"4d" placeholder:"4d" group:"Retention" help:"Keep a snapshot at least this long after a newer one replaced it."`
}

// shrinkFlag overrides the shrink guard.
type shrinkFlag struct {
	IgnoreShrink bool `env:"-" help:"Override the shrink guard: the newest snapshot is rightly small."`
}

// policyFlags say how long each class of snapshots is kept.
type policyFlags struct {
	KeepRecent  keep `default:"4d" placeholder:"4d" help:"How long to keep snapshots that are not the last of an hour, day, ..."`
	KeepHourly  keep `default:"4d" placeholder:"4d" help:"How long to keep the last snapshot of each hour."`
	KeepDaily   keep `default:"14d" placeholder:"14d" help:"How long to keep the last snapshot of each day (UTC)."`
	KeepWeekly  keep `default:"60d" placeholder:"60d" help:"How long to keep the last snapshot of each ISO week."`
	KeepMonthly keep `default:"400d" placeholder:"400d" help:"How long to keep the last snapshot of each month."`
	KeepYearly  keep `default:"forever" placeholder:"forever" help:"How long to keep the last snapshot of each year: days, none, or forever."`
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
	return lifecycle.Terms{Policy: p.policy(), Hold: p.holdOf(), Settle: settle}
}

// A keep is lifecycle's as a flag.
type keep struct{ lifecycle.Keep }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *keep) UnmarshalText(text []byte) (err error) {
	k.Keep, err = lifecycle.ParseKeep(string(text))
	return err
}
