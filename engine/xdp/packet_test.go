package xdp

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// The addresses of the tests: ours alone, shared with the kernel, and somebody else's.
var (
	own4    = netip.MustParseAddr("198.18.0.2")
	shared4 = netip.MustParseAddr("198.18.0.3")
	other4  = netip.MustParseAddr("198.18.0.9")
	own6    = netip.MustParseAddr("2001:2::2")
	shared6 = netip.MustParseAddr("2001:2::3")
	other6  = netip.MustParseAddr("2001:2::9")
)

// testFilter is the filter of most tests. 6443 of the first shared address alone is ours.
var testFilter = Filter{
	Addrs: []Addr{
		{Addr: own4, Exclusive: true}, {Addr: shared4},
		{Addr: own6, Exclusive: true}, {Addr: shared6},
	},
	Ports: []PortRule{
		{Proto: TCP, From: 80, To: 80},
		{Proto: UDP, From: 49152, To: 65535},
		{Proto: ICMP, From: 700, To: 799},
		{Addr: shared4, Proto: TCP, From: 6443, To: 6443},
	},
}

// Headers are written out byte by byte here, not by the stack's own views: what the program
// reads and what the stack reads should not share a mistake.

func packet(parts ...[]byte) []byte { return slices.Concat(parts...) }

func be16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

func eth(ethertype uint16) []byte {
	return packet([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, be16(ethertype))
}

func arp(op uint16, sender, target netip.Addr) []byte {
	return packet(eth(0x0806), be16(1), be16(0x0800), []byte{6, 4}, be16(op),
		make([]byte, 6), sender.AsSlice(), make([]byte, 6), target.AsSlice())
}

// ip4 is a header from other4 without Ethernet, with options when there are.
func ip4(dst netip.Addr, proto byte, options ...byte) []byte {
	return packet([]byte{0x45 + byte(len(options)/4), 0, 0, 0, 0, 0, 0, 0, 64, proto, 0, 0},
		other4.AsSlice(), dst.AsSlice(), options)
}

// frag4 sets the fragment word of an ip4.
func frag4(header []byte, word uint16) []byte {
	binary.BigEndian.PutUint16(header[6:], word)
	return header
}

func ip6(dst netip.Addr, next byte) []byte {
	return packet([]byte{0x60, 0, 0, 0, 0, 0, next, 64}, other6.AsSlice(), dst.AsSlice())
}

// ext is an extension header of 8+8*more bytes.
func ext(next, more byte) []byte {
	return packet([]byte{next, more, 1, 4, 0, 0, 0, 0}, make([]byte, 8*int(more)))
}

// frag6 is a fragment header; word has the offset and M.
func frag6(next byte, word uint16) []byte {
	return packet([]byte{next, 0xaa}, be16(word), []byte{0, 0, 0, 7})
}

func tcp(src, dst uint16) []byte { return packet(be16(src), be16(dst), make([]byte, 16)) }

func udp(src, dst uint16) []byte { return packet(be16(src), be16(dst), make([]byte, 4)) }

// icmp serves both families; rest is what follows the first eight bytes.
func icmp(kind byte, ident uint16, rest ...[]byte) []byte {
	return packet([]byte{kind, 0, 0, 0}, be16(ident), []byte{0, 1}, packet(rest...))
}

// nd is a solicitation (135) or an advertisement (136).
func nd(kind byte, target netip.Addr) []byte { return icmp(kind, 0, target.AsSlice()) }

func solicited(a netip.Addr) netip.Addr {
	b := netip.MustParseAddr("ff02::1:ff00:0").As16()
	low := a.As16()
	copy(b[13:], low[13:])
	return netip.AddrFrom16(b)
}

var (
	allNodes = netip.MustParseAddr("ff02::1")
	v4       = eth(0x0800)
	v6       = eth(0x86dd)
	ip       = netip.MustParseAddr
)
