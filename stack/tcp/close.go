package tcp

import (
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// Shutdown sends FIN behind what waits to be sent (RFC 9293, section 3.10.4).
func (t *Table) Shutdown(c *Conn) socket.Errno {
	switch c.state {
	case Closed, Listen, SynSent:
		return socket.ENOTCONN
	case Established:
		c.state = FinWait1
	case CloseWait:
		c.state = LastAck
	case SynReceived: // FIN-WAIT-1 follows the handshake
	default:
		return 0
	}
	c.flags = c.flags&^flagCork | flagFIN
	t.touch(c)
	return 0
}

// Close ends c in order; its handle is stale. What is unread is lost, and the peer hears of that by a
// RST (RFC 2525, section 2.17; RFC 9293, section 3.6.1). The rest goes on without the application.
func (t *Table) Close(now umem.Time, c *Conn) {
	switch c.state {
	case Listen:
		t.closeListener(now, c)
		return
	case Closed:
		t.free(c)
		return
	case SynSent:
		c.flags |= flagOrphan
		t.end(c, 0)
		return
	}
	unread := c.recv.Octets() > 0 || c.recv.Holes() > 0
	t.dropReceived(c)
	c.flags |= flagOrphan
	c.ready, c.app = 0, umem.Never
	t.remove(&t.told, linkTold, c)
	if c.state != TimeWait && unread {
		t.count.TCPAbortOnClose++
		t.abort(now, c)
		return
	}
	if c.state == TimeWait {
		t.push(&t.aged, linkPlace, c)
		return
	}
	c.rcv.used, c.rcv.gone = 0, 0
	t.Shutdown(c)
	t.lingerFinWait2(now, c)
}

// Abort sends a RST and forgets the connection (RFC 9293, section 3.10.5).
func (t *Table) Abort(now umem.Time, c *Conn) {
	switch c.state {
	case Listen, Closed:
		t.Close(now, c)
		return
	}
	t.dropReceived(c)
	c.flags |= flagOrphan
	t.abort(now, c)
}

// abort sends a RST where the state wants one, and ends c.
func (t *Table) abort(now umem.Time, c *Conn) {
	switch c.state {
	case SynReceived, Established, FinWait1, FinWait2, CloseWait:
		t.count.OutRsts++
		t.control(now, c, c.snd.nxt, wire.TCPRst|wire.TCPAck)
	}
	t.end(c, socket.ECONNABORTED)
}

// closeListener forgets what is half open, and resets what nobody accepted.
func (t *Table) closeListener(now umem.Time, l *Conn) {
	for l.half.n > 0 {
		t.end(&t.conns[l.half.first], 0)
	}
	for c := t.pop(&l.accept, linkPlace); c != nil; c = t.pop(&l.accept, linkPlace) {
		c.flags = c.flags&^flagEmbryo | flagOrphan
		if c.state == Closed {
			t.free(c)
			continue
		}
		t.dropReceived(c)
		t.abort(now, c)
	}
	t.free(l)
}

// end is where every connection ends: errno says why, 0 in order. The slot is given back, unless the
// application has a handle still; it may take what was received before.
func (t *Table) end(c *Conn, errno socket.Errno) {
	was := c.state
	half := was == SynReceived && c.is(flagEmbryo)
	if was >= Established && was != TimeWait {
		t.count.CurrEstab--
	}
	if half {
		t.remove(&t.conns[c.parent.Slot()].half, linkPlace, c)
	} else if c.is(flagOrphan) {
		t.remove(&t.aged, linkPlace, c)
	}
	t.unfile(c)
	t.unbind(c)
	t.dropQueued(c)
	c.state = Closed
	c.err, c.pending = errno, errno
	c.rtx, c.delack, c.app = umem.Never, umem.Never, umem.Never
	c.snd.una = c.snd.nxt
	c.flags &^= flagACKNow | flagACKSoon | flagSYN
	if half || c.is(flagOrphan) {
		t.free(c)
		return
	}
	if was != TimeWait {
		t.tell(c, ReadyClosed)
	}
}

// dropQueued lets go of what was to be sent. What other connections forwarded counts as gone: their windows
// open.
func (t *Table) dropQueued(c *Conn) {
	var a Acked
	for t.segments.Pop(&c.queue, &a) {
		t.letGo(&a)
		if a.Credit.Gen != 0 {
			t.credit(a.Credit, int(a.Len))
		}
	}
	t.freed()
}

// dropReceived lets go of what was received.
func (t *Table) dropReceived(c *Conn) {
	t.received -= c.recv.Frames()
	c.recv.Flush(t.pool)
}

// free gives the slot of a connection that is over back.
func (t *Table) free(c *Conn) {
	i := t.index(c)
	t.unfile(c)
	t.unbind(c)
	t.dropReceived(c)
	t.remove(&t.dirty, linkDirty, c)
	t.remove(&t.waiting, linkWaiting, c)
	t.remove(&t.told, linkTold, c)
	t.cfg.Wheel.Stop(t.cfg.Timer + i)
	t.slab.Free(i)
}

// Shut ends everything, for a stack that stops: connections with a RST, orphans too.
func (t *Table) Shut(now umem.Time) {
	for i := range t.conns {
		if !t.slab.Used(uint32(i)) {
			continue
		}
		c := &t.conns[i]
		if c.is(flagEmbryo) {
			continue // its listener's
		}
		t.Abort(now, c)
	}
}
