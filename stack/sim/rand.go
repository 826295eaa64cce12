package sim

import (
	"math/rand/v2"

	"github.com/xdpstack/xdpstack/umem"
)

// newRand is a stream of random numbers: of one seed, apart from its other
// streams. The wire, the schedule and each stack draw from streams of their own, so
// that a stack that draws one number more does not change what the wire does.
func newRand(seed, stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }

// The streams of a Net. Those of stacks follow.
const (
	streamWire = iota
	streamSchedule
	streamStacks
)

// chance is true with probability p. Nothing is drawn for a p of 0.
func chance(r *rand.Rand, p float64) bool { return p > 0 && r.Float64() < p }

// upTo is a time from 0 to limit, both included. Nothing is drawn for a limit of 0.
func upTo(r *rand.Rand, limit umem.Time) umem.Time {
	if limit <= 0 {
		return 0
	}
	return umem.Time(r.Int64N(int64(limit) + 1))
}
