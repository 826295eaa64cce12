package tcp

import (
	"testing"

	"github.com/xdpstack/xdpstack/umem"
	"pgregory.net/rapid"
)

const rtoMin = 200 * umem.Millisecond

// TestRTOBeforeSamples: a second; 3 s after a SYN that was lost; doubled up to 120 s.
func TestRTOBeforeSamples(t *testing.T) {
	var r RTT
	for _, want := range []umem.Time{1, 2, 4, 8, 16, 32, 64, 120, 120} {
		if got := r.RTO(rtoMin); got != want*umem.Second {
			t.Errorf("after %d timeouts the RTO is %d ns, not %d s", r.Backoffs(), got, want)
		}
		r.Backoff()
	}
	for range 300 {
		r.Backoff()
	}
	if got := r.RTO(rtoMin); got != 120*umem.Second {
		t.Errorf("after many timeouts the RTO is %d ns", got)
	}
	r.Established(true)
	if got := r.RTO(rtoMin); got != 3*umem.Second {
		t.Errorf("after a lost SYN the RTO is %d ns", got)
	}
	r.Backoff()
	r.Sample(10 * umem.Millisecond)
	if got := r.RTO(rtoMin); got != 210*umem.Millisecond {
		t.Errorf("after a sample the RTO is %d ns", got)
	}
}

// TestRTTAgainstFormulas of RFC 6298, section 2, in floating point.
func TestRTTAgainstFormulas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r RTT
		var srtt, rttvar float64
		for i, us := range rapid.SliceOfN(rapid.Int64Range(0, 120e6), 1, 50).Draw(t, "samples") {
			r.Sample(umem.Time(us) * umem.Microsecond)
			x := float64(us)
			if i == 0 {
				srtt, rttvar = x, x/2
			} else {
				d := srtt - x
				if d < 0 {
					d = -d
				}
				rttvar = 0.75*rttvar + 0.25*d
				srtt = 0.875*srtt + 0.125*x
			}
			near(t, "SRTT", r.SRTT(), srtt)
			near(t, "RTTVAR", r.RTTVar(), rttvar)
			if rto := r.RTO(rtoMin); rto > maxRTO || rto < min(r.SRTT()+rtoMin, maxRTO) {
				t.Fatalf("the RTO is %d ns with an SRTT of %d ns", rto, r.SRTT())
			}
		}
	})
}

// near allows for the fractions of a microsecond that are cut off.
func near(t *rapid.T, what string, got umem.Time, us float64) {
	if d := float64(got)/1000 - us; d > 5 || d < -5 {
		t.Fatalf("%s is %d ns, not %.1f µs", what, got, us)
	}
}

// TestSteadyPathKeepsRoom: with no variation at all the timeout stays above the
// round trip by the minimum.
func TestSteadyPathKeepsRoom(t *testing.T) {
	var r RTT
	for range 100 {
		r.Sample(500 * umem.Millisecond)
	}
	if got := r.RTO(rtoMin); got != 700*umem.Millisecond || r.Last() != 500*umem.Millisecond || !r.Sampled() {
		t.Errorf("the RTO is %d ns", got)
	}
}
