package tcp

import (
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// Fate is what became of a frame that Arrive was given.
type Fate uint8

// The fates. Of all but Kept the frame is still the caller's.
const (
	Kept     Fate = iota // in a receive queue, or freed after its payload was copied
	Done                 // there was nothing in it to keep
	Unwanted             // for no connection: answered with RST, where that is due
	Outside              // outside the window, or not what the state expects
	Forged               // it would have ended the connection, did it not look forged (RFC 5961)
	Overflow             // a listener's bounds, or the table's
)

// Arrive takes a segment to the connection that it belongs to (RFC 9293, section
// 3.10.7). f's data is the payload, its sum known or not; it has no hold.
func (t *Table) Arrive(now umem.Time, c *Conn, f *umem.Frame, h *Header, local, remote socket.Addr, iface uint8) Fate {
	switch c.state {
	case Closed:
		t.Reset(now, h, local, remote, iface)
		return Unwanted
	case Listen:
		return t.arriveListen(now, c, h, local, remote, iface)
	case SynSent:
		return t.arriveSynSent(now, c, h, local, remote, iface)
	}
	return t.arrive(now, c, f, h)
}

// arrive is RFC 9293, section 3.10.7.4, for all states but the first three.
func (t *Table) arrive(now umem.Time, c *Conn, f *umem.Frame, h *Header) Fate {
	if !c.acceptable(h) { // first
		return t.unacceptable(now, c, h)
	}
	if h.has(wire.TCPRst) { // second
		return t.onReset(now, c, h)
	}
	// Third, security and compartment, is not there.
	if h.has(wire.TCPSyn) { // fourth
		return t.onSYN(now, c, h)
	}
	if !h.has(wire.TCPAck) { // fifth
		return Outside
	}
	if c.state == SynReceived {
		if fate := t.onHandshakeACK(now, c, h); fate != Done {
			return fate
		}
	}
	if !t.ackAcceptable(now, c, h) {
		return Outside
	}
	t.onACK(now, c, h)
	if !t.onACKedFIN(now, c) {
		return Done
	}
	// Sixth, the urgent pointer, means nothing here: the data is data.
	if h.Len == 0 && !h.has(wire.TCPFin) {
		return Done
	}
	return t.onText(now, c, f, h) // seventh and eighth
}

// acceptable is the test of the sequence number. A segment at the very edge of the window counts when it has no text, or when
// the window is closed, as the RFC wants: a peer that has used up the window numbers its ACKs so, and those that tell of
// a loss are duplicates while its own first segment may be missing here (Linux's tcp_sequence).
func (c *Conn) acceptable(h *Header) bool {
	wnd := max(c.window(), 0)
	return Acceptable(h.Seq, h.length(), c.rcv.nxt, wnd) || h.Seq == c.rcv.nxt.Add(wnd) && (wnd == 0 || h.length() == 0)
}

// unacceptable answers a segment outside the window with an ACK. A connection in TIME-WAIT makes way for a
// SYN that cannot be an old one.
func (t *Table) unacceptable(now umem.Time, c *Conn, h *Header) Fate {
	switch {
	case h.has(wire.TCPRst):
		return Outside
	case h.has(wire.TCPSyn) && c.state == TimeWait:
		return t.onSYN(now, c, h)
	case h.has(wire.TCPSyn) && c.state == SynReceived && h.Seq == c.irs:
		return t.onSYNAgain(now, c, h)
	case h.has(wire.TCPSyn):
		t.challenge(now, c)
		return Forged
	}
	// A duplicate, a probe of a window, or garbage: the first two must have their ACK (RFC 9293,
	// section 3.8.6.1), and those that come back to back need not have one each.
	if c.state == TimeWait && h.has(wire.TCPFin) {
		t.enterTimeWait(now, c)
	}
	if h.Len > 0 || h.has(wire.TCPFin) || h.Seq == c.rcv.nxt.Add(-1) {
		c.flags |= flagACKNow
		t.touch(c)
	} else {
		t.challenge(now, c)
	}
	if h.has(wire.TCPAck) && c.state >= Established && c.state != TimeWait && h.Ack.AtMost(c.snd.nxt) && h.Ack.After(c.snd.una) && h.Seq.Before(c.rcv.nxt) {
		t.onACK(now, c, h) // a duplicate may still acknowledge what an ACK that was lost did
		t.onACKedFIN(now, c)
	}
	return Outside
}

// onSYNAgain takes the peer's SYN once more: our answer was lost; or both opened at once, and this is
// the answer to ours (RFC 9293, figure 8).
func (t *Table) onSYNAgain(now umem.Time, c *Conn, h *Header) Fate {
	if !h.has(wire.TCPAck) {
		c.flags |= flagSYN | flagSYNLost
		t.touch(c)
		return Done
	}
	fate := t.onHandshakeACK(now, c, h)
	if fate == Done {
		t.ackNow(c)
	}
	return fate
}

// onReset takes a RST within the window: only one of exactly the number expected ends the connection
// (RFC 5961, section 3.2).
func (t *Table) onReset(now umem.Time, c *Conn, h *Header) Fate {
	if h.Seq != c.rcv.nxt {
		t.challenge(now, c)
		return Forged
	}
	errno := socket.ECONNRESET
	switch c.state {
	case SynReceived:
		t.count.AttemptFails++
		errno = socket.ECONNREFUSED
	case Established, CloseWait:
		t.count.EstabResets++
		if c.is(flagEOF) {
			errno = socket.EPIPE // as Linux says in CLOSE-WAIT
		}
	case Closing, LastAck, TimeWait:
		errno = 0 // both sides had ended
	}
	t.end(c, errno)
	return Done
}

// onSYN takes a SYN within the window: an attack, or a peer that has forgotten us; the ACK makes
// the latter send a RST (RFC 5961, section 4.2). In TIME-WAIT it may begin a new
// connection, when its number is beyond all that the old one used (RFC 9293, section
// 3.10.7.4; RFC 6191, section 2).
func (t *Table) onSYN(now umem.Time, c *Conn, h *Header) Fate {
	if c.state != TimeWait || h.has(wire.TCPAck) || !h.Seq.After(c.rcv.nxt) {
		t.challenge(now, c)
		return Forged
	}
	local, remote, iface := c.Local(), c.Peer(), c.iface
	l, ok := t.FindListener(local)
	if !ok {
		t.challenge(now, c)
		return Forged
	}
	iss := c.snd.nxt.Add(nextISSGap)
	t.end(c, 0)
	return t.passiveOpen(now, &t.conns[l], h, local, remote, iface, iss)
}

// challengeInterval and challengeLimit bound challenge ACKs of one connection (RFC 5961, section 7): a
// count for all, as there, would be a side channel.
const (
	challengeInterval = umem.Second
	challengeLimit    = 2
)

// challenge answers what may be forged with an ACK.
func (t *Table) challenge(now umem.Time, c *Conn) {
	if now-c.challenged >= challengeInterval || c.challenged == 0 {
		c.challenged, c.challenges = now, 0
	}
	if c.challenges >= challengeLimit {
		t.count.TCPACKSkipped++
		return
	}
	c.challenges++
	t.count.TCPChallengeACK++
	t.sendACK(now, c)
}

// onHandshakeACK takes the ACK that ends a handshake: Done when it does.
func (t *Table) onHandshakeACK(now umem.Time, c *Conn, h *Header) Fate {
	if !h.Ack.After(c.snd.una) || h.Ack.After(c.snd.nxt) {
		t.Reset(now, h, c.Local(), c.Peer(), c.iface)
		return Unwanted
	}
	if c.is(flagEmbryo) {
		l := t.Get(c.parent)
		if l == nil || l.accept.n >= l.backlog {
			t.count.ListenOverflows++
			t.count.ListenDrops++
			return Overflow // its SYN-ACK is sent again, and answered again
		}
		t.remove(&l.half, linkPlace, c)
		t.established(now, c, h)
		t.push(&l.accept, linkPlace, c)
		t.tell(l, ReadyAccept)
		return Done
	}
	t.established(now, c, h)
	t.tell(c, ReadyConnected|ReadyOut)
	return Done
}

// established begins the transfer of data: in the state ESTABLISHED, or FIN-WAIT-1 when the
// application has closed already.
func (t *Table) established(now umem.Time, c *Conn, h *Header) {
	c.snd.una = c.iss.Add(1)
	c.snd.wnd = uint32(h.Window)
	if !h.has(wire.TCPSyn) {
		c.snd.wnd <<= c.snd.scale
	}
	c.snd.max = c.snd.wnd
	c.snd.wl1, c.snd.wl2 = h.Seq, h.Ack
	lost := c.is(flagSYNLost)
	if !lost {
		c.rtt.Sample(now - c.lastSent)
	}
	c.rtt.Established(lost)
	c.cc.Init(NewReno, int(c.snd.mss), lost)
	c.flags &^= flagSYN
	c.retries, c.rtx, c.lastSent = 0, umem.Never, now
	t.count.CurrEstab++
	c.state = Established
	if c.is(flagFIN) {
		c.state = FinWait1
	}
	t.touch(c)
}

// ackAcceptable is the test of an acknowledgment number: not of what was never sent (RFC 9293, section
// 3.10.7.4), nor older than the largest window that the peer ever offered (RFC 5961,
// section 5.2).
func (t *Table) ackAcceptable(now umem.Time, c *Conn, h *Header) bool {
	if h.Ack.After(c.snd.nxt) || h.Ack.Before(c.snd.una.Add(-int(c.snd.max))) {
		t.challenge(now, c)
		return false
	}
	return true
}
