package stack

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// inputICMP4 takes an ICMP message (RFC 792; RFC 1122, section 3.2.2).
func (s *Stack) inputICMP4(now umem.Time, f *umem.Frame, p *packet) {
	c := &s.counters.V4
	c.ICMPInMsgs++
	b, ok := f.Pullup(f.TotalLen())
	if !ok {
		s.drop(f, PullupFailed)
		return
	}
	m, ok := wire.CheckICMPv4(b)
	if !ok {
		c.ICMPInErrors++
		s.drop(f, ICMPMalformed)
		return
	}
	if !checksum.Valid(checksum.Sum(b, 0)) {
		c.ICMPInErrors++
		s.drop(f, ICMPChecksum)
		return
	}
	s.raw(f, p)
	switch {
	case m.Type() == wire.ICMPv4Echo:
		c.ICMPInEchos++
		s.echo4(now, f, p, m)
	case m.Type() == wire.ICMPv4EchoReply:
		s.pool.Free(f) // whoever asked has a raw socket
	case m.IsError():
		s.inputError4(f, m, b[wire.ICMPLen:])
	default:
		s.drop(f, ICMPIgnored)
	}
}

// echo4 answers an echo request with the same data (RFC 1122, section 3.2.2.6).
func (s *Stack) echo4(now umem.Time, f *umem.Frame, p *packet, m wire.ICMPv4) {
	if p.group {
		s.drop(f, EchoGroup)
		return
	}
	m.SetType(wire.ICMPv4EchoReply)
	m.SetChecksum(checksum.Update(m.Checksum(), wire.ICMPv4Echo<<8, wire.ICMPv4EchoReply<<8))
	s.counters.V4.ICMPOutEchos++
	s.answer(now, f, p, wire.ProtoICMPv4)
}

// answer sends f, whose data became the answer to the packet p that it was, back to
// where that came from, from the address that it was sent to.
func (s *Stack) answer(now umem.Time, f *umem.Frame, p *packet, proto uint8) {
	key := ip.DestKey{Dst: p.src.IP, Src: p.dst.IP, Iface: s.scope(p.src.IP, p.iface)}
	if p.group {
		key.Src = ip.Addr{}
	}
	d, e := s.route(now, key)
	switch {
	case e != 0:
		s.drop(f, NoRoute)
		return
	case f.Len()+int(d.Size) > int(d.MTU)+wire.EthernetLen:
		s.drop(f, TooBig)
		return
	case f.Headroom() < int(d.Size):
		s.drop(f, PullupFailed)
		return
	}
	s.pool.Hold(f, umem.HoldTx)
	s.family(p.v4()).ICMPOutMsgs++
	s.sendIP(now, f, d, ip.Params{Proto: proto, TTL: defaultTTL, TOS: p.tos}, &nobody)
}

// errno4 is what an ICMP error means for the sender (RFC 1122, section 3.2.2.1;
// Linux's icmp_err_convert). 0: nothing.
func errno4(m wire.ICMPv4) socket.Errno {
	switch m.Type() {
	case wire.ICMPv4Unreachable:
		switch m.Code() {
		case wire.ICMPv4NetUnreachable:
			return socket.ENETUNREACH
		case wire.ICMPv4ProtoUnreachable:
			return socket.ENOPROTOOPT
		case wire.ICMPv4PortUnreachable:
			return socket.ECONNREFUSED
		case wire.ICMPv4FragNeeded:
			return socket.EMSGSIZE
		}
		return socket.EHOSTUNREACH
	case wire.ICMPv4TimeExceeded:
		return socket.EHOSTUNREACH
	case wire.ICMPv4ParamProblem:
		return socket.ENOPROTOOPT
	}
	return 0
}

// inputError4 takes an error about something that this host sent.
func (s *Stack) inputError4(f *umem.Frame, m wire.ICMPv4, quote []byte) {
	e := errno4(m)
	if e == 0 { // source quench (RFC 6633), redirect
		s.drop(f, ICMPIgnored)
		return
	}
	h, transport, ok := wire.CheckQuotedIPv4(quote)
	if !ok {
		s.drop(f, ICMPMalformed)
		return
	}
	s.inputError(f, quoted{h.Protocol(), ip.From4(h[12:16]), ip.From4(h[16:20]), transport}, e)
}
