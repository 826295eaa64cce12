package wire

import "encoding/binary"

// NDPLen is the length in octets of a neighbor solicitation or advertisement
// without options.
const NDPLen = 24

// NDPHopLimit is the hop limit with which every such message is sent, and without
// which none is accepted: it has not been forwarded (RFC 4861, section 7.1).
const NDPHopLimit = 255

// Options of neighbor discovery (RFC 4861, section 4.6.1).
const (
	ndpSourceLinkAddr = 1
	ndpTargetLinkAddr = 2
	ndpLinkAddrLen    = 8 // of either, over Ethernet (RFC 2464, section 6)
)

// Flags of a neighbor advertisement (RFC 4861, section 4.4).
const (
	NDPRouter    = 0x80
	NDPSolicited = 0x40
	NDPOverride  = 0x20
)

// NDP is a neighbor solicitation or advertisement with its options (RFC 4861,
// sections 4.3 and 4.4): the whole message, ICMPv6 header included.
type NDP []byte

// CheckNDP returns the solicitation or advertisement that fills b to its end, if it
// passes those checks of RFC 4861, sections 7.1.1 and 7.1.2, that need the message
// alone: code, length, target not multicast, no option of length zero, link-layer
// addresses of Ethernet's length. Hop limit, checksum, and what depends on the
// packet's addresses, are the caller's.
func CheckNDP(b []byte) (n NDP, ok bool) {
	if len(b) < NDPLen || b[0] != ICMPv6NeighborSolicitation && b[0] != ICMPv6NeighborAdvertisement {
		return nil, false
	}
	if b[1] != 0 || b[8] == 0xff || !ndpOptionsValid(b[NDPLen:]) {
		return nil, false
	}
	return NDP(b), true
}

// ndpOptionsValid walks the options to their end; each takes at least eight octets.
func ndpOptionsValid(o []byte) bool {
	for len(o) > 0 {
		if len(o) < 8 || o[1] == 0 || int(o[1])*8 > len(o) {
			return false
		}
		size := int(o[1]) * 8
		if (o[0] == ndpSourceLinkAddr || o[0] == ndpTargetLinkAddr) && size != ndpLinkAddrLen {
			return false
		}
		o = o[size:]
	}
	return true
}

// NDPFields are the fields of a neighbor solicitation or advertisement.
type NDPFields struct {
	Type     uint8 // ICMPv6NeighborSolicitation or ICMPv6NeighborAdvertisement
	Flags    uint8 // of an advertisement
	Target   [16]byte
	LinkAddr MAC // the sender's; the zero value puts no option
}

// PutNDP writes a message at the start of b, its checksum zero, and returns it: 32
// octets with the option of the sender's address (source of a solicitation, target
// of an advertisement), 24 without.
func PutNDP(b []byte, f NDPFields) NDP {
	size := NDPLen
	if f.LinkAddr != (MAC{}) {
		size += ndpLinkAddrLen
	}
	n := NDP(b[:size:size])
	putICMP(n, ICMPFields{Type: f.Type, Rest: uint32(f.Flags) << 24})
	*(*[16]byte)(n[8:24]) = f.Target
	if size > NDPLen {
		n[24], n[25] = ndpLinkAddrOption(f.Type), 1
		*(*MAC)(n[26:32]) = f.LinkAddr
	}
	return n
}

func ndpLinkAddrOption(t uint8) uint8 {
	if t == ICMPv6NeighborSolicitation {
		return ndpSourceLinkAddr
	}
	return ndpTargetLinkAddr
}

// Type returns which of the two messages this is.
func (n NDP) Type() uint8 { return (*[NDPLen]byte)(n)[0] }

// Checksum returns the checksum field, which covers pseudo-header and message.
func (n NDP) Checksum() uint16 { return binary.BigEndian.Uint16((*[NDPLen]byte)(n)[2:4]) }

// Flags returns the flags of an advertisement.
func (n NDP) Flags() uint8 { return (*[NDPLen]byte)(n)[4] & (NDPRouter | NDPSolicited | NDPOverride) }

// Target returns the target address.
func (n NDP) Target() [16]byte { return [16]byte((*[NDPLen]byte)(n)[8:24]) }

// LinkAddr returns the sender's Ethernet address from the first option of the kind
// that belongs to the message: source of a solicitation, target of an advertisement.
func (n NDP) LinkAddr() (a MAC, ok bool) {
	want := ndpLinkAddrOption(n.Type())
	for o := n[NDPLen:]; len(o) >= ndpLinkAddrLen; o = o[int(o[1])*8:] {
		if o[0] == want {
			return MAC(o[2:8]), true
		}
	}
	return MAC{}, false
}
