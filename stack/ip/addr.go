package ip

import (
	"encoding/binary"
	"net/netip"
)

// Addr is an address of either family: 16 bytes, IPv4 as ::ffff:a.b.c.d (RFC
// 4291, section 2.5.5.2). Two words and not an array, since arrays travel
// through memory and words through registers. The zero Addr is "::".
type Addr struct {
	Hi, Lo uint64 // big-endian halves
}

// mapped are the upper bits of the lower half of an IPv4 address.
const mapped = 0xffff << 32

// Well-known addresses.
var (
	Any4       = Addr{0, mapped}              // 0.0.0.0
	Any6       = Addr{}                       // ::
	Broadcast4 = Addr{0, mapped | 0xffffffff} // 255.255.255.255
	AllHosts4  = Addr{0, mapped | 0xe0000001} // 224.0.0.1
	Loopback4  = Addr{0, mapped | 0x7f000001} // 127.0.0.1
	Loopback6  = Addr{0, 1}                   // ::1
	AllNodes6  = Addr{0xff02000000000000, 1}  // ff02::1
	solicited6 = Addr{0xff02000000000000, 1<<32 | 0xff000000}
)

// From4 reads an IPv4 address from the first four octets of b.
func From4(b []byte) Addr { return Addr{0, mapped | uint64(binary.BigEndian.Uint32(b))} }

// From16 reads an IPv6 address from the first sixteen octets of b.
func From16(b []byte) Addr {
	_ = b[15]
	return Addr{binary.BigEndian.Uint64(b[0:]), binary.BigEndian.Uint64(b[8:])}
}

// FromNetip converts an address; a zone is not kept, and the zero netip.Addr
// becomes the zero Addr.
func FromNetip(a netip.Addr) Addr {
	if !a.IsValid() {
		return Addr{}
	}
	b := a.As16()
	return From16(b[:])
}

// Netip converts back: an IPv4 address comes out as one.
func (a Addr) Netip() netip.Addr {
	var b [16]byte
	a.Put16(b[:])
	return netip.AddrFrom16(b).Unmap()
}

// String is the text form (RFC 5952).
func (a Addr) String() string { return a.Netip().String() }

// Put4 writes the last four octets to b, the address when it is of IPv4.
func (a Addr) Put4(b []byte) { binary.BigEndian.PutUint32(b, uint32(a.Lo)) }

// Put16 writes the address to the first sixteen octets of b.
func (a Addr) Put16(b []byte) {
	_ = b[15]
	binary.BigEndian.PutUint64(b[0:], a.Hi)
	binary.BigEndian.PutUint64(b[8:], a.Lo)
}

// V4 is the 32 bits of an IPv4 address.
func (a Addr) V4() uint32 { return uint32(a.Lo) }

// Is4 reports whether a is of IPv4.
func (a Addr) Is4() bool { return a.Hi == 0 && a.Lo>>32 == 0xffff }

// IsAny reports whether a is the unspecified address of its family.
func (a Addr) IsAny() bool { return a.Hi == 0 && (a.Lo == 0 || a.Lo == mapped) }

// IsMulticast reports whether a is a group (RFC 1112; RFC 4291, section 2.7).
func (a Addr) IsMulticast() bool {
	return a.Hi>>56 == 0xff || a.Is4() && uint32(a.Lo)>>28 == 0xe
}

// IsLoopback reports whether a never leaves a host: 127.0.0.0/8 (RFC 1122,
// section 3.2.1.3 (g)) or ::1 (RFC 4291, section 2.5.3).
func (a Addr) IsLoopback() bool {
	return a == Loopback6 || a.Is4() && uint32(a.Lo)>>24 == 127
}

// IsLinkLocal reports whether a is of one link only: fe80::/10 or 169.254.0.0/16.
func (a Addr) IsLinkLocal() bool {
	return a.Hi>>54 == 0xfe80>>6 || a.Is4() && uint32(a.Lo)>>16 == 0xa9fe
}

// Martian reports whether a cannot be the source of a packet from a wire: a
// group, a broadcast, loopback, 0.0.0.0/8, class E (RFC 1122, section 3.2.1.3;
// RFC 1812, section 5.3.7), and of IPv6 a mapped address (RFC 4942, section
// 2.2). The unspecified IPv6 address is none: ND's probes come from it, and
// nothing else is let through.
func (a Addr) Martian() bool {
	if a.Is4() {
		top := uint32(a.Lo) >> 24
		return top == 0 || top == 127 || top >= 224
	}
	return a.Hi>>56 == 0xff || a == Loopback6
}

// SolicitedNode is the group in which the owner of an IPv6 address hears
// neighbour solicitations (RFC 4291, section 2.7.1).
func (a Addr) SolicitedNode() Addr {
	return Addr{solicited6.Hi, solicited6.Lo | a.Lo&0xffffff}
}

// GroupMAC is the Ethernet address of a group (RFC 1112, section 6.4; RFC 2464,
// section 7), and of the IPv4 broadcast.
func (a Addr) GroupMAC() [6]byte {
	v := uint32(a.Lo)
	switch {
	case !a.Is4():
		return [6]byte{0x33, 0x33, byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
	case v>>28 != 0xe:
		return [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	return [6]byte{0x01, 0x00, 0x5e, byte(v>>16) & 0x7f, byte(v >> 8), byte(v)}
}

// Sum is the partial ones' complement sum of the address as the pseudo-header
// has it (package checksum). The 0xffff of a mapped address is zero in that
// arithmetic, so it serves both families.
func (a Addr) Sum() uint32 {
	s := a.Hi>>32 + a.Hi&0xffffffff + a.Lo>>32 + a.Lo&0xffffffff
	s = s>>32 + s&0xffffffff
	return uint32(s>>16 + s&0xffff)
}

// Prefix is an address and the number of its leading bits that count, of 128: an
// IPv4 prefix /24 has 120.
type Prefix struct {
	Addr Addr
	Bits uint8
}

// PrefixFrom converts a prefix of either family; host bits are cleared.
func PrefixFrom(p netip.Prefix) Prefix {
	n := uint8(p.Bits())
	if p.Addr().Is4() {
		n += 96
	}
	q := Prefix{FromNetip(p.Addr()), n}
	m := q.mask()
	q.Addr = Addr{q.Addr.Hi & m.Hi, q.Addr.Lo & m.Lo}
	return q
}

func (p Prefix) mask() Addr {
	if p.Bits >= 64 {
		return Addr{^uint64(0), ^(^uint64(0) >> (p.Bits - 64))}
	}
	return Addr{^(^uint64(0) >> p.Bits), 0}
}

// Contains reports whether a lies in the prefix. "::/0" does not hold IPv4, though
// its bits would say so.
func (p Prefix) Contains(a Addr) bool {
	m := p.mask()
	return a.Is4() == p.Addr.Is4() && (a.Hi^p.Addr.Hi)&m.Hi == 0 && (a.Lo^p.Addr.Lo)&m.Lo == 0
}

// Broadcast is the directed broadcast address of an IPv4 prefix (RFC 1122,
// section 3.3.6); prefixes of 31 and 32 bits have none (RFC 3021).
func (p Prefix) Broadcast() (Addr, bool) {
	if !p.Addr.Is4() || p.Bits >= 127 {
		return Addr{}, false
	}
	return Addr{p.Addr.Hi, p.Addr.Lo | ^p.mask().Lo}, true
}
