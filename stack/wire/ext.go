package wire

import "encoding/binary"

// Next header numbers of IPv6's extension headers (RFC 8200, section 4), and the
// one that says that nothing follows (section 4.7).
const (
	ExtHopByHop = 0
	ExtRouting  = 43
	ExtFragment = 44
	ExtNone     = 59
	ExtDestOpts = 60
)

// FragmentLen is the length of a Fragment header in octets.
const FragmentLen = 8

// Options of hop-by-hop and destination options headers that are known here: only
// padding (RFC 8200, section 4.2). Router alert (RFC 2711) asks to be skipped by
// those who do not know it, a jumbo payload (RFC 2675) to be reported.
const (
	optPad1 = 0
	optPadN = 1
)

// ExtLimits bounds what WalkExt does for one packet (RFC 8504, section 5.3; RFC
// 9673, section 5.2). A packet beyond them is refused, and the reason can be
// reported (RFC 8883).
type ExtLimits struct {
	Headers int // extension headers in the chain
	Options int // options other than padding in one header
	Octets  int // length of the chain
}

// DefaultExtLimits holds far more than is in use: RFC 8504's eight options, a chain
// that fits a header buffer.
var DefaultExtLimits = ExtLimits{Headers: 8, Options: 8, Octets: 256}

// Ext says where a chain of extension headers leads. Positions are in octets from
// the start of the IPv6 header.
type Ext struct {
	Proto   uint8 // the upper-layer protocol; of a fragment, what its data starts with
	ProtoAt int   // where the octet with Proto stands: the pointer for an unknown one
	Offset  int   // where the upper-layer header, or a fragment's data, starts
	Pointer int   // the octet at fault, unless ExtOK

	Fragmented bool   // a fragment: Offset is that of its data, and the walk ended there
	FragmentAt int    // where the Fragment header stands, if Fragmented
	FragOffset int    // where in the fragmentable part the data belongs, in octets
	More       bool   // more fragments follow
	ID         uint32 // identification, of an atomic fragment too
}

// ExtVerdict is what became of a walk.
type ExtVerdict uint8

// The verdicts. ParamProblem says which are reported to the sender, and how.
const (
	ExtOK              ExtVerdict = iota
	ExtMalformed                  // a header or an option runs past the end
	ExtMisplaced                  // hop-by-hop options not right behind the IPv6 header
	ExtRouted                     // a routing header with segments left, of type 0 or any other
	ExtRefused                    // an unknown option that asks for a silent discard
	ExtReported                   // an unknown option that asks for a report
	ExtReportedUnicast            // the same, unless the destination is multicast
	ExtTooManyHeaders             // beyond ExtLimits.Headers
	ExtTooManyOptions             // beyond ExtLimits.Options
	ExtTooLong                    // beyond ExtLimits.Octets
)

// ParamProblem returns the code of the ICMPv6 parameter problem, with Ext.Pointer as
// its pointer, that a verdict calls for. ok is false where none is sent.
func (v ExtVerdict) ParamProblem() (code uint8, ok bool) {
	switch v {
	case ExtMisplaced:
		return ICMPv6UnknownNextHeader, true // RFC 8200, section 4
	case ExtRouted:
		return ICMPv6ErroneousField, true // RFC 8200, section 4.4; RFC 5095, section 3
	case ExtReported, ExtReportedUnicast:
		return ICMPv6UnknownOption, true // RFC 8200, section 4.2
	case ExtTooManyHeaders:
		return ICMPv6TooManyExtHeaders, true // RFC 8883, section 2.4
	case ExtTooManyOptions:
		return ICMPv6TooManyExtOptions, true // RFC 8883, section 2.5
	case ExtTooLong:
		return ICMPv6ChainTooLong, true // RFC 8883, section 2.3
	}
	return 0, false
}

// WalkExt walks the extension headers of a packet to its upper-layer protocol. b
// starts with the IPv6 header, for which CheckIPv6 holds, and goes on as far as the
// packet is contiguous; octets beyond the packet's length are not looked at. When b
// is a part only, ExtMalformed may mean that more of it has to be made contiguous:
// ExtLimits.Octets behind the fixed header are always enough.
//
// The walk ends behind a Fragment header, unless the fragment is the whole packet
// (RFC 6946): what follows is data to put together. A reassembled packet is walked
// again from its start.
func WalkExt(b []byte, limits ExtLimits) (Ext, ExtVerdict) {
	h := IPv6(b)
	b = b[:min(len(b), h.TotalLen())]
	x := Ext{Proto: h.NextHeader(), ProtoAt: 6, Offset: IPv6Len}
	for n := 0; isExt(x.Proto); n++ {
		if x.Proto == ExtHopByHop && n > 0 {
			return x.fault(x.ProtoAt, ExtMisplaced)
		}
		if n == limits.Headers {
			return x.fault(x.ProtoAt, ExtTooManyHeaders)
		}
		size, ok := extSize(x.Proto, b[x.Offset:])
		if x.Offset+size-IPv6Len > limits.Octets {
			return x.fault(x.Offset, ExtTooLong)
		}
		if !ok {
			return x.fault(x.Offset, ExtMalformed)
		}
		at, header := x.Offset, b[x.Offset:x.Offset+size]
		switch x.Proto {
		case ExtRouting:
			if header[3] != 0 { // segments left
				return x.fault(at+2, ExtRouted)
			}
		case ExtFragment:
			x.setFragment(at, header)
		default:
			if i, v := checkExtOptions(header, limits.Options); v != ExtOK {
				return x.fault(at+i, v)
			}
		}
		x.Proto, x.ProtoAt, x.Offset = header[0], at, at+size
		if x.Fragmented {
			break
		}
	}
	return x, ExtOK
}

func isExt(proto uint8) bool {
	switch proto {
	case ExtHopByHop, ExtRouting, ExtFragment, ExtDestOpts:
		return true
	}
	return false
}

// fault returns what a walk that stops with v at the octet pointer has found.
func (x Ext) fault(pointer int, v ExtVerdict) (Ext, ExtVerdict) {
	x.Pointer = pointer
	return x, v
}

// extSize returns the length of the extension header at the start of b, and whether
// all of it is there.
func extSize(proto uint8, b []byte) (size int, ok bool) {
	size = FragmentLen
	if proto != ExtFragment {
		if len(b) < 2 {
			return size, false
		}
		size = (int(b[1]) + 1) * 8
	}
	return size, len(b) >= size
}

// setFragment reads the Fragment header at position at (RFC 8200, section 4.5).
func (x *Ext) setFragment(at int, header []byte) {
	word := binary.BigEndian.Uint16(header[2:4])
	x.ID = binary.BigEndian.Uint32(header[4:8])
	if word&^6 == 0 { // offset 0, no more: atomic; bits 1 and 2 are reserved
		return
	}
	x.Fragmented, x.FragmentAt = true, at
	x.FragOffset, x.More = int(word&^7), word&1 != 0
}

// checkExtOptions walks the options of a hop-by-hop or destination options header.
// It returns ExtOK, or the position in header of the option at fault and what to do
// about it, which the first two bits of its type say (RFC 8200, section 4.2).
func checkExtOptions(header []byte, limit int) (at int, v ExtVerdict) {
	for at, n := 2, 0; at < len(header); {
		kind := header[at]
		if kind == optPad1 {
			at++
			continue
		}
		if at+2 > len(header) || at+2+int(header[at+1]) > len(header) {
			return at, ExtMalformed
		}
		if kind != optPadN {
			if v = optionVerdict(kind); v != ExtOK {
				return at, v
			}
			if n++; n > limit {
				return at, ExtTooManyOptions
			}
		}
		at += 2 + int(header[at+1])
	}
	return 0, ExtOK
}

func optionVerdict(kind uint8) ExtVerdict {
	return [4]ExtVerdict{ExtOK, ExtRefused, ExtReported, ExtReportedUnicast}[kind>>6]
}

// FragmentFields are the fields of a Fragment header (RFC 8200, section 4.5).
type FragmentFields struct {
	NextHeader uint8
	Offset     int // octets, a multiple of 8
	More       bool
	ID         uint32
}

// PutFragment writes a Fragment header at the start of b.
func PutFragment(b []byte, f FragmentFields) {
	_ = b[FragmentLen-1]
	word := uint16(f.Offset) &^ 7
	if f.More {
		word |= 1
	}
	b[0], b[1] = f.NextHeader, 0
	binary.BigEndian.PutUint16(b[2:4], word)
	binary.BigEndian.PutUint32(b[4:8], f.ID)
}
