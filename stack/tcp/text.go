package tcp

import (
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// maxHoles bounds the frames that one connection has out of order.
const maxHoles = 1024

// onText takes the payload of a segment and its FIN (RFC 9293, section 3.10.7.4, seventh and eighth).
// f is kept in any case.
func (t *Table) onText(now umem.Time, c *Conn, f *umem.Frame, h *Header) Fate {
	switch c.state {
	case CloseWait, Closing, LastAck, TimeWait: // the peer has said FIN: there is nothing more
		t.ackNow(c)
		return Done
	}
	if c.is(flagOrphan) && h.Seq.Add(h.Len).After(c.rcv.nxt) && h.Len > 0 {
		// Nobody will read it (RFC 9293, section 3.6.1; RFC 2525, section 2.17).
		t.count.TCPAbortOnData++
		t.abort(now, c)
		return Done
	}
	c.rcv.mss = max(c.rcv.mss, uint16(min(h.Len, int(c.rcv.limit/2))))
	before := c.recv.Frames()
	v := &t.verdict
	c.recv.Keeps(c.kept())
	c.recv.Insert(t.pool, f, h.Seq, h.has(wire.TCPFin), c.rcv.nxt, c.rcv.edge, maxHoles, v)
	t.received += c.recv.Frames() - before
	c.rcv.nxt = v.Nxt
	if v.Appended {
		t.count.TCPRcvCoalesce++
	}
	if v.Pruned {
		t.count.TCPOFOPruned++
	}
	t.onArrival(now, c, h, v)
	if v.Octets > 0 {
		c.rcv.used += uint32(v.Octets)
		t.tell(c, ReadyIn)
	}
	if v.Fin && !c.is(flagEOF) {
		t.onFIN(now, c)
	}
	return Kept
}

// onArrival decides when the ACK goes out: with what the handlers answer, at once, or later.
func (t *Table) onArrival(now umem.Time, c *Conn, h *Header, v *Verdict) {
	switch v.Arrival {
	case InOrder:
		// At least every second full segment (RFC 9293, section 3.8.6.3), counted for the batch: one ACK
		// may stand for many.
		if v.Filled || c.rcv.nxt.Sub(c.rcv.acked) >= 2*int(c.rcv.mss) {
			c.flags |= flagACKNow
		}
		c.flags |= flagACKSoon
		t.touch(c)
		return
	case OutOfOrder:
		t.count.TCPOFOQueue++
		t.sendACK(now, c) // a duplicate for each, at once (RFC 5681, section 4.2)
		return
	case NoRoom:
		t.count.TCPRcvQDrop++
	}
	t.ackNow(c)
}

func (t *Table) ackNow(c *Conn) {
	c.flags |= flagACKNow
	t.touch(c)
}

// onFIN takes the peer's FIN: all before it is here.
func (t *Table) onFIN(now umem.Time, c *Conn) {
	c.flags |= flagEOF
	t.ackNow(c)
	t.tell(c, ReadyEOF)
	switch c.state {
	case Established:
		c.state = CloseWait
	case FinWait1: // ours is not acknowledged: that was seen to before
		c.state = Closing
	case FinWait2:
		t.enterTimeWait(now, c)
	}
}
