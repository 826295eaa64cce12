package engine

import "github.com/xdpstack/xdpstack/umem"

// SetSeams sets what a worker calls on its way to sleep: when it has decided to, when it has
// said so, and when it has looked once more and is about to block.
func (w *Worker) SetSeams(decided, said, looked func()) {
	w.seams = seams{decided: decided, said: said, looked: looked}
}

// CheckCoresOf is checkCores, for a machine that this is not.
var CheckCoresOf = checkCores

// SleepFor blocks as the worker does, for a time.
func (w *Worker) SleepFor(d umem.Time) { w.sleeper.wait(d) }
