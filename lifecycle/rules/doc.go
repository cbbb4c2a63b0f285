// Package rules has the lifecycle rules of a bucket that carry out a retention policy.
// They are written once, with an administrator's credentials:
//
//	p, err := rules.OfSeries(bucket).Propose(ctx, lifecycle.Options{Terms: terms}, rules.DefaultNoncurrent)
//	notes, err := p.Apply(ctx)
//
// Freeze disables them on the worst day, and Thaw enables them again. Rules of other
// series and of other tools are carried over as they are.
package rules
