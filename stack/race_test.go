//go:build race

package stack

// raceEnabled: the race detector's shadow memory makes a cycle of the collector
// slower than it is.
const raceEnabled = true
