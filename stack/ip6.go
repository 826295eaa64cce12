package stack

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// parse6 checks an IPv6 header (RFC 8200, section 3) and pulls it with its
// extension headers.
func (s *Stack) parse6(f *umem.Frame, p *packet) {
	s.counters.V6.InReceives++
	size := f.TotalLen()
	h, ok := wire.CheckIPv6Chain(f.Bytes(), size)
	if !ok {
		p.refuse(IPMalformed)
		return
	}
	p.src.IP, p.dst.IP = ip.From16(h[8:24]), ip.From16(h[24:40])
	if p.src.IP.Is4() || p.dst.IP.Is4() {
		p.refuse(MartianSource) // mapped addresses do not travel (RFC 4942, section 2.2)
		return
	}
	if why := s.admit(p); why != noReason {
		p.refuse(why)
		return
	}
	p.tos, p.ttl = h.TrafficClass(), h.HopLimit()
	if total := h.TotalLen(); total < size {
		f.Trim(total)
	}
	f.MarkNetwork()
	p.proto, p.pointer = h.NextHeader(), 6
	if p.proto == wire.ProtoTCP || p.proto == wire.ProtoUDP || p.proto == wire.ProtoICMPv6 {
		f.Pull(wire.IPv6Len)
		f.MarkTransport()
		s.classify(f, p)
		return
	}
	s.parseExt(f, p)
}

// parseExt walks extension headers (RFC 8200, section 4).
func (s *Stack) parseExt(f *umem.Frame, p *packet) {
	x, verdict := wire.WalkExt(f.Bytes(), wire.DefaultExtLimits)
	switch {
	case verdict != wire.ExtOK:
		p.refuse(ExtHeaders)
		code, report := verdict.ParamProblem()
		if report && !(p.group && verdict != wire.ExtReported) {
			p.kind, p.code, p.pointer = kindProblem, code, uint16(x.Pointer)
		}
		return
	case x.Fragmented:
		p.refuse(Fragment)
		return
	case x.Proto == wire.ExtNone:
		p.refuse(NoNextHeader)
		return
	}
	p.proto, p.pointer = x.Proto, uint16(x.ProtoAt)
	f.Pull(x.Offset)
	f.MarkTransport()
	s.classify(f, p)
}
