package main

import "fmt"

// What is asked of this project.
const (
	wantRate   = 0.97 // of each peer's packets per second, at least
	wantCycles = 1    // of each peer's cycles per packet, less than
	wantEchoNs = 250  // of an echo in memory, request and reply, with 32 under way, at most
	wantAllocs = 0.01 // of each echo, less than: a process allocates for itself now and then
	wantPairs  = 5    // of equal tags, for a verdict
	echoTarget = 32   // the window that wantEchoNs is about
)

// verdict is whether something that is asked for was found.
type verdict struct {
	what string
	ok   bool
}

func (v verdict) String() string {
	if v.ok {
		return "yes  " + v.what
	}
	return "NO   " + v.what
}

// verdicts are a test's, for each other contender.
func (r *result) verdicts() (list []verdict) {
	for i, c := range contenders[1:] {
		pairs := r.pairs(i + 1)
		if len(pairs) < wantPairs {
			list = append(list, verdict{fmt.Sprintf("%s beside %s: %d pairs of equal tags, %d are needed", r.test, c.Name, len(pairs), wantPairs), false})
			continue
		}
		rate, cycles := median(pairs, pair.rate), median(pairs, pair.cycles)
		list = append(list,
			verdict{fmt.Sprintf("%s: %.3f of %s's packets per second, %.2f at least", r.test, rate, c.Name, wantRate), rate >= wantRate},
			verdict{fmt.Sprintf("%s: %.3f of %s's cycles per packet, less than %d", r.test, cycles, c.Name, wantCycles), cycles < wantCycles},
		)
	}
	return list
}

// verdicts are those of an echo in memory.
func (r *echoResult) verdicts() (list []verdict) {
	ours := r.of(0)
	if len(r.ratios()) < wantPairs {
		return []verdict{{fmt.Sprintf("echo in memory, window %d: %d pairs, %d are needed", r.window, len(r.ratios()), wantPairs), false}}
	}
	ns, allocs := median(ours, echoRun.cpuNs), median(ours, echoRun.allocs)
	if r.window == echoTarget {
		list = append(list, verdict{fmt.Sprintf("echo in memory, window %d: %.0f ns, %d at most", r.window, ns, wantEchoNs), ns <= wantEchoNs})
	}
	return append(list, verdict{fmt.Sprintf("echo in memory, window %d: %.4f allocations, none", r.window, allocs), allocs < wantAllocs})
}

func (r echoRun) cpuNs() float64  { return r.CPUNs }
func (r echoRun) wallNs() float64 { return r.WallNs }
func (r echoRun) allocs() float64 { return r.Allocations }
