package stack

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// inputND takes a neighbor solicitation or advertisement, the ICMPv6 message b,
// whose checksum is right.
func (s *Stack) inputND(now umem.Time, f *umem.Frame, p *packet, b []byte) {
	n, ok := wire.CheckNDP(b)
	if !ok || p.ttl != wire.NDPHopLimit || p.local {
		s.drop(f, NDInvalid)
		return
	}
	if n.Type() == wire.ICMPv6NeighborSolicitation {
		s.counters.Neighbours.InSolicits++
		s.inputSolicit(now, f, p, n)
		return
	}
	s.counters.Neighbours.InAdverts++
	s.inputAdvert(now, f, p, n)
}

// inputSolicit: RFC 4861, sections 7.1.1 and 7.2.3; RFC 4862, section 5.4.3.
func (s *Stack) inputSolicit(now umem.Time, f *umem.Frame, p *packet, n wire.NDP) {
	target16 := n.Target()
	target := ip.From16(target16[:])
	mac, hasMAC := n.LinkAddr()
	probe := p.src.IP == ip.Addr{}
	if probe && (hasMAC || p.dst.IP != target.SolicitedNode()) || mac[0]&1 != 0 {
		s.drop(f, NDInvalid)
		return
	}
	a := s.address(target)
	if a == nil {
		s.drop(f, NDNotForUs)
		return
	}
	if a.state != addrReady {
		if !probe { // somebody resolves an address that is not ours yet
			s.drop(f, NDNotForUs)
			return
		}
		s.conflictND(now, f, p, target)
		return
	}
	if f.Flags&umem.FlagHandedOff == 0 {
		s.answerSolicit(f, p, target, mac, hasMAC)
	}
	if !hasMAC || !s.learnable(p.src.IP) {
		s.pool.Free(f)
		return
	}
	if !s.writer() {
		s.toWriter(f)
		return
	}
	s.heard(now, p.iface, p.src.IP, mac)
	s.pool.Free(f)
}

// answerSolicit sends the advertisement (RFC 4861, section 7.2.4): to the sender, or
// when that has no address yet, to all.
func (s *Stack) answerSolicit(f *umem.Frame, p *packet, target ip.Addr, mac [6]byte, hasMAC bool) {
	dst, flags := p.src.IP, uint8(wire.NDPSolicited|wire.NDPOverride)
	switch {
	case dst == ip.Addr{}:
		dst, flags = ip.AllNodes6, wire.NDPOverride
		mac = dst.GroupMAC()
	case !hasMAC: // it probes us by unicast, and so has an address that is in use
		mac = wire.Ethernet(f.Link()[:wire.EthernetLen]).Src()
	}
	s.sendAdvert(p.iface, mac, target, dst, flags)
}

// inputAdvert: RFC 4861, sections 7.1.2 and 7.2.5; RFC 4862, section 5.4.4.
func (s *Stack) inputAdvert(now umem.Time, f *umem.Frame, p *packet, n wire.NDP) {
	target16 := n.Target()
	target := ip.From16(target16[:])
	mac, hasMAC := n.LinkAddr()
	solicited := n.Flags()&wire.NDPSolicited != 0
	if p.group && solicited || mac[0]&1 != 0 || p.src.IP == (ip.Addr{}) {
		s.drop(f, NDInvalid)
		return
	}
	if s.address(target) != nil {
		s.conflictND(now, f, p, target)
		return
	}
	if !s.writer() {
		s.toWriter(f)
		return
	}
	if _, known := s.neigh.Find(p.iface, target); !known {
		s.drop(f, NDNotForUs)
		return
	}
	s.advertised(now, p.iface, target, link.Advert{
		MAC: mac, HasMAC: hasMAC, Solicited: solicited, Override: n.Flags()&wire.NDPOverride != 0,
	})
	s.pool.Free(f)
}

// conflictND takes a message from somebody else who uses target, an address of
// ours, or probes it while we do.
func (s *Stack) conflictND(now umem.Time, f *umem.Frame, p *packet, target ip.Addr) {
	mac := wire.Ethernet(f.Link()[:wire.EthernetLen]).Src()
	switch {
	case mac == s.ifaces[p.iface].mac: // our own, looped back (RFC 7527)
		s.drop(f, NDNotForUs)
	case s.writer():
		s.conflict(now, p.iface, target, target, mac)
		s.drop(f, AddressConflict)
	default:
		s.toWriter(f)
	}
}

// sendSolicit sends a neighbor solicitation; one without source address, for
// conflict detection, carries no link address (RFC 4861, section 7.2.2).
func (s *Stack) sendSolicit(_ umem.Time, iface uint8, mac [6]byte, src, dst, target ip.Addr) {
	s.counters.Neighbours.OutSolicits++
	m := wire.NDPFields{Type: wire.ICMPv6NeighborSolicitation}
	target.Put16(m.Target[:])
	if src != (ip.Addr{}) {
		m.LinkAddr = s.ifaces[iface].mac
	}
	s.sendND(iface, mac, src, dst, m)
}

// sendAdvert sends a neighbor advertisement of an own address.
func (s *Stack) sendAdvert(iface uint8, mac [6]byte, target, dst ip.Addr, flags uint8) {
	s.counters.Neighbours.OutAdverts++
	m := wire.NDPFields{Type: wire.ICMPv6NeighborAdvertisement, Flags: flags, LinkAddr: s.ifaces[iface].mac}
	target.Put16(m.Target[:])
	s.sendND(iface, mac, target, dst, m)
}

func (s *Stack) sendND(iface uint8, mac [6]byte, src, dst ip.Addr, m wire.NDPFields) {
	f := s.pool.Get(umem.ClassControl)
	if f == nil {
		s.counters.NoControlFrame++
		return
	}
	n := wire.NDPLen
	if m.LinkAddr != (wire.MAC{}) {
		n += 8
	}
	d := &s.direct
	*d = ip.Dest{Key: ip.DestKey{Dst: dst}, Src: src}
	d.SetHeader(mac, s.ifaces[iface].mac)
	b := f.Put(n)
	wire.PutNDP(b, m)
	wire.SealICMPv6(b, d.Pseudo(wire.ProtoICMPv6, n))
	d.Put(f.Push(int(d.Size)), n, ip.Params{Proto: wire.ProtoICMPv6, TTL: wire.NDPHopLimit})
	s.counters.V6.ICMPOutMsgs++
	f.Port = s.ifaces[iface].port
	s.enqueue(&s.qdisc, f, QdiscFull)
}
