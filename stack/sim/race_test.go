//go:build race

package sim

// raceDetector: runs are ten times slower, and there is one goroutine to watch.
const raceDetector = true
