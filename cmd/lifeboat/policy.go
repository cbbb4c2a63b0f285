package main

import (
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
)

// holdFlag says how long a snapshot must have been superseded.
type holdFlag struct {
	Hold duration `default:"4d" placeholder:"4d" help:"How long after it was superseded one may go."`
}

// shrinkFlag overrides the shrink guard.
type shrinkFlag struct {
	IgnoreShrink bool `env:"-" help:"Go on although the newest snapshot is less than half as large as one that would go."`
}

// policyFlags say how long each class of snapshots is kept.
type policyFlags struct {
	KeepRecent  keep `default:"4d" placeholder:"4d" help:"Keep snapshots that are none of the following."`
	KeepHourly  keep `default:"4d" placeholder:"4d" help:"Keep the last snapshot of each hour."`
	KeepDaily   keep `default:"14d" placeholder:"14d" help:"Keep the last snapshot of each day (UTC)."`
	KeepWeekly  keep `default:"60d" placeholder:"60d" help:"Keep the last snapshot of each ISO week."`
	KeepMonthly keep `default:"400d" placeholder:"400d" help:"Keep the last snapshot of each month."`
	KeepYearly  keep `default:"forever" placeholder:"forever" help:"Keep the last snapshot of each year. Days, none, or forever."`
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
