//go:build race

package lifecycle

// lives is how many lives each half of TestSimulationOfYears has: under the race
// detector, where each takes ten times as long, a few. enough is how many differentials
// they must have.
const lives, enough = 3, 20_000
