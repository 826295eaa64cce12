package wire

import "encoding/binary"

// IPv6Len is the length of the fixed IPv6 header in octets.
const IPv6Len = 40

// IPv6MinMTU is the smallest MTU of a link that carries IPv6 (RFC 8200, section 5),
// and the most that an ICMPv6 error fills (RFC 4443, section 2.4 (c)).
const IPv6MinMTU = 1280

// IPv6 is a fixed IPv6 header (RFC 8200, section 3).
type IPv6 []byte

// CheckIPv6 returns the IPv6 header at the start of b, if the whole packet that it
// announces is in b. A jumbogram (RFC 2675) announces nothing and fails later, in
// WalkExt, at its option.
func CheckIPv6(b []byte) (h IPv6, ok bool) { return CheckIPv6Chain(b, len(b)) }

// CheckIPv6Chain is CheckIPv6 for a packet of which b is the first, contiguous
// part, and which has size octets in all.
func CheckIPv6Chain(b []byte, size int) (h IPv6, ok bool) {
	if len(b) < IPv6Len || b[0]>>4 != 6 {
		return nil, false
	}
	if h = b[:IPv6Len:IPv6Len]; h.TotalLen() > size {
		return nil, false
	}
	return h, true
}

// CheckQuotedIPv6 returns the header of a packet quoted in an ICMPv6 error, what
// its extension headers lead to, and the transport octets that are there, of which
// the end may be missing. At least eight octets of transport must be there, enough
// for the ports.
func CheckQuotedIPv6(b []byte, limits ExtLimits) (h IPv6, x Ext, transport []byte, ok bool) {
	if len(b) < IPv6Len || b[0]>>4 != 6 {
		return nil, Ext{}, nil, false
	}
	h = b[:IPv6Len:IPv6Len]
	b = b[:min(len(b), h.TotalLen())]
	x, v := WalkExt(b, limits)
	if v != ExtOK || len(b) < x.Offset+8 {
		return nil, Ext{}, nil, false
	}
	return h, x, b[x.Offset:], true
}

// IPv6Fields are the fields of an IPv6 header.
type IPv6Fields struct {
	TrafficClass uint8  // DSCP and ECN (RFC 2474, RFC 3168)
	FlowLabel    uint32 // 20 bits
	PayloadLen   int    // octets behind the header, extension headers included
	NextHeader   uint8
	HopLimit     uint8
	Src, Dst     [16]byte
}

// PutIPv6 writes a header at the start of b.
func PutIPv6(b []byte, f IPv6Fields) IPv6 {
	h := IPv6(b[:IPv6Len:IPv6Len])
	binary.BigEndian.PutUint32(h[0:4], 6<<28|uint32(f.TrafficClass)<<20|f.FlowLabel&0xfffff)
	h.SetPayloadLen(f.PayloadLen)
	h[6], h[7] = f.NextHeader, f.HopLimit
	h.SetSrc(f.Src)
	h.SetDst(f.Dst)
	return h
}

// TrafficClass returns DSCP and ECN.
func (h IPv6) TrafficClass() uint8 {
	return uint8(binary.BigEndian.Uint16((*[IPv6Len]byte)(h)[0:2]) >> 4)
}

// FlowLabel returns the flow label, 20 bits (RFC 6437).
func (h IPv6) FlowLabel() uint32 {
	return binary.BigEndian.Uint32((*[IPv6Len]byte)(h)[0:4]) & 0xfffff
}

// PayloadLen returns the number of octets behind the fixed header.
func (h IPv6) PayloadLen() int { return int(binary.BigEndian.Uint16((*[IPv6Len]byte)(h)[4:6])) }

// TotalLen returns the length of the packet, header included.
func (h IPv6) TotalLen() int { return IPv6Len + h.PayloadLen() }

// NextHeader returns the number of what follows: an extension header or the
// upper-layer protocol.
func (h IPv6) NextHeader() uint8 { return (*[IPv6Len]byte)(h)[6] }

// HopLimit returns the hop limit.
func (h IPv6) HopLimit() uint8 { return (*[IPv6Len]byte)(h)[7] }

// Src returns the source address.
func (h IPv6) Src() [16]byte { return [16]byte((*[IPv6Len]byte)(h)[8:24]) }

// Dst returns the destination address.
func (h IPv6) Dst() [16]byte { return [16]byte((*[IPv6Len]byte)(h)[24:40]) }

// SetPayloadLen sets the number of octets behind the fixed header.
func (h IPv6) SetPayloadLen(n int) { binary.BigEndian.PutUint16(h[4:6], uint16(n)) }

// SetNextHeader sets the number of what follows.
func (h IPv6) SetNextHeader(v uint8) { h[6] = v }

// SetHopLimit sets the hop limit.
func (h IPv6) SetHopLimit(v uint8) { h[7] = v }

// SetSrc sets the source address.
func (h IPv6) SetSrc(a [16]byte) { *(*[16]byte)(h[8:24]) = a }

// SetDst sets the destination address.
func (h IPv6) SetDst(a [16]byte) { *(*[16]byte)(h[24:40]) = a }
