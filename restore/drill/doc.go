// Package drill has the records that restore drills leave beside a series: who proved
// which snapshot, when, with what result, and how long each stage took. Each is one
// small JSON object in a folder of its own, created and never replaced. It has no tags,
// so no rule of a series takes it, and its folder sorts before all snapshots, so no
// listing of a series pages through it.
package drill
