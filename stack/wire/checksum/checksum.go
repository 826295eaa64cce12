package checksum

import (
	"encoding/binary"
	"math/bits"
)

// Sum20 is Fold of Sum for the commonest length, that of an IPv4 header without
// options: no loop, a third of the time.
func Sum20(b *[20]byte) uint16 {
	s, c := bits.Add64(binary.LittleEndian.Uint64(b[0:8]), binary.LittleEndian.Uint64(b[8:16]), 0)
	s, c = bits.Add64(s, uint64(binary.LittleEndian.Uint32(b[16:20])), c)
	return foldLittle(s + c)
}

// Fold adds the carries of a partial sum back in and returns the 16-bit ones'
// complement sum. It is zero only for a partial sum of zero.
func Fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	return uint16(sum>>16 + sum)
}

// Field returns the checksum that stands in a header for the partial sum of all
// that it covers, the field itself being zero: the complement of Fold.
func Field(sum uint32) uint16 { return ^Fold(sum) }

// Valid reports whether a partial sum over all that a checksum covers, the field
// included, is that of undamaged data (RFC 1071, section 1: "all 1 bits").
func Valid(sum uint32) bool { return Fold(sum) == 0xffff }

// Combine returns the partial sum of two pieces that follow each other: sum of
// the first, whose length in octets is offset, and next of the second. After a
// first piece of odd length the octets of the second stand in the other halves
// of the words, and its sum is swapped (RFC 1071, section 2 (B)). The result
// exceeds sum by at most 0xffff, or by next when offset is even.
func Combine(sum, next uint32, offset int) uint32 {
	if offset&1 == 0 {
		return sum + next
	}
	return sum + uint32(bits.ReverseBytes16(Fold(next)))
}

// Update returns the checksum field of a header in which one 16-bit word changed
// from before to after, given the field as it was (RFC 1624, equation 3). A wider
// change is several of these.
func Update(field, before, after uint16) uint16 {
	return ^Fold(uint32(^field) + uint32(^before) + uint32(after))
}

// UpdateSum returns the checksum field of a header of which a part with the
// folded sum before was replaced by one with the folded sum after, at an even
// offset (RFC 1624, equation 3, over many words at once: a change of addresses).
func UpdateSum(field uint16, before, after uint32) uint16 {
	return Update(field, Fold(before), Fold(after))
}
