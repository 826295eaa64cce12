package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/xdpstack/xdpstack/bench"
	"github.com/xdpstack/xdpstack/bench/peers/contender"
)

// limits bound the measurement.
type limits struct {
	pairs  int           // of each comparison
	rounds int           // at most, to get them
	each   time.Duration // at most, for all rounds of a test
}

// contenders in their order. Each of the others is compared with the first.
var contenders = []contender.Contender{contender.XDPStack, contender.Testpmd, contender.Asavie}

// result is all rounds of a test.
type result struct {
	test   contender.Test
	rounds [][]run // each in the order of contenders
}

// pair is two runs of one round with equal tags: the first contender's, and another's.
type pair struct{ ours, theirs *run }

// usable reports whether the runs compare.
func (p pair) usable() bool {
	return p.ours.usable() && p.theirs.usable() && p.ours.distance.Tag == p.theirs.distance.Tag
}

// usable reports whether the run compares with any.
func (r *run) usable() bool {
	return r.err == nil && (r.distance.Tag == bench.Near || r.distance.Tag == bench.Far)
}

// rate and cycles are ratios, ours by theirs.
func (p pair) rate() float64   { return per(p.ours.mpps(), p.theirs.mpps()) }
func (p pair) cycles() float64 { return per(p.ours.cycles(), p.theirs.cycles()) }

// pairs are the usable ones with contender i.
func (r *result) pairs(i int) (list []pair) {
	for n := range r.rounds {
		round := r.rounds[n]
		if p := (pair{&round[0], &round[i]}); p.usable() {
			list = append(list, p)
		}
	}
	return list
}

// enough reports whether each comparison has n pairs.
func (r *result) enough(n int) bool {
	for i := 1; i < len(contenders); i++ {
		if len(r.pairs(i)) < n {
			return false
		}
	}
	return true
}

// compare measures rounds of a test until there are enough pairs, or a limit says so. It
// tells progress of each run.
func compare(ctx context.Context, test contender.Test, lim limits, progress io.Writer) result {
	r := result{test: test}
	end := time.Now().Add(lim.each)
	for len(r.rounds) < lim.rounds && !r.enough(lim.pairs) && time.Now().Before(end) && ctx.Err() == nil {
		round := make([]run, 0, len(contenders))
		for _, c := range contenders {
			fits := func(one *run) bool {
				return one.usable() && (len(round) == 0 || one.distance.Tag == round[0].distance.Tag)
			}
			round = append(round, persist(attempts, fits, func() run {
				one := measure(ctx, c, test)
				fmt.Fprintf(progress, "%s %d %s\n", test, len(r.rounds)+1, &one)
				return one
			}))
		}
		r.rounds = append(r.rounds, round)
	}
	return r
}

// attempts is how often a run is made at most, until it compares with the round's first.
const attempts = 3

// persist makes a run again until it fits, n times at most, and returns the last.
func persist(n int, fits func(*run) bool, attempt func() run) (last run) {
	for range n {
		if last = attempt(); fits(&last) {
			break
		}
	}
	return last
}

// String is a line of progress.
func (r *run) String() string {
	s := fmt.Sprintf("%-8s %-5s %6.2f Mpps %6.0f cycles", r.contender, r.distance.Tag, r.mpps(), r.cycles())
	if r.err != nil {
		s += " " + r.err.Error()
	}
	return s
}

// median of what f says of each; 0 of none.
func median[T any](list []T, f func(T) float64) float64 {
	if len(list) == 0 {
		return 0
	}
	values := make([]float64, 0, len(list))
	for _, v := range list {
		values = append(values, f(v))
	}
	slices.Sort(values)
	half := len(values) / 2
	if len(values)%2 == 1 {
		return values[half]
	}
	return (values[half-1] + values[half]) / 2
}
