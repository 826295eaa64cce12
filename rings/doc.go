// Package rings is the user's side of the four rings of an AF_XDP socket.
//
// A ring is how packet memory changes hands between us and the kernel without a
// system call. Each has one producer and one consumer, and a power of two of
// slots; an index counts up for ever, wraps at 2^32, and is masked to find its slot.
//
//	        we produce                        we consume
//
//	Fill  ──▶ addresses of empty frames ──▶ │ kernel │
//	                                        │        │ ──▶ frames received ──▶  RX
//	TX    ──▶ frames to send ─────────────▶ │        │
//	                                        │ kernel │ ──▶ addresses sent ──▶  Completion
//
//	memory of one ring, as the kernel lays it out (XDP_MMAP_OFFSETS):
//
//	│ producer │ … │ consumer │ … │ flags │ … │ slot 0 │ slot 1 │ … │ slot size-1 │
//	   ▲ written by the producer alone           16 bytes (Desc) in RX and TX,
//	              ▲ written by the consumer      8 bytes (an address) in Fill and
//	                alone                        Completion
//
// # Nouns
//
//   - Offsets: where the parts lie. They depend on the cache line of the machine
//     and the kernel's version, so they are read from the kernel, never assumed.
//   - Desc: an entry of RX and TX: address in the region, length, options.
//   - cursor: one side of a ring. It keeps our own index and a copy of the other
//     side's, both as 64-bit totals, on a cache line of its own.
//   - Fill and TX are producers: Reserve, Set, Submit. RX and Completion are
//     consumers: Peek, At, Release. All work in batches.
//   - Run: a stretch of what was granted, as a slice of the shared memory: what a loop
//     over a batch uses, in place of At and Set.
//
// # Memory order
//
// As net/xdp/xsk_queue.h (Linux 6.18) and libxdp's xsk.h pair it: a producer loads
// the consumer's index (acquire) when its copy says that there is no room, writes
// the slots, and stores its own index (release) once a batch. A consumer loads the
// producer's index (acquire) when its copy is used up, reads the slots, and stores
// its own index (release) once a batch. Go's sync/atomic is sequentially
// consistent, which is stronger: Submit followed by NeedWakeup is a store that
// no later load overtakes, so that a kernel that falls asleep meanwhile is seen.
// A plain load would be wrong on every machine: the compiler may hoist it.
//
// # What the kernel writes is input
//
// An index that cannot be true (the other side moved back, or further than there are
// slots) is not believed: the copy stays at the last good value, Corrupt counts.
// Nothing the kernel writes can cause a panic or an access outside the memory.
// Whether an address lies in the region is for those to check who know the region.
// Giving back more than was asked for (Submit or Release beyond the last Reserve or
// Peek) is a programming error, and panics as an index out of range does.
//
// # What it does not do
//
// No system call: engine makes sockets, maps the memory, kicks and sleeps. No
// knowledge of frames: an address is a number. No locks: a ring belongs to one
// goroutine; only the shared words are atomic. It keeps the memory that it was
// given by address, so no method may be called once that memory is unmapped.
//
// Read first: Documentation/networking/af_xdp.rst (section Rings) and
// net/xdp/xsk_queue.h in the Linux source. Package ringtest is the kernel's side.
package rings
