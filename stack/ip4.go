package stack

import (
	"encoding/binary"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// parse4 checks an IPv4 header in the order of RFC 1122, section 3.2.1, and pulls
// it with its options.
func (s *Stack) parse4(f *umem.Frame, p *packet) {
	s.counters.V4.InReceives++
	size := f.TotalLen()
	h, ok := wire.CheckIPv4Chain(f.Bytes(), size)
	if !ok {
		p.refuse(IPMalformed)
		return
	}
	if !h.ChecksumOK() {
		p.refuse(IPChecksum)
		return
	}
	p.src.IP, p.dst.IP = ip.From4(h[12:16]), ip.From4(h[16:20])
	if why := s.admit(p); why != noReason {
		p.refuse(why)
		return
	}
	if h.IsFragment() {
		p.refuse(Fragment)
		return
	}
	if len(h) > wire.IPv4Len {
		if why := checkOptions(h.Options()); why != noReason {
			p.refuse(why)
			return
		}
	}
	p.proto, p.tos, p.ttl = h.Protocol(), h.TOS(), h.TTL()
	if total := h.TotalLen(); total < size {
		f.Trim(total)
	}
	f.MarkNetwork()
	f.Pull(len(h))
	f.MarkTransport()
	s.classify(f, p)
}

// checkOptions lets all options pass, unread, but source routes (RFC 1122, section
// 3.2.1.8; RFC 7126, sections 4.3 and 4.4).
func checkOptions(o wire.Options) Reason {
	if !o.Valid() {
		return IPOptions
	}
	for {
		kind, _, rest, ok := o.Next()
		if !ok {
			return noReason
		}
		if kind == wire.IPv4OptionLSRR || kind == wire.IPv4OptionSSRR {
			return SourceRoute
		}
		o = rest
	}
}

// parseUDP checks a UDP header's lengths and pulls it, for both families.
func (s *Stack) parseUDP(f *umem.Frame, p *packet) {
	size := f.TotalLen()
	u, ok := wire.CheckUDPChain(f.Bytes(), size)
	if !ok {
		s.family(p.v4()).UDPInErrors++
		p.refuse(UDPMalformed)
		return
	}
	p.kind = kindUDP
	ports := (*[wire.UDPLen]byte)(u)
	p.src.Port, p.dst.Port = binary.BigEndian.Uint16(ports[0:2]), binary.BigEndian.Uint16(ports[2:4])
	if n := u.Length(); n < size {
		f.Trim(n)
	}
	f.Pull(wire.UDPLen)
}
