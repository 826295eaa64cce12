package stack

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/udp"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// What the table of neighbours (package link) wants done is done here: solicit,
// send what waited, give up on it, tell the other workers.

// writer reports whether this worker's table is the truth.
func (s *Stack) writer() bool { return s.worker == 0 }

// toWriter gives f, which could change the table, to worker 0.
func (s *Stack) toWriter(f *umem.Frame) { s.giveTo(f, 0) }

// pend queues f until neighbour i is resolved.
func (s *Stack) pend(f *umem.Frame, i uint32) socket.Errno {
	out := s.neigh.Pend(s.region, i, f)
	if out == nil {
		return 0
	}
	s.dropHeld(out, umem.HoldTx, PendingFull)
	if out == f {
		return socket.ENOBUFS
	}
	return 0
}

// solicit asks for neighbour i: by ARP or ND, or, on a replica, worker 0.
func (s *Stack) solicit(now umem.Time, i uint32) {
	n := s.neigh.Get(i)
	if !s.writer() {
		s.counters.Neighbours.Wanted++
		s.tell(record{kind: NeighbourWanted, iface: n.Iface, peer: socket.Addr{IP: n.Addr}})
		return
	}
	src := s.neigh.Source(i)
	if !s.owns(src) {
		var ok bool
		if src, ok = s.sourceFor(n.Addr, n.Iface); !ok {
			return
		}
	}
	mac := n.MAC // known: a probe by unicast (RFC 4861, section 7.3.3; RFC 1122, section 2.3.2.1)
	if n.Addr.Is4() {
		if n.State == link.Incomplete {
			mac = wire.Broadcast
		}
		s.sendARP(n.Iface, mac, arpRequest(s.ifaces[n.Iface].mac, src, n.Addr))
		return
	}
	dst := n.Addr
	if n.State == link.Incomplete {
		dst = n.Addr.SolicitedNode()
		mac = dst.GroupMAC()
	}
	s.sendSolicit(now, n.Iface, mac, src, dst, n.Addr)
}

// heard enters what a neighbour's own request told of it.
func (s *Stack) heard(now umem.Time, iface uint8, a ip.Addr, mac [6]byte) {
	if i, change, ok := s.neigh.Hear(now, iface, a, mac); ok {
		s.changed(i, change)
	}
}

// advertised enters a neighbour's answer, if it is in the table at all.
func (s *Stack) advertised(now umem.Time, iface uint8, a ip.Addr, adv link.Advert) {
	i, ok := s.neigh.Find(iface, a)
	if !ok {
		return
	}
	s.changed(i, s.neigh.Advertised(now, i, adv))
}

// changed follows up on a change of entry i: what waited goes, others hear.
func (s *Stack) changed(i uint32, change link.Change) {
	s.arm(i)
	if change&link.Resolved != 0 {
		s.counters.Neighbours.Resolved++
		s.flush(i)
	}
	if change&link.Changed != 0 {
		s.publish(s.neigh.Get(i))
	}
}

// flush sends what waited for neighbour i.
func (s *Stack) flush(i uint32) {
	mac := s.neigh.MAC(i)
	for f := s.neigh.PopPending(s.region, i); f != nil; f = s.neigh.PopPending(s.region, i) {
		copy(f.Bytes(), mac[:])
		if !s.qdisc.Push(f) {
			s.dropHeld(f, umem.HoldTx, QdiscFull)
		}
	}
}

// publish tells the other workers, if this is the writer and there are any.
func (s *Stack) publish(n link.Neighbour) {
	if s.workers == 1 || !s.writer() {
		return
	}
	if n.State == link.Delay || n.State == link.Probe {
		n.State = link.Stale
	}
	s.tell(record{kind: NeighbourChanged, iface: n.Iface, mac: n.MAC, state: n.State, peer: socket.Addr{IP: n.Addr}})
}

// giveUp fails what waits for neighbour i, and forgets it. Connected sockets hear
// EHOSTUNREACH (RFC 1122, section 2.3.2.2 and 4.1.3.3).
func (s *Stack) giveUp(i uint32) {
	s.counters.Neighbours.Failed++
	for f := s.neigh.PopPending(s.region, i); f != nil; f = s.neigh.PopPending(s.region, i) {
		s.reportFrame(f, socket.EHOSTUNREACH)
		s.dropHeld(f, umem.HoldTx, NeighbourFailed)
	}
	s.forget(i)
}

// dropPending drops what waits for any neighbour.
func (s *Stack) dropPending() {
	for i := uint32(0); s.neigh.Pending() > 0 && int(i) < s.neigh.Cap(); i++ {
		if !s.neigh.Used(i) {
			continue
		}
		for f := s.neigh.PopPending(s.region, i); f != nil; f = s.neigh.PopPending(s.region, i) {
			s.dropHeld(f, umem.HoldTx, NeighbourFailed)
		}
	}
}

// reportFrame tells the socket that sent f, which has our own headers.
func (s *Stack) reportFrame(f *umem.Frame, e socket.Errno) {
	b := f.Bytes()[wire.EthernetLen:]
	var q quoted
	if b[0]>>4 == 4 {
		q = quoted{proto: b[9], src: ip.From4(b[12:16]), dst: ip.From4(b[16:20]), transport: b[wire.IPv4Len:]}
	} else {
		q = quoted{proto: b[6], src: ip.From16(b[8:24]), dst: ip.From16(b[24:40]), transport: b[wire.IPv6Len:]}
	}
	if q.proto == wire.ProtoTCP && len(q.transport) >= wire.TCPLen {
		src, dst := udp.Ports(q.transport)
		s.failTCP(socket.Addr{IP: q.src, Port: src}, socket.Addr{IP: q.dst, Port: dst}, wire.TCP(q.transport).Seq(), e)
	}
	if q.proto == wire.ProtoUDP && len(q.transport) >= wire.UDPLen {
		src, dst := udp.Ports(q.transport)
		s.report(q.proto, socket.Addr{IP: q.src, Port: src}, socket.Addr{IP: q.dst, Port: dst}, e)
	}
}

// forget removes neighbour i, in which nothing waits.
func (s *Stack) forget(i uint32) {
	n := s.neigh.Get(i)
	n.State = link.None
	s.neigh.Remove(i)
	s.publish(n)
}

// LearnNeighbour enters what worker 0 said of a neighbour: for workers other than
// 0, which have replicas of its table.
func (s *Stack) LearnNeighbour(now umem.Time, n *link.Neighbour) {
	if int(n.Iface) >= len(s.ifaces) {
		return
	}
	i, change, act, ok := s.neigh.Learn(now, n)
	switch {
	case !ok:
	case act == link.GiveUp:
		s.giveUp(i)
	default:
		s.changed(i, change)
	}
}

// ResolveNeighbour resolves a neighbour for another worker: for worker 0. A
// NeighbourChanged follows, at once when it is known, otherwise when it is or
// when it fails.
func (s *Stack) ResolveNeighbour(now umem.Time, n *link.Neighbour) {
	if int(n.Iface) >= len(s.ifaces) {
		return
	}
	i, act, ok := s.neigh.Want(now, n.Iface, n.Addr, ip.Addr{})
	if !ok {
		s.publish(link.Neighbour{Addr: n.Addr, Iface: n.Iface})
		return
	}
	if act == link.Nothing {
		act = s.neigh.Check(now, i)
	}
	if act == link.Solicit {
		s.solicit(now, i)
	}
	if known := s.neigh.Get(i); known.State != link.Incomplete {
		s.publish(known)
	}
	s.arm(i)
}
