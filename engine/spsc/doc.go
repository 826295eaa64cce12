// Package spsc is a bounded ring between two goroutines, one that pushes and one that
// pops.
//
// Workers share nothing. What must change hands between two of them (a packet that
// arrived on the wrong one, a neighbour just learnt) goes through such a ring, one for
// each pair and direction:
//
//	worker 0 ── Push, PushBatch ──▶ │ │ │ │ │ ──▶ Pop ── worker 1
//	worker 0 ◀── Pop ────────────── │ │ │ │ │ ◀── Push ── worker 1
//
// # Nouns
//
//   - Ring: the slots, and two indices: of the next value to push and the next to pop.
//     They count up for ever (64 bits do not wrap) and are masked to find the slot.
//   - Each side has a cache line of its own, with its index and its copy of the other
//     side's. The copy is refreshed only when it says that the ring is full (or
//     empty), so that lines move between cores once a batch and not once a value.
//
// # Contract
//
// Push, PushBatch belong to one goroutine at a time, Pop to one. Neither blocks: a
// full ring refuses, and the caller counts and drops, or keeps. What was pushed
// comes out once, in order; what the pusher wrote before Push is seen by the popper
// after Pop. Len may be called by either, and by a third as a measurement.
//
// Pop clears the slots that it empties, so that the ring keeps nothing alive.
//
// # What it does not do
//
// No waking of a sleeper: the engine does that, with its own flag, after a push. No
// several producers: that is the workers' mailbox. No growth: how much may wait
// between two workers is configuration, and has a counter where it bites.
//
// Read first: package rings, which keeps its cursors in the same manner. L. Lamport, "Specifying
// Concurrent Program Modules", 1983, for the ring; the Go memory model, section
// "Atomic Values", for the order.
package spsc
