package bench

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Defaults of Packets.
const (
	DefaultSize    = 64
	DefaultDstPort = 9    // discard (RFC 863)
	DefaultSrcPort = 1024 // of the first flow
	MaxFlows       = 60000
)

// Default addresses: those that a lab has for its kernel in host b and its stack in host a.
var (
	defaultFrom4, defaultTo4 = netip.AddrFrom4([4]byte{198, 18, 0, 1}), netip.AddrFrom4([4]byte{198, 18, 0, 2})
	defaultFrom6, defaultTo6 = netip.MustParseAddr("2001:2::1"), netip.MustParseAddr("2001:2::2")
)

// Packets are UDP datagrams, alike but for their source port.
type Packets struct {
	// Size is the length of each Ethernet frame in bytes, without preamble and FCS; 0 is 64.
	Size int
	// Flows is how many source ports there are, from 1024 on; they take turns. 0 is 1.
	Flows int
	// From and To are the addresses; zero: 198.18.0.1 and 198.18.0.2, or 2001:2::1 and 2001:2::2
	// beside one of IPv6.
	From, To netip.Addr
	// DstPort is the destination port; 0 is 9.
	DstPort uint16
	// SrcMAC and DstMAC are the Ethernet addresses. Zero: those of the interface, and what its kernel
	// knows for To, or a locally administered one that nobody has.
	SrcMAC, DstMAC [6]byte
}

// nobody is the address that packets go to when it is not known whose they are.
var nobody = [6]byte{0x02, 198, 18, 0xff, 0xff, 0xff}

const (
	ethernetLen = 14
	ipv4Len     = 20
	ipv6Len     = 40
	udpLen      = 8
)

// complete fills in the defaults and says what is wrong.
func (p *Packets) complete() error {
	if p.Size == 0 {
		p.Size = DefaultSize
	}
	if p.Flows == 0 {
		p.Flows = 1
	}
	if p.DstPort == 0 {
		p.DstPort = DefaultDstPort
	}
	if p.v6() {
		p.From, p.To = orAddr(p.From, defaultFrom6), orAddr(p.To, defaultTo6)
	} else {
		p.From, p.To = orAddr(p.From, defaultFrom4), orAddr(p.To, defaultTo4)
	}
	switch {
	case p.From.Is4() != p.To.Is4():
		return fmt.Errorf("bench: %w: from %s to %s; take two addresses of one family", ErrConfig, p.From, p.To)
	case p.Flows < 1 || p.Flows > MaxFlows:
		return fmt.Errorf("bench: %w: %d flows; take 1 to %d", ErrConfig, p.Flows, MaxFlows)
	case p.Size < p.headers():
		return fmt.Errorf("bench: %w: frames of %d bytes; the headers alone are %d", ErrConfig, p.Size, p.headers())
	}
	return nil
}

// fits says whether the frames are no longer than an interface with that MTU sends.
func (p *Packets) fits(name string, mtu int) error {
	if p.Size > mtu+ethernetLen {
		return fmt.Errorf("bench: %w: frames of %d bytes; %s takes %d, its MTU and the Ethernet header", ErrConfig, p.Size, name, mtu+ethernetLen)
	}
	return nil
}

func orAddr(a, otherwise netip.Addr) netip.Addr {
	if !a.IsValid() {
		return otherwise
	}
	return a.Unmap()
}

func (p *Packets) v6() bool {
	return p.From.IsValid() && !p.From.Unmap().Is4() || p.To.IsValid() && !p.To.Unmap().Is4()
}

func (p *Packets) headers() int {
	if p.v6() {
		return ethernetLen + ipv6Len + udpLen
	}
	return ethernetLen + ipv4Len + udpLen
}

// template is the first flow's packet, and what it takes to make another's of it.
type template struct {
	bytes   []byte
	srcPort int    // where the source port is in bytes; the checksum is 6 further on
	sum     uint16 // ones' complement sum of what the checksum covers, of the first flow
	flows   uint32
}

func (p *Packets) build() template {
	b := make([]byte, p.Size)
	copy(b[0:], p.DstMAC[:])
	copy(b[6:], p.SrcMAC[:])
	udp := b[p.headers()-udpLen:]
	var pseudo uint32
	if p.v6() {
		pseudo = p.header6(b, len(udp))
	} else {
		pseudo = p.header4(b, len(udp))
	}
	binary.BigEndian.PutUint16(udp[0:], DefaultSrcPort)
	binary.BigEndian.PutUint16(udp[2:], p.DstPort)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	t := template{bytes: b, srcPort: p.headers() - udpLen, flows: uint32(p.Flows)}
	t.sum = fold(sum(udp, pseudo))
	t.setFlow(b, 0)
	return t
}

// setFlow makes b, a copy of the template, the packet of another flow: port and checksum
// (RFC 1624, section 3: the sum of the new port instead of the old one).
func (t *template) setFlow(b []byte, flow uint32) {
	binary.BigEndian.PutUint16(b[t.srcPort:], DefaultSrcPort+uint16(flow))
	check := ^fold(uint32(t.sum) + flow)
	if check == 0 {
		check = 0xffff // RFC 768: zero would mean that there is none
	}
	binary.BigEndian.PutUint16(b[t.srcPort+6:], check)
}

// header4 writes the IPv4 header (RFC 791) and returns the sum of UDP's pseudo-header.
func (p *Packets) header4(b []byte, udp int) uint32 {
	binary.BigEndian.PutUint16(b[12:], 0x0800)
	h := b[ethernetLen : ethernetLen+ipv4Len]
	from, to := p.From.As4(), p.To.As4()
	h[0] = 0x45
	binary.BigEndian.PutUint16(h[2:], uint16(ipv4Len+udp))
	h[6] = 0x40 // do not fragment
	h[8] = 64
	h[9] = 17
	copy(h[12:], from[:])
	copy(h[16:], to[:])
	binary.BigEndian.PutUint16(h[10:], ^fold(sum(h, 0)))
	return sum(h[12:20], 17+uint32(udp))
}

// header6 is header4 for IPv6 (RFC 8200).
func (p *Packets) header6(b []byte, udp int) uint32 {
	binary.BigEndian.PutUint16(b[12:], 0x86dd)
	h := b[ethernetLen : ethernetLen+ipv6Len]
	from, to := p.From.As16(), p.To.As16()
	h[0] = 0x60
	binary.BigEndian.PutUint16(h[4:], uint16(udp))
	h[6] = 17
	h[7] = 64
	copy(h[8:], from[:])
	copy(h[24:], to[:])
	return sum(h[8:40], 17+uint32(udp))
}

// sum adds up the 16-bit words of b (RFC 1071).
func sum(b []byte, s uint32) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
