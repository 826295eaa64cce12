package tcp

// Seq is a sequence number. Numbers are compared modulo 2^32 (RFC 9293, section
// 3.4): what is less than 2^31 ahead is after.
type Seq uint32

// Add is the number n octets on; n may be negative.
func (s Seq) Add(n int) Seq { return s + Seq(n) }

// Sub is how many octets s is after t; negative when it is before.
func (s Seq) Sub(t Seq) int { return int(int32(s - t)) }

// Before reports s < t.
func (s Seq) Before(t Seq) bool { return int32(s-t) < 0 }

// AtMost reports s ≤ t.
func (s Seq) AtMost(t Seq) bool { return int32(s-t) <= 0 }

// After reports s > t.
func (s Seq) After(t Seq) bool { return int32(s-t) > 0 }

// AtLeast reports s ≥ t.
func (s Seq) AtLeast(t Seq) bool { return int32(s-t) >= 0 }

// In reports start ≤ s < start+n.
func (s Seq) In(start Seq, n int) bool { return uint32(s-start) < uint32(n) }

// MaxSeq is the later of two.
func MaxSeq(s, t Seq) Seq {
	if s.After(t) {
		return s
	}
	return t
}

// Acceptable reports whether a segment of n octets, SYN and FIN counted, from seq
// on touches the window of wnd octets from nxt on (RFC 9293, section 3.10.7.4, table
// 6; that looks at a segment's ends alone, while one may span the window, too).
func Acceptable(seq Seq, n int, nxt Seq, wnd int) bool {
	switch {
	case n == 0 && wnd == 0:
		return seq == nxt
	case n == 0:
		return seq.In(nxt, wnd)
	case wnd == 0:
		return false
	}
	return seq.Before(nxt.Add(wnd)) && seq.Add(n).After(nxt)
}
