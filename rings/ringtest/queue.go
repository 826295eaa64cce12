package ringtest

import (
	"sync/atomic"
	"unsafe"

	"github.com/xdpstack/xdpstack/rings"
)

// Layouts are ring layouts: struct xdp_ring (net/xdp/xsk_queue.h, Linux 6.18) for cache lines of 64,
// 128 and 32 bytes, and one that turns everything round.
var Layouts = []rings.Offsets{
	{Producer: 0, Consumer: 128, Flags: 196, Desc: 320},
	{Producer: 0, Consumer: 256, Flags: 388, Desc: 640},
	{Producer: 0, Consumer: 64, Flags: 100, Desc: 160},
	{Producer: 1 << 16, Consumer: 1<<16 - 4, Flags: 1<<16 + 8, Desc: 24},
}

// Config says how a ring is made.
type Config struct {
	// Size is the number of slots, a power of two.
	Size uint32
	// Offsets says where the parts lie. The zero value means Layouts[0].
	Offsets rings.Offsets
	// Start is where both indices begin.
	Start uint32
}

// A Queue is the kernel's side of one ring, and the ring's memory.
type Queue struct {
	// Mem is the memory of the ring, aligned to 8 bytes, and Offsets its layout.
	Mem     []byte
	Offsets rings.Offsets
	// Size is the number of slots.
	Size uint32

	producer, consumer, flags *uint32
	slots                     unsafe.Pointer
	prod, cons                uint32 // cached: one is ours, one as last seen
}

func newQueue(c Config, slotSize uint64) Queue {
	if c.Offsets == (rings.Offsets{}) {
		c.Offsets = Layouts[0]
	}
	off := c.Offsets
	end := max(off.Producer, off.Consumer, off.Flags) + 4
	end = max(end, off.Desc+uint64(c.Size)*slotSize)
	words := make([]uint64, (end+7)/8)
	mem := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), end)
	q := Queue{Mem: mem, Offsets: off, Size: c.Size, prod: c.Start, cons: c.Start}
	q.producer = (*uint32)(unsafe.Pointer(&mem[off.Producer]))
	q.consumer = (*uint32)(unsafe.Pointer(&mem[off.Consumer]))
	q.flags = (*uint32)(unsafe.Pointer(&mem[off.Flags]))
	q.slots = unsafe.Add(unsafe.Pointer(unsafe.SliceData(mem)), off.Desc)
	*q.producer, *q.consumer = c.Start, c.Start
	return q
}

// SetNeedWakeup sets or clears the flag by which the kernel asks for a system call.
func (q *Queue) SetNeedWakeup(on bool) {
	if on {
		atomic.StoreUint32(q.flags, 1)
	} else {
		atomic.StoreUint32(q.flags, 0)
	}
}

// Indices returns the producer's and the consumer's index as they are in the memory.
func (q *Queue) Indices() (prod, cons uint32) {
	return atomic.LoadUint32(q.producer), atomic.LoadUint32(q.consumer)
}

// free is the room that a producing side has, at most want.
func (q *Queue) free(want uint32) uint32 {
	if q.Size-(q.prod-q.cons) < want {
		q.cons = atomic.LoadUint32(q.consumer)
	}
	return min(want, q.Size-(q.prod-q.cons))
}

// ready is what a consuming side has to take, at most want.
func (q *Queue) ready(want uint32) uint32 {
	if q.prod-q.cons < want {
		q.prod = atomic.LoadUint32(q.producer)
	}
	return min(want, q.prod-q.cons)
}

func (q *Queue) produced(n uint32) {
	q.prod += n
	atomic.StoreUint32(q.producer, q.prod)
}

func (q *Queue) consumed(n uint32) {
	q.cons += n
	atomic.StoreUint32(q.consumer, q.cons)
}

func (q *Queue) desc(index uint32) *rings.Desc {
	return (*rings.Desc)(unsafe.Add(q.slots, uintptr(index&(q.Size-1))*rings.DescSize))
}

func (q *Queue) addr(index uint32) *uint64 {
	return (*uint64)(unsafe.Add(q.slots, uintptr(index&(q.Size-1))*rings.AddrSize))
}
