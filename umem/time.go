package umem

import "math"

// Time is a moment on a worker's clock, in nanoseconds: CLOCK_MONOTONIC in
// production, the simulator's clock in tests. Differences are in nanoseconds
// too. It lives here because every frame carries the time of its arrival.
type Time int64

// Units of Time.
const (
	Nanosecond  Time = 1
	Microsecond Time = 1000 * Nanosecond
	Millisecond Time = 1000 * Microsecond
	Second      Time = 1000 * Millisecond
)

// Never is the deadline of something that is not going to happen.
const Never Time = math.MaxInt64
