package spsc

import (
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// ErrSize says that a ring's size is not a power of two. It comes wrapped, with the size.
var ErrSize = errors.New("size is not a power of two")

// lineBytes keeps the two sides apart: two lines of 64 bytes, because x86 prefetches lines
// in pairs, and some arm64 have lines of 128.
const lineBytes = 128

// A side is what one goroutine writes. Its index is its own: nobody else stores it.
type side struct {
	index atomic.Uint64 // of the next value, as the other side sees it
	other uint64        // the other side's index when we last looked
	_     [lineBytes - 16]byte
}

var _ [lineBytes]byte = [unsafe.Sizeof(side{})]byte{}

// A Ring holds up to its size of values. It is made by New.
type Ring[T any] struct {
	_     [lineBytes]byte
	push  side
	pop   side
	slots []T // read by both, written by none
	mask  uint64
}

// New returns an empty ring of size slots, a power of two. Its error wraps ErrSize.
func New[T any](size int) (*Ring[T], error) {
	if size <= 0 || bits.OnesCount(uint(size)) != 1 {
		return nil, fmt.Errorf("spsc: %d slots: %w", size, ErrSize)
	}
	return &Ring[T]{slots: make([]T, size), mask: uint64(size) - 1}, nil
}

// Size returns how many values fit.
func (r *Ring[T]) Size() int { return len(r.slots) }

// Len returns how many values are waiting. From the pusher it is never too low, from the
// popper never too high; from a third goroutine it was true at some moment, or nearly.
func (r *Ring[T]) Len() int {
	popped := r.pop.index.Load() // first: then it cannot be ahead of what is read next
	return int(min(r.push.index.Load()-popped, uint64(len(r.slots))))
}

// Push adds v. It returns false, and v stays the caller's, if the ring is full.
func (r *Ring[T]) Push(v T) bool {
	at := r.push.index.Load()
	if r.room(at) == 0 {
		return false
	}
	r.slots[at&r.mask] = v
	r.push.index.Store(at + 1)
	return true
}

// PushBatch adds the first n values of vs, as many as fit, and returns n. The others stay
// the caller's.
func (r *Ring[T]) PushBatch(vs []T) (n int) {
	at := r.push.index.Load()
	n = len(vs)
	if free := r.roomFor(at, uint64(n)); free < uint64(n) {
		n = int(free)
	}
	if n == 0 {
		return 0
	}
	first := copy(r.slots[at&r.mask:], vs[:n])
	copy(r.slots, vs[first:n])
	r.push.index.Store(at + uint64(n))
	return n
}

// room is how many slots are free, looked up anew when the copy says none.
func (r *Ring[T]) room(at uint64) uint64 { return r.roomFor(at, 1) }

// roomFor is how many slots are free, looked up anew when the copy says fewer than n.
func (r *Ring[T]) roomFor(at, n uint64) uint64 {
	size := uint64(len(r.slots))
	if size-(at-r.push.other) < n {
		r.push.other = r.pop.index.Load()
	}
	return size - (at - r.push.other)
}

// Pop moves up to len(dst) values into dst, oldest first, and returns how many. After a
// return of fewer there may already be more.
func (r *Ring[T]) Pop(dst []T) (n int) {
	at := r.pop.index.Load()
	if at == r.pop.other {
		r.pop.other = r.push.index.Load()
	}
	n = int(min(uint64(len(dst)), r.pop.other-at))
	if n == 0 {
		return 0
	}
	head := r.slots[at&r.mask:]
	first := copy(dst[:n], head)
	clear(head[:first])
	rest := copy(dst[first:n], r.slots)
	clear(r.slots[:rest])
	r.pop.index.Store(at + uint64(n))
	return n
}
