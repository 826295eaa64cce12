package tcp

// Control is a congestion control algorithm: a row of controls, by number, so that
// a connection has no pointer to it.
type Control uint8

// The algorithms.
const (
	NewReno Control = iota // RFC 5681, RFC 6582
	numControls
)

// control is where algorithms differ: how the window grows in congestion avoidance,
// and what is left of it after a loss. Slow start, recovery and timeouts are the
// same for all.
type control struct {
	avoid func(c *Congestion, acked, mss int)
	loss  func(c *Congestion, flight, mss int) int
}

var controls = [numControls]control{
	NewReno: {renoAvoid, renoLoss},
}

// Phase says what the sender is recovering from.
type Phase uint8

// The phases.
const (
	Open     Phase = iota // nothing: slow start or congestion avoidance
	Recovery              // a loss that duplicate ACKs told: fast recovery
	Loss                  // a timeout
)

// dupThresh is how many duplicate ACKs mean a loss (RFC 5681, section 3.2).
const dupThresh = 3

// initialWindowOctets bounds the initial window of 10 segments (RFC 6928, section 2).
const initialWindowOctets = 14600

// maxCwnd keeps sums of a window and what is in flight within 31 bits.
const maxCwnd = 1 << 30

// Congestion is the congestion window of one connection. Counts are octets. Init
// comes first.
type Congestion struct {
	cwnd, ssthresh uint32
	acked          uint32 // in congestion avoidance, towards the next segment of growth
	recover        Seq    // the highest sent when the loss was found (RFC 6582, section 3)
	dupACKs        uint8
	phase          Phase
	control        Control
	marked         bool // recover means something
}

// InitialWindow is how much may be sent before the first ACK: 10 segments (RFC 6928), or
// one when the handshake lost a SYN (RFC 5681, section 3.1).
func InitialWindow(mss int, synLost bool) int {
	if synLost {
		return mss
	}
	return min(10*mss, max(2*mss, initialWindowOctets))
}

// Init begins, when the handshake is over.
func (c *Congestion) Init(control Control, mss int, synLost bool) {
	*c = Congestion{control: control, cwnd: uint32(InitialWindow(mss, synLost)), ssthresh: maxCwnd}
}

// Cwnd is how much may be in flight.
func (c *Congestion) Cwnd() int { return int(c.cwnd) }

// Ssthresh is where slow start ends.
func (c *Congestion) Ssthresh() int { return int(c.ssthresh) }

// Phase is what is being recovered from.
func (c *Congestion) Phase() Phase { return c.phase }

// DupACKs is how many duplicate ACKs came in a row.
func (c *Congestion) DupACKs() int { return int(c.dupACKs) }

// OnACK takes an ACK of new data: una is its number, acked how much it newly
// acknowledges, and limited says that the congestion window, and not the
// application or the peer's window, bounded what was in flight before it: else the window
// does not grow (RFC 9293, section 3.8.2; RFC 7661, section 1). flight is what is in
// flight after it. It reports whether the first segment that is not acknowledged is lost, too, and has to be
// sent again now: a partial ACK (RFC 6582, section 3.2, step 3).
func (c *Congestion) OnACK(una Seq, acked, flight, mss int, limited bool) (retransmit bool) {
	c.dupACKs = 0
	c.forget(una)
	switch {
	case c.phase == Recovery && una.After(c.recover):
		c.endRecovery(flight, mss)
		return false
	case c.phase == Recovery:
		c.partial(acked, mss)
		return true
	case c.phase == Loss && una.After(c.recover):
		c.phase = Open
	}
	if limited {
		c.grow(acked, mss)
	}
	return false
}

// endRecovery deflates the window: to what is in flight and one segment more, so that no burst
// follows (RFC 6582, section 3.2, step 3, full acknowledgments, (1)).
func (c *Congestion) endRecovery(flight, mss int) {
	c.phase = Open
	c.setCwnd(min(int(c.ssthresh), max(flight, mss)+mss))
	c.acked = 0
}

// partial deflates by what was acknowledged, and adds a segment back when that was
// one at least.
func (c *Congestion) partial(acked, mss int) {
	n := max(int(c.cwnd)-acked, mss)
	if acked >= mss {
		n += mss
	}
	c.setCwnd(n)
}

// grow lets the window grow by octets acknowledged, not by ACKs (RFC 3465): an ACK in slow start
// counts for two segments, after a timeout for one.
func (c *Congestion) grow(acked, mss int) {
	if c.cwnd >= c.ssthresh {
		controls[c.control].avoid(c, acked, mss)
		return
	}
	most := 2 * mss
	if c.phase == Loss {
		most = mss
	}
	c.setCwnd(int(c.cwnd) + min(acked, most))
}

// renoAvoid adds a segment for each window acknowledged (RFC 5681, section 3.1, by octets).
func renoAvoid(c *Congestion, acked, mss int) {
	c.acked += uint32(acked)
	if c.acked >= c.cwnd {
		c.acked -= c.cwnd
		c.setCwnd(int(c.cwnd) + mss)
	}
}

// renoLoss is equation 4 of RFC 5681.
func renoLoss(_ *Congestion, flight, mss int) int { return max(flight/2, 2*mss) }

// OnDupACK takes a duplicate ACK (as RFC 5681, section 2, has it) of una while nxt
// is what is sent next and flight in flight. It reports whether the first segment
// is lost and has to be sent again now: fast retransmit.
func (c *Congestion) OnDupACK(una, nxt Seq, flight, mss int) (retransmit bool) {
	if c.phase == Recovery { // each has taken a segment off the network
		c.setCwnd(int(c.cwnd) + mss)
		return false
	}
	c.dupACKs = min(c.dupACKs+1, dupThresh+1)
	if c.dupACKs != dupThresh || c.covered(una) {
		return false
	}
	c.ssthresh = uint32(controls[c.control].loss(c, flight, mss))
	c.phase = Recovery
	c.mark(nxt)
	c.setCwnd(int(c.ssthresh) + dupThresh*mss)
	return true
}

// covered reports whether duplicate ACKs of una may come from what was sent again for
// the last loss: an ACK must cover more than recover (RFC 6582, section 3.2, step 2).
func (c *Congestion) covered(una Seq) bool { return c.marked && una.Add(-1).AtMost(c.recover) }

// forget drops recover once it is passed: 2^31 octets on it would be ahead.
func (c *Congestion) forget(una Seq) {
	if c.phase == Open && !c.covered(una) {
		c.marked = false
	}
}

func (c *Congestion) mark(nxt Seq) { c.recover, c.marked = nxt.Add(-1), true }

// OnTimeout takes a retransmission timeout, again when it is not the first for the
// same segment: one segment goes out, and slow start begins (RFC 5681, section 3.1).
func (c *Congestion) OnTimeout(nxt Seq, flight, mss int, again bool) {
	if !again {
		c.ssthresh = uint32(controls[c.control].loss(c, flight, mss))
	}
	c.phase, c.dupACKs, c.acked = Loss, 0, 0
	c.mark(nxt)
	c.setCwnd(mss)
}

// OnIdle restarts after a pause of an RTO or more: what was known of the path is
// old (RFC 5681, section 4.1).
func (c *Congestion) OnIdle(mss int) {
	c.setCwnd(min(int(c.cwnd), InitialWindow(mss, false)))
}

// SetMSS takes a smaller MSS: the window stays a whole segment at least.
func (c *Congestion) SetMSS(mss int) { c.setCwnd(max(int(c.cwnd), mss)) }

func (c *Congestion) setCwnd(n int) { c.cwnd = uint32(min(n, maxCwnd)) }
