package stack

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// inputICMP6 takes an ICMPv6 message (RFC 4443).
func (s *Stack) inputICMP6(now umem.Time, f *umem.Frame, p *packet) {
	c := &s.counters.V6
	c.ICMPInMsgs++
	b, ok := f.Pullup(f.TotalLen())
	if !ok {
		s.drop(f, PullupFailed)
		return
	}
	m, ok := wire.CheckICMPv6(b)
	if !ok {
		c.ICMPInErrors++
		s.drop(f, ICMPMalformed)
		return
	}
	pseudo := p.src.IP.Sum() + p.dst.IP.Sum() + wire.ProtoICMPv6 + uint32(len(b))
	if !checksum.Valid(checksum.Sum(b, pseudo)) {
		c.ICMPInErrors++
		s.drop(f, ICMPChecksum)
		return
	}
	switch m.Type() {
	case wire.ICMPv6NeighborSolicitation, wire.ICMPv6NeighborAdvertisement:
		s.inputND(now, f, p, b)
		return
	}
	if p.src.IP == (ip.Addr{}) {
		s.drop(f, MartianSource)
		return
	}
	s.raw(f, p)
	switch {
	case m.Type() == wire.ICMPv6Echo:
		c.ICMPInEchos++
		s.echo6(now, f, p, m)
	case m.Type() == wire.ICMPv6EchoReply:
		s.pool.Free(f)
	case m.IsError():
		s.inputError6(f, m, b[wire.ICMPLen:])
	default:
		s.drop(f, ICMPIgnored)
	}
}

// echo6 answers an echo request with the same data (RFC 4443, section 4.2), one to
// a group too: from an address of this host, then.
func (s *Stack) echo6(now umem.Time, f *umem.Frame, p *packet, m wire.ICMPv6) {
	m.SetType(wire.ICMPv6EchoReply)
	if !p.group {
		m.SetChecksum(checksum.Update(m.Checksum(), wire.ICMPv6Echo<<8, wire.ICMPv6EchoReply<<8))
	} else if src, ok := s.sourceFor(p.src.IP, p.iface); ok {
		wire.SealICMPv6(f.Bytes(), src.Sum()+p.src.IP.Sum()+wire.ProtoICMPv6+uint32(f.Len()))
	}
	s.counters.V6.ICMPOutEchos++
	s.answer(now, f, p, wire.ProtoICMPv6)
}

// errno6 is what an ICMPv6 error means for the sender (Linux's icmpv6_err_convert).
func errno6(m wire.ICMPv6) socket.Errno {
	switch m.Type() {
	case wire.ICMPv6Unreachable:
		switch m.Code() {
		case wire.ICMPv6NoRoute:
			return socket.ENETUNREACH
		case wire.ICMPv6PortUnreachable:
			return socket.ECONNREFUSED
		case wire.ICMPv6AdminProhibited:
			return socket.EACCES
		}
		return socket.EHOSTUNREACH
	case wire.ICMPv6PacketTooBig:
		return socket.EMSGSIZE
	case wire.ICMPv6TimeExceeded:
		return socket.EHOSTUNREACH
	case wire.ICMPv6ParamProblem:
		return socket.ENOPROTOOPT
	}
	return socket.EHOSTUNREACH // an unknown error is an error (RFC 4443, section 2.4 (a))
}

// inputError6 takes an error about something that this host sent.
func (s *Stack) inputError6(f *umem.Frame, m wire.ICMPv6, quote []byte) {
	h, x, transport, ok := wire.CheckQuotedIPv6(quote, wire.DefaultExtLimits)
	if !ok || x.Fragmented {
		s.drop(f, ICMPMalformed)
		return
	}
	s.inputError(f, quoted{x.Proto, ip.From16(h[8:24]), ip.From16(h[24:40]), transport}, errno6(m))
}
