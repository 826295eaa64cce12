package tcp

import (
	"testing"

	"pgregory.net/rapid"
)

func newReno(mss int) *Congestion {
	c := new(Congestion)
	c.Init(NewReno, mss, false)
	return c
}

func TestInitialWindow(t *testing.T) {
	for _, tt := range []struct {
		mss  int
		lost bool
		want int
	}{{1460, false, 14600}, {536, false, 5360}, {1220, false, 12200}, {2190, false, 14600}, {8960, false, 17920}, {1460, true, 1460}} {
		if got := InitialWindow(tt.mss, tt.lost); got != tt.want {
			t.Errorf("an MSS of %d, SYN lost %v: %d octets, not %d", tt.mss, tt.lost, got, tt.want)
		}
	}
}

// TestSlowStartDoubles: each round trip, by ACKs of two segments; an ACK of more
// counts for two; and not when the window was not used.
func TestSlowStartDoubles(t *testing.T) {
	c := newReno(1000)
	una := Seq(1)
	for range 5 {
		una = una.Add(2000)
		c.OnACK(una, 2000, 8000, 1000, true)
	}
	if c.Cwnd() != 20000 {
		t.Errorf("after a window of ACKs cwnd is %d", c.Cwnd())
	}
	c.OnACK(una.Add(9000), 9000, 0, 1000, true)
	if c.Cwnd() != 22000 {
		t.Errorf("an ACK of 9 segments made cwnd %d", c.Cwnd())
	}
	c.OnACK(una.Add(10000), 1000, 0, 1000, false)
	if c.Cwnd() != 22000 {
		t.Errorf("cwnd grew to %d although it was not used", c.Cwnd())
	}
}

// TestAvoidanceAddsOneSegment a round trip.
func TestAvoidanceAddsOneSegment(t *testing.T) {
	c := newReno(1000)
	c.ssthresh = 10000
	una := Seq(0)
	for round := range 10 {
		for acked, window := 0, c.Cwnd(); acked < window; acked += 1000 {
			una = una.Add(1000)
			c.OnACK(una, 1000, window, 1000, true)
		}
		if want := 10000 + 1000*(round+1); c.Cwnd() != want {
			t.Fatalf("after round trip %d cwnd is %d, not %d", round+1, c.Cwnd(), want)
		}
	}
}

// TestFastRecovery step by step, at a number where everything wraps (RFC 6582,
// section 3.2).
func TestFastRecovery(t *testing.T) {
	c := newReno(1000)
	una := Seq(0).Add(-5000)
	nxt := una.Add(10000)
	for i := range 2 {
		if c.OnDupACK(una, nxt, 10000, 1000) {
			t.Fatalf("duplicate ACK %d means a loss", i+1)
		}
	}
	if !c.OnDupACK(una, nxt, 10000, 1000) || c.Phase() != Recovery || c.Ssthresh() != 5000 || c.Cwnd() != 8000 {
		t.Fatalf("after the third: %+v", c)
	}
	for range 4 {
		if c.OnDupACK(una, nxt, 10000, 1000) {
			t.Fatal("sent again twice")
		}
	}
	if c.Cwnd() != 12000 {
		t.Errorf("inflated to %d", c.Cwnd())
	}
	if !c.OnACK(una.Add(3000), 3000, 9000, 1000, true) || c.Cwnd() != 10000 || c.Phase() != Recovery {
		t.Errorf("after a partial ACK: %+v", c)
	}
	if c.OnACK(nxt, 7000, 2000, 1000, true) || c.Cwnd() != 3000 || c.Phase() != Open {
		t.Errorf("after a full ACK: %+v", c)
	}
	// What was sent before recover gives no second recovery; what comes after does.
	if dup3(c, nxt, nxt.Add(5000)) {
		t.Error("duplicate ACKs of the old window began a recovery")
	}
	c.OnACK(nxt.Add(1000), 1000, 4000, 1000, true)
	if !dup3(c, nxt.Add(1000), nxt.Add(5000)) || c.Ssthresh() != 2000 {
		t.Errorf("a new loss was not found: %+v", c)
	}
}

func dup3(c *Congestion, una, nxt Seq) (retransmit bool) {
	for range dupThresh {
		retransmit = c.OnDupACK(una, nxt, 4000, 1000)
	}
	return retransmit
}

// TestTimeout: one segment, then slow start by single segments up to half of what
// was in flight, held while the same segment times out again.
func TestTimeout(t *testing.T) {
	c := newReno(1000)
	c.OnTimeout(20000, 20000, 1000, false)
	if c.Cwnd() != 1000 || c.Ssthresh() != 10000 || c.Phase() != Loss {
		t.Errorf("after a timeout: %+v", c)
	}
	c.OnTimeout(20000, 1000, 1000, true)
	if c.Ssthresh() != 10000 {
		t.Errorf("a second timeout made ssthresh %d", c.Ssthresh())
	}
	c.OnACK(4000, 4000, 1000, 1000, true)
	if c.Cwnd() != 2000 {
		t.Errorf("cwnd is %d", c.Cwnd())
	}
	if dup3(c, 4000, 20000) {
		t.Error("duplicate ACKs that going back made began a recovery")
	}
	if c.OnACK(20000, 16000, 0, 1000, true) || c.Phase() != Open {
		t.Errorf("all acknowledged: %+v", c)
	}
}

func TestIdleRestarts(t *testing.T) {
	c := newReno(1000)
	c.cwnd = 80000
	c.OnIdle(1000)
	if c.Cwnd() != 10000 {
		t.Errorf("cwnd is %d after a pause", c.Cwnd())
	}
	c.cwnd = 500
	if c.SetMSS(536); c.Cwnd() != 536 {
		t.Errorf("cwnd is %d below the MSS", c.Cwnd())
	}
}

// TestWindowStaysInBounds whatever comes: a segment at least, never beyond 2^30, and ssthresh two segments
// at least; a recovery ends by an ACK of everything.
func TestWindowStaysInBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mss := rapid.IntRange(64, 9000).Draw(t, "mss")
		c := newReno(mss)
		una := Seq(rapid.Uint32().Draw(t, "iss"))
		nxt := una
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			nxt = nxt.Add(rapid.IntRange(0, c.Cwnd()+mss).Draw(t, "sent") % (1 << 20))
			flight := nxt.Sub(una)
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				n := rapid.IntRange(0, flight).Draw(t, "acked")
				if n == 0 {
					continue
				}
				una = una.Add(n)
				again := c.OnACK(una, n, flight-n, mss, rapid.Bool().Draw(t, "limited"))
				if una == nxt && (again || c.Phase() != Open) {
					t.Fatalf("all is acknowledged: send again %v, %+v", again, c)
				}
			case 2:
				if flight > 0 {
					c.OnDupACK(una, nxt, flight, mss)
				}
			case 3:
				if flight > 0 {
					c.OnTimeout(nxt, flight, mss, rapid.Bool().Draw(t, "again"))
				}
			}
			if c.Cwnd() < mss || c.Cwnd() > maxCwnd || c.Ssthresh() < 2*mss {
				t.Fatalf("cwnd %d, ssthresh %d with an MSS of %d", c.Cwnd(), c.Ssthresh(), mss)
			}
		}
	})
}
