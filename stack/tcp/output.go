package tcp

import (
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// delayedACK is how long an ACK waits for data to go with (RFC 9293, section 3.8.6.3:
// below 500 ms; Linux's TCP_DELACK_MIN).
const delayedACK = 40 * umem.Millisecond

// Flush lets the connections that something happened to send what they have to: data, or an ACK. So
// handlers that ran in between answer in the segment that acknowledges.
func (t *Table) Flush(now umem.Time) {
	for n := t.dirty.n; n > 0 && t.net.Room(); n-- {
		t.output(now, t.pop(&t.dirty, linkDirty))
	}
}

// output sends what c has to send now.
func (t *Table) output(now umem.Time, c *Conn) {
	switch {
	case c.state == SynSent || c.state == SynReceived:
		if c.is(flagSYN) {
			t.sendSYN(now, c)
		}
	case c.state >= Established:
		t.tellRoom(c)
		t.sendData(now, c)
		t.sendFIN(now, c)
		t.persist(now, c)
	}
	switch {
	case c.is(flagACKNow):
		t.sendACK(now, c)
	case c.is(flagACKSoon) && c.delack == umem.Never:
		c.delack = now + delayedACK
	}
	t.arm(c)
}

// tellRoom tells who was refused room that there is some again: half of the queue. Who has enough queued that
// ACKs are to come asks again at each of them, and not whenever the device lets go of a frame.
func (t *Table) tellRoom(c *Conn) {
	switch {
	case !c.is(flagFull) || c.queue.Queued() > int(c.sndLimit/2):
	case !t.mayGrow(c.queue.Len(), 1) && !(c.is(flagForward) && t.mayForward(c)): // what others send, or the device still has, keeps the pool empty
		if c.queue.Len() < fewFrames {
			t.push(&t.waiting, linkWaiting, c)
		}
	default:
		c.flags &^= flagFull | flagForward
		t.tell(c, ReadyOut)
	}
}

// sendData sends segments: first those that are lost, then those never sent, as far as both windows,
// Nagle's rule and the device's queue allow.
func (t *Table) sendData(now umem.Time, c *Conn) {
	for {
		r, again := t.segments.Lost(&c.queue), true
		if r == nil {
			r, again = t.segments.Unsent(&c.queue), false
		}
		if r == nil {
			return
		}
		if !t.net.Room() {
			t.touch(c)
			return
		}
		if !t.admits(now, c, r, again) {
			return
		}
		if again && t.region.Frame(r.Frame).Held(umem.HoldTx) {
			t.putOff(c)
			return
		}
		t.transmit(now, c, r)
	}
}

// admits reports whether r may be sent now. It may shorten r to what the peer's window takes.
func (t *Table) admits(now umem.Time, c *Conn, r *Segment, again bool) bool {
	if c.is(flagForce) && again {
		return true
	}
	flight := c.queue.Flight()
	if flight == 0 && !again && now-c.lastSent > c.rtt.Base(t.cfg.RTOMin) {
		c.cc.OnIdle(int(c.snd.mss))
	}
	if flight > 0 && flight+int(r.Len) > c.cc.Cwnd() {
		return false
	}
	if again && r == t.segments.First(&c.queue) {
		return true // whatever became of the window: it was open for this one
	}
	room := c.snd.una.Add(int(c.snd.wnd)).Sub(r.Seq)
	if room < int(r.Len) {
		return !again && t.fit(c, r, room, false)
	}
	return again || c.eager(t, r)
}

// eager is Nagle's rule, and the sender's part against silly windows (RFC 9293, sections
// 3.7.4 and 3.8.6.2.1): whether a segment that the window takes goes out now. One that is not full waits, not for
// all that is outstanding, but for the last such segment (Minshall's variant, as in Linux): else the
// end of every answer of some segments would wait for a delayed ACK.
func (c *Conn) eager(t *Table, r *Segment) bool {
	switch {
	case int(r.Len) >= int(c.snd.mss) || t.segments.Next(r) != nil || c.is(flagFIN):
		return true
	case c.is(flagCork):
		return false
	}
	return c.is(flagNoDelay) || c.snd.small.AtMost(c.snd.una)
}

// fit makes r what the window takes, when that is worth a segment: half of the largest window that
// the peer offered, or any room at all when the persist timer says so.
func (t *Table) fit(c *Conn, r *Segment, room int, override bool) bool {
	if room <= 0 || !override && room < min(int(c.snd.mss), int(c.snd.max/2)) {
		return false
	}
	return t.split(c, r, room)
}

// split shortens r, which was never sent, to n octets: what is left is copied to a frame of its own.
func (t *Table) split(c *Conn, r *Segment, n int) bool {
	g := t.pool.Get(umem.ClassSend)
	if g == nil { // its own queue may hold all that may be sent with, and go on only by this
		g = t.pool.Get(umem.ClassControl)
	}
	if g == nil {
		t.count.NoSendFrame++
		return false
	}
	f := t.region.Frame(r.Frame)
	at := g.Offset()
	rest := t.segments.Split(&c.queue, r, n, g.Index(), at)
	if rest == nil {
		t.pool.Free(g)
		return false
	}
	// The frame is not with the device, since nothing of it was ever sent.
	f.Seek(int(r.Off)+n, int(rest.Len))
	copy(g.Put(int(rest.Len)), f.Bytes())
	t.pool.Hold(g, umem.HoldRetransmit)
	t.held++
	t.count.Splits++
	return true
}

// transmit sends r, from its frame.
func (t *Table) transmit(now umem.Time, c *Conn, r *Segment) {
	f := t.region.Frame(r.Frame)
	t.pool.Hold(f, umem.HoldTx)
	f.Seek(int(r.Off), int(r.Len))
	if !r.Has(SegSum) {
		r.Sum = checksum.Fold(checksum.Sum(f.Bytes(), 0))
		r.Flags |= SegSum
	}
	flags := wire.TCPAck
	last := r.End() == c.queue.End()
	if r.Has(SegPush) || last {
		flags |= wire.TCPPsh
	}
	if last && c.is(flagFIN) {
		flags |= wire.TCPFin
		c.flags = c.flags&^flagFINLost | flagFINSent
	}
	if r.Has(SegSent) {
		c.retransmits++
		t.count.RetransSegs++
	}
	c.flags &^= flagForce
	r.Delivered, r.DeliveredAt = c.delivered, c.deliveredAt
	if int(r.Len) < int(c.snd.mss) {
		c.snd.small = r.End()
	}
	t.segments.Sent(&c.queue, r, now)
	c.advance()
	c.lastSent = now
	if c.rtx == umem.Never || c.is(flagPersist) {
		c.flags &^= flagPersist
		c.rtx = now + c.rtt.RTO(t.cfg.RTOMin)
	}
	t.emit(now, c, f, r.Seq, flags, uint32(r.Sum), nil)
}

// advance sets SND.NXT behind what was sent.
func (c *Conn) advance() {
	c.snd.nxt = c.queue.Nxt()
	if c.is(flagFINSent) {
		c.snd.nxt = c.queue.End().Add(1)
	}
}

// sendFIN sends a FIN that no data goes with.
func (t *Table) sendFIN(now umem.Time, c *Conn) {
	if !c.is(flagFIN) || c.queue.Unsent() > 0 || c.queue.HasLost() || c.is(flagFINSent) && !c.is(flagFINLost) {
		return
	}
	if !t.net.Room() {
		t.touch(c)
		return
	}
	if c.is(flagFINSent) {
		t.count.RetransSegs++
		c.retransmits++
	}
	c.flags = c.flags&^flagFINLost | flagFINSent
	c.advance()
	if c.rtx == umem.Never || c.is(flagPersist) {
		c.flags &^= flagPersist
		c.rtx = now + c.rtt.RTO(t.cfg.RTOMin)
	}
	t.control(now, c, c.queue.End(), wire.TCPFin|wire.TCPAck)
}

// persist arms the timer that probes a window when that is all that keeps data back (RFC 9293,
// section 3.8.6.1), or the promise of more, which is not waited for without end (section 3.8.6.2.1, (4)).
func (t *Table) persist(now umem.Time, c *Conn) {
	if c.rtx != umem.Never || c.outstanding() {
		return
	}
	if r := t.segments.Unsent(&c.queue); r == nil || !c.is(flagCork) && r.End().AtMost(c.snd.una.Add(int(c.snd.wnd))) {
		return
	}
	c.flags |= flagPersist
	c.rtx = now + c.probeAfter(t)
}

// probeAfter is the time until the next probe of a window.
func (c *Conn) probeAfter(t *Table) umem.Time {
	return min(c.rtt.Base(t.cfg.RTOMin)<<c.probes, maxRTO)
}

// sendSYN sends SYN, or SYN and ACK.
func (t *Table) sendSYN(now umem.Time, c *Conn) {
	flags := wire.TCPSyn
	if c.state == SynReceived {
		flags |= wire.TCPAck
	}
	if c.snd.nxt != c.iss {
		t.count.RetransSegs++
		c.retransmits++
	}
	c.flags &^= flagSYN
	c.snd.nxt = c.iss.Add(1)
	if c.rtx == umem.Never {
		c.rtx = now + c.rtt.RTO(t.cfg.RTOMin)
	}
	c.lastSent = now
	t.control(now, c, c.iss, flags)
}

// sendACK sends a segment without data.
func (t *Table) sendACK(now umem.Time, c *Conn) { t.control(now, c, c.snd.nxt, wire.TCPAck) }

// control sends a segment that needs no frame of its own to be kept.
func (t *Table) control(now umem.Time, c *Conn, seq Seq, flags wire.TCPFlags) {
	f := t.pool.Get(umem.ClassControl)
	if f == nil {
		t.count.NoControlFrame++
		if c.state.synchronized() {
			c.delack = now + delayedACK // an ACK has no timer of its own
		}
		return
	}
	t.pool.Hold(f, umem.HoldTx)
	if flags&wire.TCPSyn == 0 {
		t.emit(now, c, f, seq, flags, 0, nil)
		return
	}
	var o [SYNOptionsLen]byte
	scale := c.rcv.scale
	if c.state == SynReceived && !c.is(flagScaled) {
		scale = NoWindowScale // the peer did not offer it (RFC 7323, section 2.2)
	}
	n := PutSYNOptions(o[:], t.mss(now, c), scale)
	t.emit(now, c, f, seq, flags, 0, o[:n])
}
