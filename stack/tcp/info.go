package tcp

import (
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// Info is what can be seen of a connection or listener.
type Info struct {
	Handle         socket.Handle
	State          State
	Local, Peer    socket.Addr
	Owner          socket.Owner
	RecvQueue      int
	SendQueue      int
	Cwnd, Ssthresh int
	MSS            int
	SRTT, RTO      umem.Time
	Retransmits    uint64
	SndUna, RcvNxt Seq // for whoever has a capture beside it
}

// Cap is how many slots there are, in use or not.
func (t *Table) Cap() int { return len(t.conns) }

// Info tells of the slot i; false: it is not in use.
func (t *Table) Info(i int, o *Info) bool {
	if !t.slab.Used(uint32(i)) {
		return false
	}
	c := &t.conns[i]
	*o = Info{
		Handle: t.handle(c), State: c.state, Local: c.Local(), Peer: c.Peer(), Owner: c.owner,
		RecvQueue: c.recv.Octets(), SendQueue: c.queue.Queued(), Cwnd: c.cc.Cwnd(), Ssthresh: c.cc.Ssthresh(),
		MSS: int(c.snd.mss), SRTT: c.rtt.SRTT(), RTO: c.rtt.RTO(t.cfg.RTOMin), Retransmits: uint64(c.retransmits), SndUna: c.snd.una, RcvNxt: c.rcv.nxt,
	}
	if c.state == Listen {
		o.RecvQueue, o.SendQueue = int(c.accept.n), int(c.backlog)
	}
	return true
}

// Received is how many frames wait in receive queues, Held in send queues.
func (t *Table) Received() int { return t.received }

// Held: see Received.
func (t *Table) Held() int { return t.held }

// Failed takes an ICMP error, or the layers' below, about a segment that c sent and whose number is seq. One
// about what is not in flight is forged or late (RFC 5927, section 4.1). Only a handshake ends by it; an
// established connection keeps it as the reason, should it time out (RFC 5927, section
// 5.2; RFC 9293, section 3.9.2.2). It reports whether the error counted.
func (t *Table) Failed(c *Conn, seq Seq, errno socket.Errno) bool {
	if seq.Before(c.snd.una) || !seq.Before(c.snd.nxt) {
		return false
	}
	if c.state == SynSent {
		t.count.AttemptFails++
		t.end(c, errno)
		return true
	}
	c.soft = errno
	return true
}
