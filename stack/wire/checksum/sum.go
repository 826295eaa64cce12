package checksum

import (
	"encoding/binary"
	"math/bits"
)

// These are the portable kernels, and what the vector kernels leave over. They read
// little-endian words of eight octets, let the carry of each addition run into
// the next (RFC 1071, section 2 (A)), and swap the two octets of the result once
// (section 2 (B)).

// Sum returns initial plus the sum of b taken as big-endian 16-bit words, a last
// odd octet padded with zero on the right (RFC 1071, section 1). b may have any
// length and alignment. The result exceeds initial by at most 0xffff.
func Sum(b []byte, initial uint32) uint32 {
	var s, c uint64
	if useVector && len(b) >= sumVectorMin {
		n := len(b) &^ (vectorBlock - 1)
		s, b = sumAVX2(b[:n]), b[n:]
	}
	for len(b) >= 64 {
		w := (*[64]byte)(b)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[0:8]), 0)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[8:16]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[16:24]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[24:32]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[32:40]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[40:48]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[48:56]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[56:64]), c)
		s += c
		b = b[64:]
	}
	if len(b) >= 32 { // most headers end in here
		w := (*[32]byte)(b)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[0:8]), 0)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[8:16]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[16:24]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[24:32]), c)
		s += c
		b = b[32:]
	}
	for len(b) >= 8 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), 0)
		s += c
		b = b[8:]
	}
	if len(b) != 0 {
		s, c = bits.Add64(s, lastWord(b), 0)
		s += c
	}
	return initial + uint32(foldLittle(s))
}

// Copy copies src to the front of dst and returns initial plus the sum of what it
// copied, as Sum(src, initial) does, reading each octet once. dst must be at
// least as long as src (it panics otherwise) and must not overlap it.
func Copy(dst, src []byte, initial uint32) uint32 {
	var s, c uint64
	dst = dst[:len(src)]
	if useVector && len(src) >= copyVectorMin {
		n := len(src) &^ (vectorBlock - 1)
		s = copyAVX2(&dst[0], src[:n])
		dst, src = dst[n:], src[n:]
	}
	for len(src) >= 32 && len(dst) >= 32 {
		// All loads before all stores: the compiler cannot know that the two
		// do not overlap.
		r, w := (*[32]byte)(src), (*[32]byte)(dst)
		w0 := binary.LittleEndian.Uint64(r[0:8])
		w1 := binary.LittleEndian.Uint64(r[8:16])
		w2 := binary.LittleEndian.Uint64(r[16:24])
		w3 := binary.LittleEndian.Uint64(r[24:32])
		binary.LittleEndian.PutUint64(w[0:8], w0)
		binary.LittleEndian.PutUint64(w[8:16], w1)
		binary.LittleEndian.PutUint64(w[16:24], w2)
		binary.LittleEndian.PutUint64(w[24:32], w3)
		s, c = bits.Add64(s, w0, 0)
		s, c = bits.Add64(s, w1, c)
		s, c = bits.Add64(s, w2, c)
		s, c = bits.Add64(s, w3, c)
		s += c
		src, dst = src[32:], dst[32:]
	}
	for len(src) >= 8 && len(dst) >= 8 {
		w := binary.LittleEndian.Uint64(src)
		binary.LittleEndian.PutUint64(dst, w)
		s, c = bits.Add64(s, w, 0)
		s += c
		src, dst = src[8:], dst[8:]
	}
	if len(src) != 0 {
		s, c = bits.Add64(s, copyLast(dst, src), 0)
		s += c
	}
	return initial + uint32(foldLittle(s))
}

// lastWord returns the 0 to 7 octets of b as a little-endian word padded with
// zeros. Two loads that overlap say the same of the octets in common.
func lastWord(b []byte) uint64 {
	n := len(b)
	switch {
	case n >= 4:
		first, last := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[n-4:])
		return uint64(first) | uint64(last)<<(8*(n-4)&63)
	case n >= 2:
		first, last := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[n-2:])
		return uint64(first) | uint64(last)<<(8*(n-2)&63)
	case n == 1:
		return uint64(b[0])
	}
	return 0
}

// copyLast copies the 0 to 7 octets of src to dst, which is as long, and returns
// them as lastWord does.
func copyLast(dst, src []byte) uint64 {
	n := len(src)
	switch {
	case n >= 4 && len(dst) >= n:
		first, last := binary.LittleEndian.Uint32(src), binary.LittleEndian.Uint32(src[n-4:])
		binary.LittleEndian.PutUint32(dst, first)
		binary.LittleEndian.PutUint32(dst[n-4:], last)
		return uint64(first) | uint64(last)<<(8*(n-4)&63)
	case n >= 2 && len(dst) >= n:
		first, last := binary.LittleEndian.Uint16(src), binary.LittleEndian.Uint16(src[n-2:])
		binary.LittleEndian.PutUint16(dst, first)
		binary.LittleEndian.PutUint16(dst[n-2:], last)
		return uint64(first) | uint64(last)<<(8*(n-2)&63)
	case n == 1 && len(dst) >= 1:
		dst[0] = src[0]
		return uint64(src[0])
	}
	return 0
}

// foldLittle folds a sum of little-endian words to 16 bits and returns it as the
// sum of big-endian words.
func foldLittle(s uint64) uint16 {
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	s = s>>16 + s&0xffff
	return bits.ReverseBytes16(uint16(s>>16 + s))
}
