package checksum

import (
	"encoding/binary"
	"math/bits"
)

// PseudoV4 returns the partial sum of the pseudo-header of UDP and TCP over IPv4
// (RFC 768; RFC 9293, section 3.1): addresses, protocol, and length, the octets
// of transport header and payload.
func PseudoV4(src, dst *[4]byte, proto uint8, length uint16) uint32 {
	s := uint64(binary.BigEndian.Uint32(src[:])) + uint64(binary.BigEndian.Uint32(dst[:]))
	s += uint64(proto) + uint64(length)
	return fold64(s)
}

// PseudoV6 returns the partial sum of the pseudo-header of an upper layer over
// IPv6 (RFC 8200, section 8.1): addresses, upper-layer packet length in octets,
// next header. Given IPv4-mapped addresses it serves IPv4 as well: the prefix
// ::ffff:0:0/96 adds 0xffff, which is zero in ones' complement, so that
// Fold(PseudoV6) of mapped addresses equals Fold(PseudoV4) of plain ones.
func PseudoV6(src, dst *[16]byte, proto uint8, length uint32) uint32 {
	s, c := bits.Add64(binary.BigEndian.Uint64(src[0:8]), binary.BigEndian.Uint64(src[8:16]), 0)
	s, c = bits.Add64(s, binary.BigEndian.Uint64(dst[0:8]), c)
	s, c = bits.Add64(s, binary.BigEndian.Uint64(dst[8:16]), c)
	s, c = bits.Add64(s, uint64(proto)+uint64(length), c)
	return fold64(s + c)
}

// fold64 folds a 64-bit ones' complement sum of big-endian words to at most 17
// bits: 2^16 is 1 modulo 0xffff, so the quarters simply add up.
func fold64(s uint64) uint32 {
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	return uint32(s>>16 + s&0xffff)
}
