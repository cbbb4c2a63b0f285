package lifecycle

import "github.com/lifeboat-sqlite/lifeboat/upload/series"

// A Class is how long a snapshot is to be kept, fixed when it is taken.
type Class = series.Class

// The classes: see package series.
const (
	Recent  = series.Recent
	Hourly  = series.Hourly
	Daily   = series.Daily
	Weekly  = series.Weekly
	Monthly = series.Monthly
	Yearly  = series.Yearly
)

// Classes returns all classes, from the shortest to the longest.
func Classes() []Class { return series.Classes() }
