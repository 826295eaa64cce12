package tcp

import (
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// takeErr gives what ended the connection, to the first call that asks.
func (c *Conn) takeErr() socket.Errno {
	e := c.pending
	c.pending = 0
	return e
}

// canSend reports whether the state takes data.
func (c *Conn) canSend() socket.Errno {
	if e := c.takeErr(); e != 0 {
		return e
	}
	switch c.state {
	case Established, CloseWait:
		return 0
	case SynSent, SynReceived:
		if c.is(flagFIN) {
			return socket.EPIPE
		}
		c.flags |= flagFull
		return socket.EAGAIN
	}
	return socket.EPIPE
}

// Room is how many octets the send queue takes.
func (c *Conn) Room() int {
	if c.state != Established && c.state != CloseWait {
		return 0
	}
	return max(int(c.sndLimit)-c.queue.Queued(), 0)
}

// Send copies data into frames behind what waits to be sent.
func (t *Table) Send(c *Conn, data []byte, more bool) (int, socket.Errno) {
	if e := c.canSend(); e != 0 {
		return 0, e
	}
	n := min(len(data), c.Room())
	if n > 0 {
		n = t.enqueue(c, data[:n], socket.Handle{}, false)
	}
	if n < len(data) {
		t.full(c)
		if n == 0 {
			return 0, socket.EAGAIN
		}
	}
	t.cork(c, more && n == len(data))
	return n, 0
}

// full has ReadyOut told when there is room: when something is acknowledged, or, while nothing
// is on its way, when the device lets go of some frame.
func (t *Table) full(c *Conn) {
	c.flags |= flagFull
	if !c.outstanding() { // what is queued may wait for more
		t.push(&t.waiting, linkWaiting, c)
	}
}

// cork notes whether more is to come, and has what is queued sent.
func (t *Table) cork(c *Conn, more bool) {
	if more {
		c.flags |= flagCork
	} else {
		c.flags &^= flagCork
		if r := t.segments.Tail(&c.queue); r != nil {
			r.Flags |= SegPush
		}
	}
	t.touch(c)
}

// mayGrow reports whether a send queue may go from have frames to need more: to no more than it would leave to all others
// together (dynamic thresholds; Choudhury and Hahne, 1998), and beyond a few not out of the last quarter of the
// quota. So peers that never read, however many, leave enough to those that do.
func (t *Table) mayGrow(have, need int) bool {
	left := t.pool.Available(umem.ClassSend) - need
	if left < 0 {
		return false
	}
	quota := t.pool.Config().SendQuota
	return have+need <= max(left-quota/reservedPart, min(left*fewSteps/quota, fewFrames), 1)
}

// mayForward is mayGrow for a frame that is forwarded: it is not taken from the pool, but kept from it.
func (t *Table) mayForward(c *Conn) bool {
	return c.queue.Len() < fewFrames || t.mayGrow(c.queue.Len(), 1)
}

// reservedPart is what part of the quota no connection takes more than fewFrames of. They become fewer as it
// shrinks, by one in fewSteps of the quota, so that many who take a few each leave one for who comes next.
const (
	fewFrames    = 4
	reservedPart = 4
	fewSteps     = 64
)

// enqueue copies data, with the credit given, into the last frame as far as that was never sent, and
// then into new ones, and returns how much. all: the caller has seen that there are frames for all of it.
func (t *Table) enqueue(c *Conn, data []byte, credit socket.Handle, all bool) (n int) {
	if r := t.segments.Tail(&c.queue); r != nil && r.Credit == credit {
		f := t.region.Frame(r.Frame)
		if n = min(len(data), int(c.snd.mss)-int(r.Len), f.Tailroom()); n > 0 {
			t.segments.Extend(&c.queue, n, checksum.Copy(f.Put(n), data[:n], 0))
		}
		n = max(n, 0)
	}
	for n < len(data) {
		var f *umem.Frame
		if all || t.mayGrow(c.queue.Len(), 1) {
			f = t.pool.Get(umem.ClassSend)
		}
		if f == nil {
			t.count.NoSendFrame++
			return n
		}
		size := min(len(data)-n, int(c.snd.mss), f.Tailroom())
		r := t.segments.Append(&c.queue, f.Index(), f.Offset(), size)
		if r == nil {
			t.pool.Free(f)
			return n
		}
		r.Sum = checksum.Fold(checksum.Copy(f.Put(size), data[n:n+size], 0))
		r.Flags |= SegSum
		r.Credit = credit
		t.pool.Hold(f, umem.HoldRetransmit)
		t.held++
		n += size
	}
	return n
}

// Forward sends f, which has a HoldApp, on c, without a copy if that is possible: moved says that the
// hold is c's now, else f is still the caller's to release, or to try again on EAGAIN. The window of
// credit opens by what c's peer acknowledges.
func (t *Table) Forward(c *Conn, f *umem.Frame, credit socket.Handle) (moved bool, e socket.Errno) {
	if e = c.canSend(); e != 0 {
		return false, e
	}
	n := f.TotalLen()
	if c.Room() == 0 {
		t.full(c)
		return false, socket.EAGAIN
	}
	why, copies := t.mustCopy(c, f)
	if copies {
		return false, t.forwardCopy(c, f, credit, why)
	}
	if n == 0 {
		return false, 0
	}
	if !t.mayForward(c) {
		c.flags |= flagForward
		t.full(c)
		return false, socket.EAGAIN
	}
	r := t.segments.Append(&c.queue, f.Index(), f.Offset(), n)
	if r == nil {
		t.full(c)
		return false, socket.EAGAIN
	}
	if f.Flags&umem.FlagSum != 0 {
		r.Sum = f.Sum
		r.Flags |= SegSum
	}
	r.Credit = credit
	r.Flags |= SegForwarded
	t.forwarded++
	t.pool.Pass(f, umem.HoldApp, umem.HoldRetransmit)
	t.held++
	t.count.ForwardedFrames++
	t.count.ForwardedOctets += uint64(n)
	t.forwardedFrom(credit, n)
	t.cork(c, false)
	return true, 0
}

// maxHeaders is what stands before a payload at the most that is sent: Ethernet with VLAN
// tags, IPv6, TCP with all options.
const maxHeaders = 22 + wire.IPv6Len + wire.TCPMaxLen

// mustCopy reports whether the payload of f has to be copied to be sent on c, and why.
func (t *Table) mustCopy(c *Conn, f *umem.Frame) (CopyReason, bool) {
	switch {
	case f.Holds(umem.HoldApp) != 1 || f.Held(umem.HoldTx) || f.Held(umem.HoldRetransmit) || f.Held(umem.HoldReceive):
		return CopyHeld, true
	case f.Next() != nil || f.Len() > int(c.snd.mss):
		return CopyLarge, true
	case f.Headroom() < maxHeaders:
		return CopyRoom, true
	case t.forwarded >= t.pool.Config().ReceiveQuota/2:
		return CopyQuota, true
	}
	return 0, false
}

// forwardCopy sends a copy of f's payload: all of it, or nothing.
func (t *Table) forwardCopy(c *Conn, f *umem.Frame, credit socket.Handle, why CopyReason) socket.Errno {
	need := t.framesFor(c, f.TotalLen(), credit)
	free := min(t.pool.Available(umem.ClassSend), t.segments.Cap()-t.segments.Len())
	if need > free || need > 0 && c.queue.Len() > 0 && !t.mayGrow(c.queue.Len(), need) {
		t.full(c)
		return socket.EAGAIN
	}
	for g := f; g != nil; g = g.Next() {
		t.enqueue(c, g.Bytes(), credit, true)
	}
	t.count.ForwardCopies[why]++
	t.forwardedFrom(credit, f.TotalLen())
	t.cork(c, false)
	return 0
}

// framesFor is how many frames n octets more take at most: none, when the last one has room for them.
func (t *Table) framesFor(c *Conn, n int, credit socket.Handle) int {
	mss := int(c.snd.mss)
	if r := t.segments.Tail(&c.queue); r != nil && r.Credit == credit && n <= min(mss-int(r.Len), t.region.Frame(r.Frame).Tailroom()) {
		return 0
	}
	return (n + mss - 1) / mss
}

// Take lends frames in order to the application.
func (t *Table) Take(c *Conn, out []*umem.Frame) (int, socket.Errno) {
	before := c.recv.Frames()
	n, _ := c.recv.Take(t.pool, out)
	t.received += c.recv.Frames() - before
	if n == 0 && c.state != Listen {
		return 0, c.takeErr()
	}
	return n, 0
}

// Read copies octets in order to dst: see RecvMsg. 0 without an error: the peer sends no more.
func (t *Table) Read(c *Conn, dst []byte, peek, all bool) (int, socket.Errno) {
	have := c.recv.Octets()
	ended := c.is(flagEOF) || c.state == Closed || c.state == TimeWait
	switch {
	case c.state == Listen || c.peerPort == 0:
		return 0, socket.ENOTCONN
	case have == 0 && c.pending != 0:
		return 0, c.takeErr()
	case have == 0 && ended:
		return 0, 0
	case have == 0 || all && have < len(dst) && !ended:
		return 0, socket.EAGAIN
	}
	before := c.recv.Frames()
	n := c.recv.Read(t.pool, dst, peek)
	t.received += c.recv.Frames() - before
	if !peek {
		t.consume(c, n)
	}
	return n, 0
}

// Queued is how many octets wait in order.
func (c *Conn) Queued() int { return c.recv.Octets() }

// Consume opens the window of the connection named, if it still is there.
func (t *Table) Consume(h socket.Handle, n int) {
	if c := t.Get(h); c != nil && n > 0 {
		t.consume(c, n)
	}
}

// credit opens the window of the connection that n octets were forwarded from, which are acknowledged.
func (t *Table) credit(h socket.Handle, n int) {
	if c := t.Get(h); c != nil {
		c.rcv.gone -= min(uint32(n), c.rcv.gone)
		t.consume(c, n)
	}
}

// forwardedFrom notes that n octets of the connection named are to be sent on another.
func (t *Table) forwardedFrom(h socket.Handle, n int) {
	if c := t.Get(h); c != nil {
		c.rcv.gone = min(c.rcv.gone+uint32(n), c.rcv.used)
	}
}

// kept is how many frames the application has of c: taken, and neither consumed nor forwarded.
func (c *Conn) kept() int {
	octets := int(c.rcv.used) - int(c.rcv.gone) - c.recv.Octets()
	if octets <= 0 {
		return 0
	}
	return 1 + octets/c.recv.PerFrame()
}

// consume opens c's window. The peer is told when that is worth it: two segments, or half of the buffer.
func (t *Table) consume(c *Conn, n int) {
	c.rcv.used -= min(uint32(n), c.rcv.used)
	if c.state < Established || c.state > FinWait2 || c.is(flagACKNow) {
		return
	}
	space := t.space(c)
	if !c.is(flagScaled) {
		space = min(space, 0xffff) // more cannot be told: an ACK for every read would open nothing
	}
	if space-c.window() >= min(int(c.rcv.limit/2), 2*int(c.rcv.mss)) {
		t.ackNow(c)
	}
}
