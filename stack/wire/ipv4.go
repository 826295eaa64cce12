package wire

import (
	"encoding/binary"

	"github.com/xdpstack/xdpstack/stack/wire/checksum"
)

// Lengths of an IPv4 header in octets, without and with all options.
const (
	IPv4Len    = 20
	IPv4MaxLen = 60
)

// Protocol numbers, of IPv4 and of IPv6's next header (IANA, "Assigned Internet
// Protocol Numbers").
const (
	ProtoICMPv4 = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
)

// Bits of the flags and fragment offset word (RFC 791, section 3.1).
const (
	ipv4DF         = 0x4000
	ipv4MF         = 0x2000
	ipv4OffsetMask = 0x1fff
)

// IPv4 is an IPv4 header with its options (RFC 791, section 3.1).
type IPv4 []byte

// CheckIPv4 returns the IPv4 header at the start of b, if the whole packet that it
// announces is in b. The header checksum and the options are checked apart, by
// ChecksumOK and Options.Valid.
func CheckIPv4(b []byte) (h IPv4, ok bool) { return CheckIPv4Chain(b, len(b)) }

// CheckIPv4Chain is CheckIPv4 for a packet of which b is the first, contiguous
// part, and which has size octets in all.
func CheckIPv4Chain(b []byte, size int) (h IPv4, ok bool) {
	if h, ok = checkIPv4Header(b); !ok || h.TotalLen() > size {
		return nil, false
	}
	return h, true
}

// checkIPv4Header checks what can be without the payload.
func checkIPv4Header(b []byte) (h IPv4, ok bool) {
	if len(b) < IPv4Len || b[0]>>4 != 4 {
		return nil, false
	}
	n, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:4]))
	if n < IPv4Len || n > len(b) || total < n {
		return nil, false
	}
	return b[:n:n], true
}

// CheckQuotedIPv4 returns the header and the transport octets of a packet quoted in
// an ICMP error, of which the end may be missing. At least eight octets must follow
// the header (RFC 792; RFC 1122, section 3.2.2), enough for the ports.
func CheckQuotedIPv4(b []byte) (h IPv4, transport []byte, ok bool) {
	h, ok = checkIPv4Header(b)
	if !ok || len(b) < len(h)+8 || h.TotalLen() < len(h)+8 {
		return nil, nil, false
	}
	return h, b[len(h):min(len(b), h.TotalLen())], true
}

// IPv4Fields are the fields of an IPv4 header.
type IPv4Fields struct {
	TOS        uint8 // DSCP and ECN (RFC 2474, RFC 3168)
	PayloadLen int   // octets behind the header
	ID         uint16
	DF, MF     bool
	FragOffset int // octets, a multiple of 8
	TTL        uint8
	Protocol   uint8
	Src, Dst   [4]byte
	Options    []byte // a multiple of 4 octets, at most 40
}

// PutIPv4 writes a header, its checksum included, at the start of b. The options
// must be padded.
func PutIPv4(b []byte, f IPv4Fields) IPv4 {
	n := IPv4Len + len(f.Options)
	h := IPv4(b[:n:n])
	frag := uint16(f.FragOffset / 8)
	if f.DF {
		frag |= ipv4DF
	}
	if f.MF {
		frag |= ipv4MF
	}
	h[0], h[1] = 0x40|uint8(n/4), f.TOS
	h.SetTotalLen(n + f.PayloadLen)
	h.SetID(f.ID)
	binary.BigEndian.PutUint16(h[6:8], frag)
	h[8], h[9] = f.TTL, f.Protocol
	h.SetSrc(f.Src)
	h.SetDst(f.Dst)
	copy(h[IPv4Len:], f.Options)
	h.Seal()
	return h
}

// TOS returns the type of service octet: DSCP and ECN.
func (h IPv4) TOS() uint8 { return (*[IPv4Len]byte)(h)[1] }

// TotalLen returns the length of the packet, header included.
func (h IPv4) TotalLen() int { return int(binary.BigEndian.Uint16((*[IPv4Len]byte)(h)[2:4])) }

// PayloadLen returns the number of octets behind the header.
func (h IPv4) PayloadLen() int { return h.TotalLen() - len(h) }

// ID returns the identification, which means something only in fragments (RFC
// 6864, section 4).
func (h IPv4) ID() uint16 { return binary.BigEndian.Uint16((*[IPv4Len]byte)(h)[4:6]) }

// DF reports whether the packet must not be fragmented.
func (h IPv4) DF() bool { return h.frag()&ipv4DF != 0 }

// MF reports whether more fragments follow.
func (h IPv4) MF() bool { return h.frag()&ipv4MF != 0 }

// FragOffset returns where in the whole packet's payload this fragment stands, in
// octets.
func (h IPv4) FragOffset() int { return int(h.frag()&ipv4OffsetMask) * 8 }

// IsFragment reports whether this is a part of a packet only.
func (h IPv4) IsFragment() bool { return h.frag()&(ipv4MF|ipv4OffsetMask) != 0 }

func (h IPv4) frag() uint16 { return binary.BigEndian.Uint16((*[IPv4Len]byte)(h)[6:8]) }

// TTL returns the time to live, in hops.
func (h IPv4) TTL() uint8 { return (*[IPv4Len]byte)(h)[8] }

// Protocol returns the number of the transport protocol.
func (h IPv4) Protocol() uint8 { return (*[IPv4Len]byte)(h)[9] }

// Checksum returns the header checksum field.
func (h IPv4) Checksum() uint16 { return binary.BigEndian.Uint16((*[IPv4Len]byte)(h)[10:12]) }

// Src returns the source address.
func (h IPv4) Src() [4]byte { return [4]byte((*[IPv4Len]byte)(h)[12:16]) }

// Dst returns the destination address.
func (h IPv4) Dst() [4]byte { return [4]byte((*[IPv4Len]byte)(h)[16:20]) }

// Options returns the options, mostly none.
func (h IPv4) Options() Options { return Options(h[IPv4Len:]) }

// ChecksumOK reports whether the header checksum is right.
func (h IPv4) ChecksumOK() bool {
	if len(h) == IPv4Len {
		return checksum.Sum20((*[IPv4Len]byte)(h)) == 0xffff
	}
	return checksum.Valid(checksum.Sum(h, 0))
}

// SetTOS sets the type of service octet.
func (h IPv4) SetTOS(v uint8) { h[1] = v }

// SetTotalLen sets the length of the packet, header included.
func (h IPv4) SetTotalLen(n int) { binary.BigEndian.PutUint16(h[2:4], uint16(n)) }

// SetID sets the identification.
func (h IPv4) SetID(id uint16) { binary.BigEndian.PutUint16(h[4:6], id) }

// SetTTL sets the time to live.
func (h IPv4) SetTTL(v uint8) { h[8] = v }

// SetChecksum sets the header checksum field.
func (h IPv4) SetChecksum(v uint16) { binary.BigEndian.PutUint16(h[10:12], v) }

// SetSrc sets the source address.
func (h IPv4) SetSrc(a [4]byte) { *(*[4]byte)(h[12:16]) = a }

// SetDst sets the destination address.
func (h IPv4) SetDst(a [4]byte) { *(*[4]byte)(h[16:20]) = a }

// Seal computes the header checksum and sets it.
func (h IPv4) Seal() {
	h.SetChecksum(0)
	h.SetChecksum(checksum.Field(checksum.Sum(h, 0)))
}
