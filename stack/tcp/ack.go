package tcp

import (
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// onACK takes an acknowledgment number and a window that are acceptable.
func (t *Table) onACK(now umem.Time, c *Conn, h *Header) {
	if (c.is(flagPersist) || c.snd.wnd == 0) && !c.is(flagOrphan) {
		c.retries = 0 // the peer is there, though it takes nothing; an orphan does not wait for ever, as in Linux
	}
	newer := h.Ack.After(c.snd.una)
	switch {
	case newer:
		t.acked(now, c, h.Ack)
	case c.duplicate(h):
		if c.cc.OnDupACK(c.snd.una, c.snd.nxt, c.queue.Outstanding(), int(c.snd.mss)) {
			t.count.TCPFastRetrans++
			t.loseFirst(c)
		}
		t.touch(c)
	}
	c.updateWindow(t, h, newer)
}

// duplicate reports a duplicate ACK (RFC 5681, section 2).
func (c *Conn) duplicate(h *Header) bool {
	return c.outstanding() && h.Len == 0 && !h.has(wire.TCPSyn|wire.TCPFin) && h.Ack == c.snd.una &&
		uint32(h.Window)<<c.snd.scale == c.snd.wnd
}

// loseFirst has the first segment sent again, whatever the window says.
func (t *Table) loseFirst(c *Conn) {
	if c.queue.Len() == 0 {
		c.flags |= flagFINLost
		return
	}
	t.segments.Lose(&c.queue)
	c.flags |= flagForce
}

// acked takes an acknowledgment of something new.
func (t *Table) acked(now umem.Time, c *Conn, una Seq) {
	flight := c.queue.Flight()
	n := una.Sub(c.snd.una)
	mss := int(c.snd.mss)
	limited := flight+mss > c.cc.Cwnd() || c.cc.Cwnd() < c.cc.Ssthresh() && 2*flight >= c.cc.Cwnd()
	c.retries, c.probes, c.soft = 0, 0, 0
	t.release(now, c, una)
	c.snd.una = una
	c.snd.small = MaxSeq(c.snd.small, una) // it may be 2^31 octets behind some day
	if c.cc.OnACK(una, n, c.queue.Outstanding(), mss, limited) && c.outstanding() {
		t.loseFirst(c)
	}
	// RFC 6298 (5.2) and (5.3).
	c.rtx = umem.Never
	if c.outstanding() {
		c.rtx = now + c.rtt.RTO(t.cfg.RTOMin)
	}
	if c.is(flagFull) {
		t.tellRoom(c)
	}
	if c.queue.Queued() > 0 || c.is(flagFIN) {
		t.touch(c)
	}
}

// release lets go of the segments up to una, measures the round trip by the last of them, unless
// any of them was sent more than once (Karn; an ACK that waited for a gap to be filled says how long that
// took, also of the segments behind the gap), and opens the windows of connections that forwarded to this one.
func (t *Table) release(now umem.Time, c *Conn, una Seq) {
	if end := c.queue.End(); una.After(end) {
		una = end // the rest is the FIN
	}
	var a Acked
	sent, again := umem.Time(0), false
	for t.segments.Ack(&c.queue, una, &a) {
		c.delivered += uint64(a.Len)
		if a.Credit.Gen != 0 {
			t.credit(a.Credit, int(a.Len))
		}
		again = again || a.Flags&SegRetransmitted != 0
		sent = a.SentAt
		t.letGo(&a)
	}
	c.deliveredAt = now
	t.freed()
	if sent > 0 && !again {
		c.rtt.Sample(now - sent)
	}
}

// letGo ends the hold on the frame of a segment that is acknowledged as a whole, or given up.
func (t *Table) letGo(a *Acked) {
	if !a.Whole {
		return
	}
	t.pool.Release(t.region.Frame(a.Frame), umem.HoldRetransmit)
	t.held--
	if a.Flags&SegForwarded != 0 {
		t.forwarded--
	}
}

// updateWindow takes the peer's window, unless the segment is older than the one that it was last taken
// from. One with a newer acknowledgment is not, whatever its number: it may be a retransmission, and counting
// the old window from the new SND.UNA would send too much (RFC 9293, section 3.10.7.4, does not see that;
// Linux's tcp_may_update_window does).
func (c *Conn) updateWindow(t *Table, h *Header, newer bool) {
	if h.Ack.Before(c.snd.una) { // an old one, though its data may be new (RFC 9293, section 3.10.7.4: SND.UNA =< SEG.ACK)
		return
	}
	if !newer && !c.snd.wl1.Before(h.Seq) && !(c.snd.wl1 == h.Seq && c.snd.wl2.AtMost(h.Ack)) {
		return
	}
	wnd := uint32(h.Window) << c.snd.scale
	c.snd.wl1, c.snd.wl2 = h.Seq, h.Ack
	if wnd > c.snd.wnd {
		if c.is(flagFINSent) && c.snd.una.AtMost(c.queue.End()) && c.snd.una.Add(int(c.snd.wnd)).AtMost(c.queue.End()) {
			c.flags |= flagFINLost // a closed window may have turned it away: it need not wait for its timeout
		}
		t.touch(c)
	}
	c.snd.wnd = wnd
	c.snd.max = max(c.snd.max, wnd)
	if c.is(flagPersist) && !(c.is(flagCork) && c.probes == 0) { // else it waits for what was promised, whatever the window
		r := t.segments.Unsent(&c.queue)
		if r == nil || r.End().AtMost(c.snd.una.Add(int(wnd))) {
			c.flags &^= flagPersist
			c.probes, c.rtx = 0, umem.Never
			t.touch(c)
		}
	}
}

// onACKedFIN moves on when the peer has our FIN. False: the connection is over, or its state
// takes no text.
func (t *Table) onACKedFIN(now umem.Time, c *Conn) bool {
	acked := c.is(flagFINSent) && c.snd.una == c.queue.End().Add(1)
	if acked {
		c.flags &^= flagFINLost
	}
	switch c.state {
	case FinWait1:
		if acked {
			c.state = FinWait2
			t.lingerFinWait2(now, c)
		}
	case Closing:
		if acked {
			t.enterTimeWait(now, c)
		}
		return false
	case LastAck:
		if acked {
			t.end(c, 0)
		}
		return false
	}
	return true
}

// lingerFinWait2 bounds how long an orphan waits for the peer's FIN: as TIME-WAIT (Linux's
// tcp_fin_timeout).
func (t *Table) lingerFinWait2(now umem.Time, c *Conn) {
	if c.state == FinWait2 && c.is(flagOrphan) {
		c.rtx = now + t.cfg.TimeWait
		t.arm(c)
	}
}

// enterTimeWait begins to wait twice the lifetime of a segment, or begins again.
func (t *Table) enterTimeWait(now umem.Time, c *Conn) {
	if c.state != TimeWait {
		t.count.CurrEstab--
		t.count.TCPTimeWaited++
		c.state = TimeWait
		t.dropQueued(c)
		t.unbind(c)
		t.tell(c, ReadyClosed)
		if c.is(flagOrphan) {
			t.push(&t.aged, linkPlace, c)
		}
	}
	c.rtx = now + t.cfg.TimeWait
	t.arm(c)
}
