package umem

import (
	"errors"
	"fmt"
	"math/bits"
	"unsafe"
)

// Limits of a chunk: the kernel takes aligned chunks from 2 KiB to a page
// (to a huge page on memory backed by them), and offsets in a Frame have
// 16 bits.
const (
	MinChunk = 2048
	MaxChunk = 32768
)

// Errors of NewRegion.
var (
	ErrChunkSize  = errors.New("umem: chunk size must be a power of two from 2048 to 32768")
	ErrRegionSize = errors.New("umem: region must be a multiple of the chunk size, of 1 to 2^31 chunks")
)

// Region is the packet memory of a host: chunks of one size, and a Frame for
// each. It owns the frames, not the memory: whoever mapped that unmaps it, after
// the last use of any frame.
type Region struct {
	mem       []byte
	frames    []Frame
	chunkMask uint64
	shift     uint8
}

// NewRegion cuts mem into chunks of chunkSize bytes. All frames begin in place
// free and belong to no pool until NewPool claims them.
func NewRegion(mem []byte, chunkSize int) (*Region, error) {
	if chunkSize < MinChunk || chunkSize > MaxChunk || bits.OnesCount(uint(chunkSize)) != 1 {
		return nil, fmt.Errorf("%w: %d", ErrChunkSize, chunkSize)
	}
	n := len(mem) / chunkSize
	if n == 0 || n > 1<<31 || len(mem)%chunkSize != 0 {
		return nil, fmt.Errorf("%w: %d bytes in chunks of %d", ErrRegionSize, len(mem), chunkSize)
	}
	r := &Region{
		mem:       mem,
		frames:    make([]Frame, n),
		chunkMask: uint64(chunkSize - 1),
		shift:     uint8(bits.TrailingZeros(uint(chunkSize))),
	}
	base := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	for i := range r.frames {
		f := &r.frames[i]
		f.base = base + uintptr(i*chunkSize)
		f.index = uint32(i)
		f.next, f.link = none, none
		f.end = uint16(chunkSize)
		f.owner = NoOwner
	}
	return r, nil
}

// Len is the number of chunks.
func (r *Region) Len() int { return len(r.frames) }

// ChunkSize is the size of a chunk in bytes.
func (r *Region) ChunkSize() int { return int(r.chunkMask) + 1 }

// Mem is the packet memory itself, as it was given to NewRegion; it is what
// gets registered with XDP_UMEM_REG.
func (r *Region) Mem() []byte { return r.mem }

// Frame returns the frame of chunk i, which must be less than Len.
func (r *Region) Frame(i uint32) *Frame { return &r.frames[i] }

// Received turns a descriptor of an RX ring into its frame, moved from place
// fill to place stack, metadata reset, data and tail set to what the kernel
// wrote. The caller counts the move with Pool.Moved, once a batch.
//
// The kernel's descriptors are input: one that points outside the region, past
// the end of its chunk, or at a frame that is not with the kernel gives false,
// and changes nothing.
func (r *Region) Received(addr uint64, n uint32, now Time) (*Frame, bool) {
	i := addr >> r.shift
	if i >= uint64(len(r.frames)) {
		return nil, false
	}
	f := &r.frames[i]
	off := uint32(addr & r.chunkMask)
	if f.place != PlaceFill || n > uint32(f.end) || off > uint32(f.end)-n {
		return nil, false
	}
	f.place, f.last = PlaceStack, ActReceived
	f.Flags, f.class = 0, ClassReceive
	f.head, f.data, f.tail = 0, uint16(off), uint16(off+n)
	f.next = none
	f.RxTime = now
	return f, true
}

// Reaped turns an address from a completion ring into its frame, moved from
// place tx to place stack. It still has its HoldTx: who asked for the
// transmission releases it. The caller counts the move with Pool.Moved.
//
// An address outside the region, or of a frame that is not in tx, gives false.
func (r *Region) Reaped(addr uint64) (*Frame, bool) {
	i := addr >> r.shift
	if i >= uint64(len(r.frames)) {
		return nil, false
	}
	f := &r.frames[i]
	if f.place != PlaceTx {
		return nil, false
	}
	f.place, f.last = PlaceStack, ActReaped
	return f, true
}
