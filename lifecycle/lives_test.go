//go:build !race

package lifecycle

// lives is how many lives each half of TestSimulationOfYears has, and enough how many
// differentials they must have.
const lives, enough = 26, 200_000
