package tcp

import "github.com/xdpstack/xdpstack/umem"

// Bounds of the retransmission timeout (RFC 6298).
const (
	initialRTO = umem.Second       // (2.1)
	synLostRTO = 3 * umem.Second   // (5.7)
	maxRTO     = 120 * umem.Second // (2.5): as Linux's TCP_RTO_MAX
)

// maxBackoff is more doublings than lead from any RTO to maxRTO.
const maxBackoff = 20

// RTT estimates round-trip times and what to wait for an acknowledgment (RFC
// 6298). The zero RTT is ready. It is 16 octets: times are in microseconds, SRTT in
// eighths and RTTVAR in quarters of one, as Jacobson's code has them.
type RTT struct {
	srtt, rttvar uint32
	sampled      bool
	synLost      bool
	backoff      uint8
	_            uint8
	last         uint32 // the last sample, in microseconds
}

// Sample takes a measured round-trip time: of a segment sent once (Karn's
// algorithm, section 3, is the caller's). It ends the backoff.
func (r *RTT) Sample(rtt umem.Time) {
	us := uint32(min(max(rtt, 0), maxRTO) / umem.Microsecond)
	r.backoff, r.last = 0, us
	if !r.sampled { // (2.2)
		r.sampled = true
		r.srtt, r.rttvar = us*8, us*2
		return
	}
	srtt := r.srtt / 8 // (2.3): RTTVAR before SRTT
	r.rttvar += max(srtt, us) - min(srtt, us) - r.rttvar/4
	r.srtt += us - srtt
}

// Sampled reports whether there was any sample.
func (r *RTT) Sampled() bool { return r.sampled }

// SRTT is the smoothed round-trip time; 0 before the first sample.
func (r *RTT) SRTT() umem.Time { return umem.Time(r.srtt) * umem.Microsecond / 8 }

// RTTVar is the variation.
func (r *RTT) RTTVar() umem.Time { return umem.Time(r.rttvar) * umem.Microsecond / 4 }

// Last is the sample taken last.
func (r *RTT) Last() umem.Time { return umem.Time(r.last) * umem.Microsecond }

// Base is the timeout without backoff. least is a floor for the variation's part, as in
// Linux, and so for the whole: a path whose round trips are all alike would
// otherwise leave no room for a delayed ACK. It takes the place of the clock's
// granularity (2.3), too.
func (r *RTT) Base(least umem.Time) umem.Time {
	switch {
	case r.sampled:
		return min(r.SRTT()+max(least, 4*r.RTTVar()), maxRTO)
	case r.synLost:
		return synLostRTO
	}
	return max(initialRTO, least)
}

// RTO is the retransmission timeout now.
func (r *RTT) RTO(least umem.Time) umem.Time {
	return min(r.Base(least)<<r.backoff, maxRTO)
}

// Backoff doubles the timeout (5.5).
func (r *RTT) Backoff() { r.backoff = min(r.backoff+1, maxBackoff) }

// Backoffs is how often it was doubled since the last sample.
func (r *RTT) Backoffs() int { return int(r.backoff) }

// Established ends the handshake: a SYN that had to be sent again gave no sample,
// and data begins with 3 s (5.7). The backoff of the SYN is over.
func (r *RTT) Established(synLost bool) {
	r.synLost = synLost
	r.backoff = 0
}
