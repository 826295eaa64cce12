package stack

import (
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/udp"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// inputUDP takes a datagram, whose data is the payload, to its socket (RFC 1122,
// section 4.1.3).
func (s *Stack) inputUDP(now umem.Time, f *umem.Frame, p *packet) {
	if !p.found && s.handOff(f, p.dst.Port) {
		return
	}
	if !s.verifyUDP(f, p) {
		s.family(p.v4()).UDPInErrors++
		s.drop(f, UDPChecksum)
		return
	}
	if s.raw(f, p) && !p.found {
		s.pool.Free(f)
		return
	}
	if !p.found {
		s.family(p.v4()).UDPNoPorts++
		s.sendPortUnreachable(now, f, p)
		s.drop(f, NoSocket)
		return
	}
	s.family(p.v4()).UDPInDatagrams++
	s.deliver(f, s.sockets.At(p.sock), p.v4())
}

// verifyUDP applies the interface's checksum policy. What this host sent to itself
// was summed by it, and is verified all the same.
func (s *Stack) verifyUDP(f *umem.Frame, p *packet) bool {
	u := wire.UDP(f.Transport()[:wire.UDPLen])
	switch udp.Verify(f, u, p.src.IP.Sum()+p.dst.IP.Sum(), p.v4()) {
	case udp.Good:
		return true
	case udp.NoSum:
		s.counters.NoChecksums++
		return true
	case udp.Partial:
		if !p.local && s.ifaces[p.iface].policy == PartialOK {
			s.counters.PartialChecksums++
			return true
		}
	}
	return false
}

// deliver gives f, whose data is the payload, to a socket: as an event, or into
// its receive queue. What does not fit is dropped here (RFC 768 promises nothing).
func (s *Stack) deliver(f *umem.Frame, so *socket.Socket, v4 bool) {
	why := noReason
	switch {
	case !s.pool.MayKeep(1):
		why = ReceiveQuota
	case so.Events():
		if s.events.full() {
			why = EventsFull
			break
		}
		s.lend(f)
		s.events.push(record{kind: Datagram, socket: so.Handle(), frame: f.Index()})
		return
	case !so.Room(f.TotalLen()):
		why = ReceiveQueueFull
	case so.Queued() == 0 && !s.events.push(record{kind: Readable, socket: so.Handle()}):
		why = EventsFull // nobody would hear of it
	default:
		s.pool.Hold(f, umem.HoldReceive)
		so.Push(f)
		s.queued++
		return
	}
	so.Drops++
	s.family(v4).UDPRcvbufErrors++
	s.drop(f, why)
}

// raw gives copies of a packet to the raw sockets that want it, and reports
// whether any did.
func (s *Stack) raw(f *umem.Frame, p *packet) bool {
	wanted := false
	for _, i := range s.sockets.Raws() {
		so := s.sockets.At(i)
		if !so.Wants(p.proto, p.dst.IP, p.src.IP) {
			continue
		}
		wanted = true
		if g := s.copyOf(f); g != nil {
			s.deliver(g, so, p.v4())
		}
	}
	return wanted
}

// copyOf copies a received packet from its link header on, for a raw socket: the
// data of the copy is what follows the network header.
func (s *Stack) copyOf(f *umem.Frame) *umem.Frame {
	head := len(f.Link()) - f.Len() // pulled so far
	size := head + f.TotalLen()
	g := s.pool.Get(umem.ClassReceive)
	if g == nil || g.Tailroom() < size {
		s.counters.Drops[RawNoFrame]++
		if g != nil {
			s.pool.Free(g)
		}
		return nil
	}
	b := g.Put(size)
	copy(b, f.Link()[:head])
	f.CopyTo(b[head:])
	g.Flags |= f.Flags & umem.FlagLocal
	g.In, g.RxTime = f.In, f.RxTime
	g.MarkLink()
	g.Pull(wire.EthernetLen)
	g.MarkNetwork()
	g.Pull(len(f.Network()) - len(f.Transport()))
	g.MarkTransport()
	return g
}
