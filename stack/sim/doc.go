// Package sim joins stacks by a simulated wire, in virtual time, in one goroutine:
// a run is its seed. It is for tests.
//
//	┌─ Host ──────────────────────────────┐                 ┌─ Host ─┐
//	│ Worker 0   Worker 1 …               │    Wire up      │        │
//	│  stack ◀─mesh─▶ stack               │ ──────────────▶ │        │
//	│    │              │                 │      hub        │        │
//	│  device queue   device queue        │ ◀────────────── │        │
//	└──────── one region of frames ───────┘    Wire down    └────────┘
//
// # Nouns
//
//   - Net: the hosts, the wires, the queue of what will happen, the time. Time does
//     not flow: it jumps to the next event.
//   - Wire: how one direction of a link treats packets: delay, jitter, rate and
//     queue, loss, duplicates, reordering, damage, an MTU, times of being down.
//   - Host: n workers with a region, and the choice of a queue for each packet, as
//     a NIC makes it, or deliberately wrong.
//   - Worker: a stack, its pool, its queue of the device, its rings to the other
//     workers. A turn is package engine's, and happens when there is work or when
//     the stack's Deadline comes: nothing polls.
//   - Socket: a socket of an application, with what that does when it hears of something.
//   - Oracle: knows what datagrams were sent and judges what is delivered.
//   - Flow: the same for one direction of a stream: each octet in order, or an error.
//   - Pair: two hosts on a clean wire, to begin a test with.
//   - Capture: the wires' packets as pcapng.
//
// # What every run checks
//
//   - The ledger, after every turn: the pool's two sums, and each frame of the pool
//     (umem.Pool.Balance and Audit).
//   - A frame in TX is not touched: its octets are compared when it leaves and
//     when it completes, which is later, and in any order.
//   - No timer without a reason: a deadline may wake a worker for nothing only so
//     many times in a row.
//   - Net.Settle: all comes to rest, Net.Drained: and nothing is left over.
//
// The tests of streams look at every segment on its way, too: no window is taken back, no octet goes beyond
// one, nothing is acknowledged that was not sent.
//
// # A failing seed
//
// The tests print the line that runs a seed alone. It runs twice then, the second
// time with a Capture, whose file is named.
//
// # Who can use it
//
// Tests of package stack itself must be in package stack_test: this package
// imports stack. Nothing but tests may import this one.
//
// # What is not here
//
// No clock, no goroutine, no socket of the system. One interface per host; no
// router; Ethernet's own checksum is not there, so that damage reaches the stack:
// on a real wire the NIC would drop it.
//
// Read first: Net.Run, then Worker.run.
package sim
