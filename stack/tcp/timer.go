package tcp

import (
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wheel"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// How often something is sent again before the connection is given up. Linux has the same.
const (
	synRetries    = 6  // net.ipv4.tcp_syn_retries: 127 s
	synACKRetries = 5  // net.ipv4.tcp_synack_retries
	dataRetries   = 15 // net.ipv4.tcp_retries2: R2 of RFC 9293, section 3.8.3
	orphanRetries = 8  // net.ipv4.tcp_orphan_retries: nobody waits for it
)

// putOffAgain is when a retransmission that was put off is tried again, should no completion
// come before: the frame waits for a neighbour's address, and may be dropped then.
const putOffAgain = 100 * umem.Millisecond

// arm sets the slot's timer to the first of c's deadlines, unless it is set to an earlier time: it is
// looked at again when that comes.
func (t *Table) arm(c *Conn) {
	if c.rtx == umem.Never && c.outstanding() {
		c.rtx = c.lastSent + c.rtt.RTO(t.cfg.RTOMin)
	}
	id := t.cfg.Timer + t.index(c)
	if d := min(c.rtx, c.delack, c.app); d < t.cfg.Wheel.At(id) {
		t.cfg.Wheel.Set(id, d)
	}
}

// due reports whether the wheel may fire for a deadline: a timer is due with all of its tick.
func due(at, now umem.Time) bool { return at/wheel.Tick <= now/wheel.Tick }

// Timer runs the deadlines of slot i that have come.
func (t *Table) Timer(now umem.Time, i uint32) {
	if !t.slab.Used(i) {
		return
	}
	c := &t.conns[i]
	if due(c.app, now) {
		c.app = umem.Never
		t.tell(c, ReadyTimer)
	}
	if due(c.delack, now) {
		c.delack = umem.Never
		t.sendACK(now, c)
	}
	if due(c.rtx, now) {
		c.rtx = umem.Never
		t.timeout(now, c)
	}
	if t.slab.Used(i) && t.conns[i].state != Closed {
		t.arm(c)
	}
}

// timeout is what the deadline of c's state is for.
func (t *Table) timeout(now umem.Time, c *Conn) {
	switch c.state {
	case Closed, Listen:
	case SynSent:
		t.synTimeout(now, c, synRetries)
	case SynReceived:
		t.synTimeout(now, c, synACKRetries)
	case TimeWait:
		t.end(c, 0)
	case FinWait2:
		if c.is(flagOrphan) {
			t.end(c, 0)
		}
	default:
		if c.is(flagPersist) {
			t.probe(now, c)
			return
		}
		t.retransmit(now, c)
	}
}

// giveUp counts a timeout, and ends the connection when it is one too many.
func (t *Table) giveUp(c *Conn, most int) bool {
	t.count.TCPTimeouts++
	if c.is(flagOrphan) {
		most = min(most, orphanRetries)
	}
	if int(c.retries) < most {
		c.retries++
		return false
	}
	errno := socket.ETIMEDOUT
	if c.soft != 0 {
		errno = c.soft
	}
	t.count.TCPAbortOnTimeout++
	t.end(c, errno)
	return true
}

// synTimeout sends SYN, or SYN and ACK, again.
func (t *Table) synTimeout(now umem.Time, c *Conn, most int) {
	if t.giveUp(c, most) {
		t.count.AttemptFails++
		return
	}
	c.rtt.Backoff()
	c.rtx = now + c.rtt.RTO(t.cfg.RTOMin)
	c.flags |= flagSYN | flagSYNLost
	t.touch(c)
}

// retransmit is RFC 6298, section 5 (5.4) to (5.6): all that is not acknowledged counts as lost, and goes
// out again as slow start allows. While the first segment is still with the device, nothing
// is known to be lost.
func (t *Table) retransmit(now umem.Time, c *Conn) {
	if !c.outstanding() {
		t.touch(c)
		return
	}
	if r := t.segments.First(&c.queue); r != nil && t.region.Frame(r.Frame).Held(umem.HoldTx) {
		t.putOff(c)
		c.rtx = now + putOffAgain
		return
	}
	if t.giveUp(c, dataRetries) {
		return
	}
	c.rtt.Backoff()
	c.rtx = now + c.rtt.RTO(t.cfg.RTOMin)
	c.cc.OnTimeout(c.snd.nxt, c.queue.Outstanding(), int(c.snd.mss), c.retries > 1)
	t.segments.LoseAll(&c.queue)
	if c.is(flagFINSent) {
		c.flags |= flagFINLost
	}
	t.touch(c)
}

// probe asks for the peer's window: with what fits into it, if it is only small, else, as Linux does, with a
// segment without data before the window, which the peer must answer (RFC 9293, sections 3.8.6.1 and
// 3.10.7.4).
func (t *Table) probe(now umem.Time, c *Conn) {
	if c.is(flagCork) { // what was promised did not come
		c.flags &^= flagCork | flagPersist
		t.touch(c)
		return
	}
	if t.giveUp(c, dataRetries) {
		return
	}
	t.count.TCPWinProbe++
	c.probes = min(c.probes+1, maxBackoff)
	c.rtx = now + c.probeAfter(t)
	if r := t.segments.Unsent(&c.queue); r != nil {
		room := c.snd.una.Add(int(c.snd.wnd)).Sub(r.Seq)
		if room >= int(r.Len) || t.fit(c, r, room, true) {
			t.transmit(now, c, r)
			return
		}
	}
	t.control(now, c, c.snd.una.Add(-1), wire.TCPAck)
}

// SetTimer has ReadyTimer told at a time.
func (t *Table) SetTimer(c *Conn, at umem.Time) {
	c.app = at
	t.arm(c)
}
