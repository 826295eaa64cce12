package stack

import (
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
)

// segment is a packet as a test writes it: it names only what differs from a
// datagram from the peer's port 2000 to our port 7.
type segment struct {
	src, dst         netip.Addr
	srcMAC, dstMAC   wire.MAC
	srcPort, dstPort uint16
	payload          []byte
	proto            uint8 // with raw: the protocol of payload
	raw              bool  // payload follows the IP header
	ttl              uint8
	options          []byte // of IPv4
	fragment         bool
}

// bytes builds the packet, all checksums right.
func (g segment) bytes(f *family) []byte {
	if !g.src.IsValid() {
		g.src = f.peer
	}
	if !g.dst.IsValid() {
		g.dst = f.us
	}
	if g.srcMAC == (wire.MAC{}) {
		g.srcMAC = peerMAC
	}
	if g.dstMAC == (wire.MAC{}) {
		g.dstMAC = ourMAC
	}
	if g.srcPort == 0 {
		g.srcPort = 2000
	}
	if g.dstPort == 0 {
		g.dstPort = 7
	}
	if g.ttl == 0 {
		g.ttl = 64
	}
	body := g.payload
	if !g.raw {
		g.proto = wire.ProtoUDP
		body = make([]byte, wire.UDPLen+len(g.payload))
		wire.PutUDP(body, wire.UDPFields{SrcPort: g.srcPort, DstPort: g.dstPort, PayloadLen: len(g.payload)})
		copy(body[wire.UDPLen:], g.payload)
		wire.SealUDP(body, pseudo(g.src, g.dst, g.proto, len(body)))
	}
	return g.network(f, body)
}

func (g segment) network(f *family, body []byte) []byte {
	b := make([]byte, wire.EthernetLen, 2048)
	if f.v4 {
		wire.PutEthernet(b, wire.EthernetFields{Dst: g.dstMAC, Src: g.srcMAC, Type: wire.EtherTypeIPv4})
		h := make([]byte, wire.IPv4Len+len(g.options))
		wire.PutIPv4(h, wire.IPv4Fields{
			PayloadLen: len(body), TTL: g.ttl, Protocol: g.proto, Src: g.src.As4(), Dst: g.dst.As4(),
			Options: g.options, MF: g.fragment,
		})
		return append(append(b, h...), body...)
	}
	wire.PutEthernet(b, wire.EthernetFields{Dst: g.dstMAC, Src: g.srcMAC, Type: wire.EtherTypeIPv6})
	var ext []byte
	next := g.proto
	if g.fragment {
		ext = make([]byte, wire.FragmentLen)
		wire.PutFragment(ext, wire.FragmentFields{NextHeader: next, More: true, ID: 9})
		next = wire.ExtFragment
	}
	h := make([]byte, wire.IPv6Len)
	wire.PutIPv6(h, wire.IPv6Fields{
		PayloadLen: len(ext) + len(body), NextHeader: next, HopLimit: g.ttl, Src: g.src.As16(), Dst: g.dst.As16(),
	})
	return append(append(append(b, h...), ext...), body...)
}

// pseudo is the pseudo-header's partial sum, worked out apart from the stack's way.
func pseudo(src, dst netip.Addr, proto uint8, n int) uint32 {
	a, b := src.As16(), dst.As16()
	return checksum.PseudoV6(&a, &b, proto, uint32(n))
}

// echoRequest is an ICMP echo request of a family.
func echoRequest(f *family, g segment, id, seq uint16, data []byte) []byte {
	if !g.src.IsValid() {
		g.src = f.peer
	}
	if !g.dst.IsValid() {
		g.dst = f.us
	}
	b := make([]byte, wire.ICMPLen+len(data))
	copy(b[wire.ICMPLen:], data)
	fields := wire.ICMPFields{Type: f.echo, Rest: wire.EchoRest(id, seq)}
	if f.v4 {
		wire.PutICMPv4(b, fields)
		wire.SealICMPv4(b)
	} else {
		wire.PutICMPv6(b, fields)
		wire.SealICMPv6(b, pseudo(g.src, g.dst, f.icmp, len(b)))
	}
	g.raw, g.proto, g.payload = true, f.icmp, b
	return g.bytes(f)
}

// solicitation is what asks for an address: an ARP request, or a neighbor
// solicitation with the sender's link address.
func solicitation(f *family, from netip.Addr, mac wire.MAC, target netip.Addr) []byte {
	if f.v4 {
		return arp(wire.Broadcast, wire.ARPFields{
			Op: wire.ARPRequest, SenderMAC: mac, SenderIP: from.As4(), TargetIP: target.As4(),
		})
	}
	group := ip.FromNetip(target).SolicitedNode()
	return nd(mac, group.GroupMAC(), from, group.Netip(), wire.NDPFields{
		Type: wire.ICMPv6NeighborSolicitation, Target: target.As16(), LinkAddr: mac,
	})
}

// advertisement is the answer to our own question.
func advertisement(f *family, from netip.Addr, mac wire.MAC) []byte {
	if f.v4 {
		return arp(ourMAC, wire.ARPFields{
			Op: wire.ARPReply, SenderMAC: mac, SenderIP: from.As4(), TargetMAC: ourMAC, TargetIP: f.us.As4(),
		})
	}
	return nd(mac, ourMAC, from, f.us, wire.NDPFields{
		Type: wire.ICMPv6NeighborAdvertisement, Flags: wire.NDPSolicited | wire.NDPOverride, Target: from.As16(), LinkAddr: mac,
	})
}

func arp(dst wire.MAC, a wire.ARPFields) []byte {
	b := make([]byte, 60)
	wire.PutEthernet(b, wire.EthernetFields{Dst: dst, Src: a.SenderMAC, Type: wire.EtherTypeARP})
	wire.PutARP(b[wire.EthernetLen:], a)
	return b
}

func nd(srcMAC, dstMAC wire.MAC, src, dst netip.Addr, m wire.NDPFields) []byte {
	b := make([]byte, 64)
	n := wire.PutNDP(b, m)
	wire.SealICMPv6(n, pseudo(src, dst, wire.ProtoICMPv6, len(n)))
	g := segment{src: src, dst: dst, srcMAC: srcMAC, dstMAC: dstMAC, ttl: 255, proto: wire.ProtoICMPv6, raw: true, payload: n}
	return g.bytes(&families[1])
}

// isSolicitation reports whether b asks for target.
func isSolicitation(f *family, b []byte, target netip.Addr) bool {
	body := b[wire.EthernetLen:]
	if f.v4 {
		a, ok := wire.CheckARP(body)
		return ok && a.Op() == wire.ARPRequest && a.TargetIP() == target.As4()
	}
	if b[20] != wire.ProtoICMPv6 {
		return false
	}
	n, ok := wire.CheckNDP(body[wire.IPv6Len:])
	return ok && n.Type() == wire.ICMPv6NeighborSolicitation && n.Target() == target.As16()
}

// datagram checks that b is a good packet with a UDP datagram and returns its ends
// and payload.
func datagram(t testing.TB, f *family, b []byte) (src, dst netip.AddrPort, payload []byte) {
	t.Helper()
	from, to, proto, body := packetOf(t, f, b)
	u, ok := wire.CheckUDP(body)
	if proto != wire.ProtoUDP || !ok || u.Length() != len(body) {
		t.Fatalf("no UDP datagram: %x", b)
	}
	if !checksum.Valid(checksum.Sum(body, pseudo(from, to, proto, len(body)))) {
		t.Fatalf("a wrong UDP checksum: %x", b)
	}
	return netip.AddrPortFrom(from, u.SrcPort()), netip.AddrPortFrom(to, u.DstPort()), body[wire.UDPLen:]
}

// packetOf checks that b is a good IP packet of the family.
func packetOf(t testing.TB, f *family, b []byte) (src, dst netip.Addr, proto uint8, body []byte) {
	t.Helper()
	eth, ok := wire.CheckEthernet(b)
	if !ok || eth.Src() != ourMAC {
		t.Fatalf("no Ethernet frame from us: %x", b)
	}
	b = b[wire.EthernetLen:]
	if f.v4 {
		h, ok := wire.CheckIPv4(b)
		if !ok || !h.ChecksumOK() || h.TotalLen() != len(b) || eth.Type() != wire.EtherTypeIPv4 {
			t.Fatalf("a bad IPv4 packet: %x", b)
		}
		return netip.AddrFrom4(h.Src()), netip.AddrFrom4(h.Dst()), h.Protocol(), b[len(h):]
	}
	h, ok := wire.CheckIPv6(b)
	if !ok || h.TotalLen() != len(b) || eth.Type() != wire.EtherTypeIPv6 {
		t.Fatalf("a bad IPv6 packet: %x", b)
	}
	return netip.AddrFrom16(h.Src()), netip.AddrFrom16(h.Dst()), h.NextHeader(), b[wire.IPv6Len:]
}

// icmpOfPacket checks that b is a good ICMP message and returns it.
func icmpOfPacket(t testing.TB, f *family, b []byte) (dst netip.Addr, message []byte) {
	t.Helper()
	from, to, proto, body := packetOf(t, f, b)
	sum := uint32(0)
	if !f.v4 {
		sum = pseudo(from, to, proto, len(body))
	}
	if proto != f.icmp || len(body) < wire.ICMPLen || !checksum.Valid(checksum.Sum(body, sum)) {
		t.Fatalf("no good ICMP message: %x", b)
	}
	return to, body
}
