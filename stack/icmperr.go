package stack

import (
	"encoding/binary"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// quoted is the packet that an ICMP error is about: one of ours.
type quoted struct {
	proto     uint8
	src, dst  ip.Addr
	transport []byte // eight octets of it at least
}

// inputError takes an ICMP error to the socket that sent the quoted packet. What
// quotes a packet that no socket here can have sent is dropped (RFC 5927, section
// 4.1: anybody can send one).
func (s *Stack) inputError(f *umem.Frame, q quoted, e socket.Errno) {
	if q.proto != wire.ProtoUDP && q.proto != wire.ProtoTCP || !s.owns(q.src) {
		s.drop(f, ICMPIgnored)
		return
	}
	local := socket.Addr{IP: q.src, Port: binary.BigEndian.Uint16(q.transport[0:2])}
	peer := socket.Addr{IP: q.dst, Port: binary.BigEndian.Uint16(q.transport[2:4])}
	told := false
	if q.proto == wire.ProtoTCP {
		told = s.failTCP(local, peer, binary.BigEndian.Uint32(q.transport[4:8]), e)
	} else {
		told = s.report(q.proto, local, peer, e)
	}
	if told {
		s.family(q.src.Is4()).ICMPDelivered++
		s.pool.Free(f)
		return
	}
	if !s.handOff(f, local.Port) {
		s.drop(f, ICMPIgnored)
	}
}

// report tells the socket at local what befell a datagram to peer, and whether
// there is one that can be told (RFC 1122, section 4.1.3.3): a connected socket
// keeps the error for its next call; one that takes events hears of it anyway.
func (s *Stack) report(proto uint8, local, peer socket.Addr, e socket.Errno) bool {
	i, ok := s.sockets.Find(proto, local, peer)
	if !ok {
		return false
	}
	so := s.sockets.At(i)
	if !so.Connected() && !so.Events() {
		return false
	}
	if so.Connected() {
		so.Err = e
	}
	s.tell(record{kind: Failed, errno: e, socket: so.Handle(), peer: peer})
	return true
}

// sendPortUnreachable answers a datagram that nobody listens for (RFC 1122, section
// 3.2.2.1; RFC 4443, section 3.1).
func (s *Stack) sendPortUnreachable(now umem.Time, f *umem.Frame, p *packet) {
	if p.v4() {
		s.sendError(now, f, p, wire.ICMPFields{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4PortUnreachable})
		return
	}
	s.sendError(now, f, p, wire.ICMPFields{Type: wire.ICMPv6Unreachable, Code: wire.ICMPv6PortUnreachable})
}

// sendUnknownProtocol answers a packet of a protocol that is not spoken here (RFC
// 1122, section 3.2.2.1; RFC 4443, section 3.4).
func (s *Stack) sendUnknownProtocol(now umem.Time, f *umem.Frame, p *packet) {
	if p.v4() {
		s.sendError(now, f, p, wire.ICMPFields{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4ProtoUnreachable})
		return
	}
	s.sendError(now, f, p, wire.ICMPFields{
		Type: wire.ICMPv6ParamProblem, Code: wire.ICMPv6UnknownNextHeader, Rest: uint32(p.pointer),
	})
}

// sendProblem answers a packet whose extension headers call for it. Only an
// unknown option is reported to the sender of a multicast packet (RFC 4443, section
// 2.4 (e.3)).
func (s *Stack) sendProblem(now umem.Time, f *umem.Frame, p *packet) {
	if p.group {
		p.group = p.code != wire.ICMPv6UnknownOption
	}
	s.sendError(now, f, p, wire.ICMPFields{Type: wire.ICMPv6ParamProblem, Code: p.code, Rest: uint32(p.pointer)})
}

// maxError4 and maxError6 bound the packet of an error: as much of the packet at
// fault as fits is quoted (RFC 1812, section 4.3.2.3; RFC 4443, section 2.4 (c)).
const (
	maxError4 = 576
	maxError6 = wire.IPv6MinMTU
)

// sendError sends an ICMP error about f, which stays the caller's: never about a
// group or broadcast, or to an address that names no single host (RFC 1122, section
// 3.2.2; RFC 4443, section 2.4 (e)). Errors about ICMP errors do not come here:
// ICMP is always spoken. Fragments do not either.
func (s *Stack) sendError(now umem.Time, f *umem.Frame, p *packet, m wire.ICMPFields) {
	c := s.family(p.v4())
	if p.group || p.src.IP.IsAny() {
		return
	}
	if !s.limiter.Take(now) {
		c.ICMPLimited++
		return
	}
	key := ip.DestKey{Dst: p.src.IP, Src: p.dst.IP, Iface: s.scope(p.src.IP, p.iface)}
	if !s.owns(p.dst.IP) {
		key.Src = ip.Addr{}
	}
	d, e := s.route(now, key)
	if e != 0 {
		return
	}
	g := s.pool.Get(umem.ClassControl)
	if g == nil {
		s.counters.NoControlFrame++
		return
	}
	s.quote(g, d, f.Network(), m)
	s.pool.Hold(g, umem.HoldTx)
	c.ICMPOutErrors++
	c.ICMPOutMsgs++
	s.sendIP(now, g, d, ip.Params{Proto: icmpOf(d.Is4()), TTL: defaultTTL}, &nobody)
}

// quote writes an ICMP error about a packet to g.
func (s *Stack) quote(g *umem.Frame, d *ip.Dest, about []byte, m wire.ICMPFields) {
	limit := maxError6 - wire.IPv6Len - wire.ICMPLen
	if d.Is4() {
		limit = maxError4 - wire.IPv4Len - wire.ICMPLen
	}
	limit = min(limit, int(d.MTU)-int(d.Size)+wire.EthernetLen-wire.ICMPLen)
	about = about[:min(len(about), limit)]
	b := g.Put(wire.ICMPLen + len(about))
	copy(b[wire.ICMPLen:], about)
	if d.Is4() {
		wire.PutICMPv4(b, m)
		wire.SealICMPv4(b)
		return
	}
	wire.PutICMPv6(b, m)
	wire.SealICMPv6(b, d.Pseudo(wire.ProtoICMPv6, len(b)))
}

// icmpOf is the protocol number of ICMP for a family.
func icmpOf(v4 bool) uint8 {
	if v4 {
		return wire.ProtoICMPv4
	}
	return wire.ProtoICMPv6
}
