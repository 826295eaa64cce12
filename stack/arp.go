package stack

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// inputARP takes an ARP packet, in the order of RFC 826, "Packet Reception", with
// the conflict detection of RFC 5227, section 2.1.1, before it.
func (s *Stack) inputARP(now umem.Time, f *umem.Frame, p *packet) {
	b, ok := f.Pullup(min(f.TotalLen(), wire.ARPLen))
	a, valid := wire.CheckARP(b)
	if p.local || !ok || !valid || a.SenderMAC()[0]&1 != 0 {
		s.drop(f, ARPMalformed)
		return
	}
	op := a.Op()
	sender, target := fromARP(a.SenderIP()), fromARP(a.TargetIP())
	switch op {
	case wire.ARPRequest:
		s.counters.ARP.InRequests++
	case wire.ARPReply:
		s.counters.ARP.InReplies++
	default:
		s.drop(f, ARPMalformed)
		return
	}
	if s.conflicts(p.iface, sender, target, a.SenderMAC()) {
		if s.writer() {
			s.conflict(now, p.iface, sender, target, a.SenderMAC())
			s.drop(f, AddressConflict)
			return
		}
		s.toWriter(f)
		return
	}
	mine := s.owns(target)
	if op == wire.ARPRequest && mine && f.Flags&umem.FlagHandedOff == 0 {
		s.counters.ARP.OutReplies++
		s.sendARP(p.iface, a.SenderMAC(), wire.ARPFields{
			Op: wire.ARPReply, SenderMAC: s.ifaces[p.iface].mac, SenderIP: a.TargetIP(),
			TargetMAC: a.SenderMAC(), TargetIP: a.SenderIP(),
		})
	}
	if !s.learnable(sender) {
		s.pool.Free(f) // a probe: it says nothing of the sender (RFC 5227, section 1.1)
		return
	}
	if !s.writer() {
		s.toWriter(f)
		return
	}
	s.mergeARP(now, f, p.iface, a, mine)
}

// mergeARP enters the sender: into its entry if it has one; if the packet is for
// us, into a new one. A reply that we waited for confirms; anything else does not.
func (s *Stack) mergeARP(now umem.Time, f *umem.Frame, iface uint8, a wire.ARP, mine bool) {
	sender := fromARP(a.SenderIP())
	i, known := s.neigh.Find(iface, sender)
	if !known && !mine {
		s.drop(f, ARPNotForUs)
		return
	}
	asked := false
	if known {
		state := s.neigh.State(i)
		asked = state == link.Incomplete || state == link.Probe
	}
	switch {
	case known:
		s.advertised(now, iface, sender, link.Advert{
			MAC: a.SenderMAC(), HasMAC: true, Override: true, Solicited: asked && mine && a.Op() == wire.ARPReply,
		})
	case a.Op() == wire.ARPRequest:
		s.heard(now, iface, sender, a.SenderMAC())
	}
	s.pool.Free(f)
}

// learnable reports whether a is an address that a neighbour can have.
func (s *Stack) learnable(a ip.Addr) bool {
	return !a.Martian() && !s.isBroadcast(a) && s.address(a) == nil
}

func fromARP(a [4]byte) ip.Addr { return ip.From4(a[:]) }

func arpRequest(mac [6]byte, src, target ip.Addr) wire.ARPFields {
	f := wire.ARPFields{Op: wire.ARPRequest, SenderMAC: mac}
	src.Put4(f.SenderIP[:])
	target.Put4(f.TargetIP[:])
	return f
}

// sendARP sends an ARP packet.
func (s *Stack) sendARP(iface uint8, dst [6]byte, a wire.ARPFields) {
	if a.Op == wire.ARPRequest {
		s.counters.ARP.OutRequests++
	}
	f := s.pool.Get(umem.ClassControl)
	if f == nil {
		s.counters.NoControlFrame++
		return
	}
	b := f.Put(wire.EthernetLen + wire.ARPLen)
	wire.PutEthernet(b, wire.EthernetFields{Dst: dst, Src: s.ifaces[iface].mac, Type: wire.EtherTypeARP})
	wire.PutARP(b[wire.EthernetLen:], a)
	f.Port = s.ifaces[iface].port
	s.enqueue(&s.qdisc, f, QdiscFull)
}
