// Package ringtest is the kernel's side of AF_XDP rings, on plain memory.
//
// Tests and benchmarks of package rings and of everything above it run against it
// without a device, without root, and with indices, layouts and faults that a
// kernel would not show on demand.
//
//	        package rings                         package ringtest
//
//	*rings.Fill        Reserve Set Submit  ─▶  *Fill        Take
//	*rings.RX          Peek At Release     ◀─  *RX          Produce
//	*rings.TX          Reserve Set Submit  ─▶  *TX          Consume
//	*rings.Completion  Peek At Release     ◀─  *Completion  Complete
//
//	                                           *Kernel: all four, joined as
//	                                           a socket in copy mode joins them
//
// # Nouns
//
//   - Config: how a ring is made: slots, where its parts lie, where its indices
//     begin (close to 2^32, to see them wrap).
//   - Layouts: offsets as kernels have them for lines of 64, 128 and 32 bytes, and one
//     that no kernel has, to show that nothing is assumed.
//   - NewFillPair, NewRXPair, NewTXPair, NewCompletionPair: both sides of one ring.
//   - Kernel: takes addresses from the fill ring and announces frames on RX
//     (Receive); takes frames from TX (Transmit) and gives their addresses back on the
//     completion ring (Complete). It reserves completion slots before it takes from
//     TX, as the kernel does. A few nanoseconds a frame, no allocation.
//   - Faults: what a broken kernel, or a bug on our side, would look like: an address
//     announced twice, an address lost, completions in another order. Jump on any side
//     moves its index to where it cannot be.
//
// The code follows the kernel's queue (cached indices of 32 bits,
// net/xdp/xsk_queue.h) and shares none with package rings, so that one mistake cannot sit
// in both and cancel itself out. Each side may run on a thread of its own.
//
// # What it does not do
//
// No packet data: addresses are numbers, unless Write and Read are given. No invalid
// descriptors, no chains of fragments of its own making (Produce takes what it is
// given), no wake-ups but the flag. A Config that cannot work panics: it is the
// test that is wrong.
//
// Read first: package rings.
package ringtest
