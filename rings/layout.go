package rings

import (
	"errors"
	"fmt"
	"math/bits"
	"unsafe"
)

// What a constructor can refuse. Each comes wrapped, with the ring and the figures.
var (
	// ErrSize: the number of slots is not a power of two from 1 to 2^31.
	ErrSize = errors.New("size is not a power of two from 1 to 2^31")
	// ErrMemory: the memory is too short for the offsets and the size.
	ErrMemory = errors.New("memory too short")
	// ErrOffsets: parts of the ring overlap or are not aligned.
	ErrOffsets = errors.New("offsets overlap or are not aligned; take them from getsockopt(XDP_MMAP_OFFSETS)")
	// ErrIndices: the two indices in the memory are further apart than the size.
	ErrIndices = errors.New("indices are further apart than the ring is long; is this another ring's memory?")
)

const wordSize = 4 // bytes of an index and of the flags

// checkLayout says whether a ring of size slots of slotSize bytes fits into mem at off,
// so that no later access needs a check.
func checkLayout(mem []byte, off Offsets, size, slotSize uint32) error {
	if bits.OnesCount32(size) != 1 {
		return fmt.Errorf("%d slots: %w", size, ErrSize)
	}
	slots := uint64(size) * uint64(slotSize)
	parts := [...]part{
		{off.Producer, wordSize, wordSize},
		{off.Consumer, wordSize, wordSize},
		{off.Flags, wordSize, wordSize},
		{off.Desc, slots, 8},
	}
	base := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem))))
	for i, p := range parts {
		if !p.within(uint64(len(mem))) {
			return fmt.Errorf("%d slots at %d, %d bytes of memory: %w", size, off.Desc, len(mem), ErrMemory)
		}
		if (base+p.at)%p.align != 0 || p.overlapsAny(parts[i+1:]) {
			return fmt.Errorf("%+v: %w", off, ErrOffsets)
		}
	}
	return nil
}

// A part is a stretch of a ring's memory: offset, length and alignment in bytes.
type part struct{ at, n, align uint64 }

// within says whether p ends inside of length bytes. It cannot overflow.
func (p part) within(length uint64) bool { return p.n <= length && p.at <= length-p.n }

// overlapsAny says whether p, which lies within the memory, shares a byte with any of others.
func (p part) overlapsAny(others []part) bool {
	for _, o := range others {
		if p.at < o.at+o.n && o.at < p.at+p.n {
			return true
		}
	}
	return false
}
