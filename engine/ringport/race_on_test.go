//go:build race

package ringport_test

const raceEnabled = true
