package wire

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// extCase is a chain of extension headers and what comes of it. Positions in want
// count from the start of the IPv6 header.
type extCase struct {
	name    string
	first   uint8
	chain   []byte
	want    Ext
	verdict ExtVerdict
}

// packet returns the IPv6 packet with the chain as its payload.
func (c extCase) packet() []byte {
	b := make([]byte, IPv6Len+len(c.chain))
	PutIPv6(b, IPv6Fields{PayloadLen: len(c.chain), NextHeader: c.first})
	copy(b[IPv6Len:], c.chain)
	return b
}

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// opts returns an options header of eight octets that names next.
func opts(next uint8, o ...byte) []byte { return append([]byte{next, 0}, o...) }

func fragment(next uint8, offset int, more bool) []byte {
	b := make([]byte, FragmentLen)
	PutFragment(b, FragmentFields{NextHeader: next, Offset: offset, More: more, ID: 0x01020304})
	return b
}

func repeat(n int, next uint8, header []byte) (b []byte) {
	for range n - 1 {
		b = append(b, header...)
	}
	return append(append(b, next), header[1:]...)
}

var (
	udp8 = make([]byte, UDPLen)
	pad6 = []byte{1, 4, 0, 0, 0, 0} // PadN that fills an options header
)

// extCases: one row for each rule, and one for each crasher that was found.
var extCases = []extCase{
	{"no extension header", ProtoUDP, udp8, Ext{Proto: ProtoUDP, ProtoAt: 6, Offset: 40}, ExtOK},
	{"nothing follows", ExtNone, nil, Ext{Proto: ExtNone, ProtoAt: 6, Offset: 40}, ExtOK},
	{"hop-by-hop, padding", ExtHopByHop, join(opts(ProtoUDP, pad6...), udp8), Ext{Proto: ProtoUDP, ProtoAt: 40, Offset: 48}, ExtOK},
	{"six times Pad1", ExtDestOpts, join(opts(ProtoUDP, 0, 0, 0, 0, 0, 0), udp8), Ext{Proto: ProtoUDP, ProtoAt: 40, Offset: 48}, ExtOK},
	{"router alert is skipped", ExtHopByHop, join(opts(ProtoICMPv6, 5, 2, 0, 0, 1, 0), udp8), Ext{Proto: ProtoICMPv6, ProtoAt: 40, Offset: 48}, ExtOK},
	{"hop-by-hop behind destination options", ExtDestOpts, join(opts(ExtHopByHop, pad6...), opts(ProtoUDP, pad6...)),
		Ext{Proto: ExtHopByHop, ProtoAt: 40, Offset: 48, Pointer: 40}, ExtMisplaced},
	{"hop-by-hop twice", ExtHopByHop, join(opts(ExtHopByHop, pad6...), opts(ProtoUDP, pad6...)),
		Ext{Proto: ExtHopByHop, ProtoAt: 40, Offset: 48, Pointer: 40}, ExtMisplaced},
	{"option 01: discard", ExtDestOpts, opts(ProtoUDP, 0, 0x40, 3, 0, 0, 0), Ext{Proto: ExtDestOpts, ProtoAt: 6, Offset: 40, Pointer: 43}, ExtRefused},
	{"option 10: report", ExtDestOpts, opts(ProtoUDP, 0x80, 4, 0, 0, 0, 0), Ext{Proto: ExtDestOpts, ProtoAt: 6, Offset: 40, Pointer: 42}, ExtReported},
	{"option 11: jumbo payload", ExtHopByHop, opts(ProtoUDP, 0xc2, 4, 0, 1, 0, 0), Ext{Proto: ExtHopByHop, ProtoAt: 6, Offset: 40, Pointer: 42}, ExtReportedUnicast},
	{"option longer than its header", ExtDestOpts, opts(ProtoUDP, 1, 5, 0, 0, 0, 0), Ext{Proto: ExtDestOpts, ProtoAt: 6, Offset: 40, Pointer: 42}, ExtMalformed},
	{"option without a length", ExtDestOpts, opts(ProtoUDP, 1, 3, 0, 0, 0, 1), Ext{Proto: ExtDestOpts, ProtoAt: 6, Offset: 40, Pointer: 47}, ExtMalformed},
	{"header longer than the packet", ExtDestOpts, []byte{ProtoUDP, 1, 1, 4, 0, 0, 0, 0}, Ext{Proto: ExtDestOpts, ProtoAt: 6, Offset: 40, Pointer: 40}, ExtMalformed},
	{"header of one octet", ExtHopByHop, []byte{ProtoUDP}, Ext{Proto: ExtHopByHop, ProtoAt: 6, Offset: 40, Pointer: 40}, ExtMalformed},
	{"routing, no segments left", ExtRouting, join([]byte{ProtoUDP, 0, 4, 0, 0, 0, 0, 0}, udp8), Ext{Proto: ProtoUDP, ProtoAt: 40, Offset: 48}, ExtOK},
	{"routing type 0, no segments left", ExtRouting, join([]byte{ProtoUDP, 0, 0, 0, 0, 0, 0, 0}, udp8), Ext{Proto: ProtoUDP, ProtoAt: 40, Offset: 48}, ExtOK},
	{"routing type 0", ExtRouting, []byte{ProtoUDP, 0, 0, 1, 0, 0, 0, 0}, Ext{Proto: ExtRouting, ProtoAt: 6, Offset: 40, Pointer: 42}, ExtRouted},
	{"segment routing", ExtRouting, []byte{ProtoUDP, 0, 4, 2, 0, 0, 0, 0}, Ext{Proto: ExtRouting, ProtoAt: 6, Offset: 40, Pointer: 42}, ExtRouted},
	{"first fragment", ExtFragment, join(fragment(ProtoUDP, 0, true), udp8),
		Ext{Proto: ProtoUDP, ProtoAt: 40, Offset: 48, Fragmented: true, FragmentAt: 40, More: true, ID: 0x01020304}, ExtOK},
	{"last fragment; its data is not looked at", ExtHopByHop, join(opts(ExtFragment, pad6...), fragment(ExtDestOpts, 1232, false), udp8[:3]),
		Ext{Proto: ExtDestOpts, ProtoAt: 48, Offset: 56, Fragmented: true, FragmentAt: 48, FragOffset: 1232, ID: 0x01020304}, ExtOK},
	{"atomic fragment", ExtFragment, join(fragment(ExtDestOpts, 0, false), opts(ProtoUDP, pad6...), udp8),
		Ext{Proto: ProtoUDP, ProtoAt: 48, Offset: 56, ID: 0x01020304}, ExtOK},
	{"reserved bits of a fragment", ExtFragment, join([]byte{ProtoUDP, 9, 0, 6, 0, 0, 0, 1}, udp8), Ext{Proto: ProtoUDP, ProtoAt: 40, Offset: 48, ID: 1}, ExtOK},
	{"short fragment header", ExtFragment, fragment(ProtoUDP, 0, true)[:7], Ext{Proto: ExtFragment, ProtoAt: 6, Offset: 40, Pointer: 40}, ExtMalformed},
	{"eight headers", ExtDestOpts, repeat(8, ProtoUDP, opts(ExtDestOpts, pad6...)), Ext{Proto: ProtoUDP, ProtoAt: 96, Offset: 104}, ExtOK},
	{"nine headers", ExtDestOpts, repeat(9, ProtoUDP, opts(ExtDestOpts, pad6...)),
		Ext{Proto: ExtDestOpts, ProtoAt: 96, Offset: 104, Pointer: 96}, ExtTooManyHeaders},
	{"eight options", ExtDestOpts, join([]byte{ProtoUDP, 2}, make([]byte, 6), repeat(8, 0x1e, []byte{0x1e, 0})), Ext{Proto: ProtoUDP, ProtoAt: 40, Offset: 64}, ExtOK},
	{"nine options", ExtDestOpts, join([]byte{ProtoUDP, 2}, make([]byte, 4), repeat(9, 0x1e, []byte{0x1e, 0})),
		Ext{Proto: ExtDestOpts, ProtoAt: 6, Offset: 40, Pointer: 62}, ExtTooManyOptions},
	{"256 octets", ExtDestOpts, join([]byte{ProtoUDP, 31}, make([]byte, 254)), Ext{Proto: ProtoUDP, ProtoAt: 40, Offset: 296}, ExtOK},
	{"264 octets", ExtDestOpts, join([]byte{ProtoUDP, 32}, make([]byte, 262)),
		Ext{Proto: ExtDestOpts, ProtoAt: 6, Offset: 40, Pointer: 40}, ExtTooLong},
}

func TestWalkExt(t *testing.T) {
	for _, c := range extCases {
		// Octets behind the packet's end, Ethernet's padding, change nothing.
		for _, padding := range []int{0, 20} {
			b := append(c.packet(), make([]byte, padding)...)
			x, v := WalkExt(b, DefaultExtLimits)
			if x != c.want || v != c.verdict {
				t.Errorf("%s: verdict %d, %+v; want %d, %+v", c.name, v, x, c.verdict, c.want)
			}
		}
	}
}

// TestWalkExtParamProblem: the codes that RFC 8200, RFC 5095 and RFC 8883 ask for.
func TestWalkExtParamProblem(t *testing.T) {
	want := map[ExtVerdict]int{
		ExtOK: -1, ExtMalformed: -1, ExtRefused: -1, ExtMisplaced: 1, ExtRouted: 0, ExtReported: 2, ExtReportedUnicast: 2,
		ExtTooManyHeaders: 8, ExtTooManyOptions: 9, ExtTooLong: 7,
	}
	for v := ExtOK; v <= ExtTooLong; v++ {
		code, ok := v.ParamProblem()
		if ok != (want[v] >= 0) || ok && int(code) != want[v] {
			t.Errorf("verdict %d: code %d %v, want %d", v, code, ok, want[v])
		}
	}
}

// walked is what the reference parser knows when it stops.
type walked struct {
	x Ext
	v ExtVerdict
}

// referenceWalk is RFC 8200, section 4, header by header, recursively: header n of
// the packet b, of type proto, named by the octet at protoAt, starts at offset.
func referenceWalk(b []byte, lim ExtLimits, x Ext, n int) walked {
	stop := func(pointer int, v ExtVerdict) walked {
		x.Pointer = pointer
		return walked{x, v}
	}
	left := b[x.Offset:]
	size := 8
	if x.Proto != 0 && x.Proto != 43 && x.Proto != 44 && x.Proto != 60 {
		return walked{x, ExtOK}
	}
	if x.Proto == 0 && n > 0 {
		return stop(x.ProtoAt, ExtMisplaced)
	}
	if n >= lim.Headers {
		return stop(x.ProtoAt, ExtTooManyHeaders)
	}
	if x.Proto != 44 && len(left) >= 2 {
		size += 8 * int(left[1])
	}
	if x.Offset-40+size > lim.Octets {
		return stop(x.Offset, ExtTooLong)
	}
	if len(left) < size {
		return stop(x.Offset, ExtMalformed)
	}
	next := Ext{Proto: left[0], ProtoAt: x.Offset, Offset: x.Offset + size, ID: x.ID}
	switch x.Proto {
	case 43:
		if left[3] > 0 {
			return stop(x.Offset+2, ExtRouted)
		}
	case 44:
		next.ID = uint32(number(left, 32, 32))
		if offset, more := int(number(left, 16, 13)), number(left, 31, 1) == 1; offset != 0 || more {
			next.Fragmented, next.FragmentAt, next.FragOffset, next.More = true, x.Offset, offset*8, more
			return walked{next, ExtOK}
		}
	default:
		if at, v := referenceExtOptions(left[:size], lim.Options); v != ExtOK {
			return stop(x.Offset+at, v)
		}
	}
	return referenceWalk(b, lim, next, n+1)
}

// referenceExtOptions first cuts the header into options, then judges them in order.
func referenceExtOptions(h []byte, limit int) (at int, v ExtVerdict) {
	var starts []int
	broken := -1
	for at = 2; at < len(h) && broken < 0; {
		starts = append(starts, at)
		switch {
		case h[at] == 0:
			at++
		case at+1 >= len(h) || at+2+int(h[at+1]) > len(h):
			broken = at
		default:
			at += 2 + int(h[at+1])
		}
	}
	known := 0
	for _, s := range starts {
		if s == broken {
			return s, ExtMalformed
		}
		if h[s] <= 1 {
			continue
		}
		switch number(h[s:], 0, 2) {
		case 1:
			return s, ExtRefused
		case 2:
			return s, ExtReported
		case 3:
			return s, ExtReportedUnicast
		}
		if known++; known > limit {
			return s, ExtTooManyOptions
		}
	}
	return 0, ExtOK
}

// checkWalk compares WalkExt with the reference on a packet that CheckIPv6Chain accepts.
func checkWalk(t interface {
	Helper()
	Fatalf(string, ...any)
}, b []byte, lim ExtLimits) {
	t.Helper()
	x, v := WalkExt(b, lim)
	short := b[:min(len(b), 40+int(binary.BigEndian.Uint16(b[4:])))]
	want := referenceWalk(short, lim, Ext{Proto: b[6], ProtoAt: 6, Offset: 40}, 0)
	if x != want.x || v != want.v {
		t.Fatalf("% x: verdict %d, %+v; want %d, %+v", b, v, x, want.v, want.x)
	}
	if x.Offset > len(short) {
		t.Fatalf("% x: offset %d of %d", b, x.Offset, len(short))
	}
}

func drawHeader(t *rapid.T, next uint8) []byte {
	switch rapid.IntRange(0, 3).Draw(t, "header") {
	case 0:
		return fragment(next, 8*rapid.IntRange(0, 2).Draw(t, "offset"), rapid.Bool().Draw(t, "more"))
	case 1:
		return []byte{next, 0, rapid.Byte().Draw(t, "type"), rapid.ByteMax(1).Draw(t, "left"), 0, 0, 0, 0}
	}
	n := rapid.IntRange(0, 3).Draw(t, "units")
	return append([]byte{next, uint8(n)}, rapid.SliceOfN(rapid.SampledFrom([]byte{0, 0, 0, 1, 1, 2, 3, 5, 0x1e, 0x41, 0x82, 0xc2}), 6+8*n, 6+8*n).Draw(t, "options")...)
}

func TestWalkExtParity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]uint8{ExtHopByHop, ExtRouting, ExtFragment, ExtDestOpts, ExtDestOpts, ProtoUDP})
		c := extCase{first: kind.Draw(t, "first")}
		for range rapid.IntRange(0, 10).Draw(t, "headers") {
			c.chain = append(c.chain, drawHeader(t, kind.Draw(t, "next"))...)
		}
		b := damage(t, c.packet())
		if _, ok := CheckIPv6Chain(b, 1<<17); !ok {
			return
		}
		checkWalk(t, b, DefaultExtLimits)
		checkWalk(t, b, ExtLimits{Headers: 4, Options: 2, Octets: 64})
	})
}

// TestWalkExtNeedsNoMoreThanItsLimit: a part of the packet that holds Octets behind
// the fixed header gives what the whole gives.
func TestWalkExtNeedsNoMoreThanItsLimit(t *testing.T) {
	for _, c := range extCases {
		b := append(c.packet(), make([]byte, 1000)...)
		IPv6(b).SetPayloadLen(len(b) - IPv6Len)
		x, v := WalkExt(b, DefaultExtLimits)
		y, w := WalkExt(b[:IPv6Len+DefaultExtLimits.Octets], DefaultExtLimits)
		if x != y || v != w {
			t.Errorf("%s: the part gives %d, %+v, the whole %d, %+v", c.name, w, y, v, x)
		}
	}
}
