package sim

import (
	"slices"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/umem"
)

// TestQueueKeepsTimeAndOrder compares the heap with a stable sort.
func TestQueueKeepsTimeAndOrder(t *testing.T) {
	r := newRand(testenv.Seed(t), 0)
	for range 200 {
		var q queue
		var want, got []event
		for n := r.IntN(100); len(want) < n; {
			at := umem.Time(r.IntN(20))
			q.push(at, nil)
			want = append(want, event{at: at, seq: uint64(len(want) + 1)})
		}
		slices.SortStableFunc(want, func(a, b event) int { return int(a.at - b.at) })
		for q.next() != umem.Never {
			got = append(got, q.pop())
		}
		if len(got) != len(want) {
			t.Fatalf("%d events came out of %d", len(got), len(want))
		}
		for i := range got {
			if got[i].at != want[i].at || got[i].seq != want[i].seq {
				t.Fatalf("event %d is number %d of time %d, want number %d of time %d",
					i, got[i].seq, got[i].at, want[i].seq, want[i].at)
			}
		}
	}
}
