// Package echo exchanges UDP datagrams between two stacks in one process, without a
// kernel in between: what a stack itself costs.
//
//	      client's stack                    server's stack
//	Write ──▶ UDP, IPv4, Ethernet ══wire══▶ Ethernet, IPv4, UDP ──▶ Read
//	Read  ◀── UDP, IPv4, Ethernet ◀══wire══ Ethernet, IPv4, UDP ◀── Write
//
// The same is done with two stacks:
//
//   - GVisor: gVisor's netstack, two of them back to back.
//   - XDPStack: this project's, on the two ends of an engine/mem pair, each turned
//     by an engine.Worker.
//
// Both do it on one goroutine: nobody is woken, no lock is waited for. Both compute
// each UDP and IPv4 checksum when they send, and verify it when they receive. Both
// know their neighbour before the measurement begins. A window of w keeps w requests
// on their way at a time, as w clients would.
//
// # In what they differ, all of it to gVisor's advantage
//
// Its wire (pkg/tcpip/link/pipe) hands the packet's buffers over by reference; ours
// copies every byte into the peer's memory, as a wire does. Its wire calls the peer's
// input from within the sender's output; ours goes through rings, which are looked
// at by turns. Its ports have no completions to reap.
//
// # What is not here
//
// No loss, no fragments, no goroutines: what a goroutine that waits in Read costs is
// another question, and bench.EchoClient of the main module answers it.
//
// Read first: Pair, then RoundTrips of either.
package echo
