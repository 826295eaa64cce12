// Package tcp has two stacks in one process talk TCP, without a kernel in between: what a stack itself costs.
//
//	client's stack ══wire══ server's stack
//
//	RoundTrips    a request, and its answer, on a connection that stays open
//	Stream        octets in one direction
//	Connections   opened, accepted, closed by the client, then by the server
//
// The same is done with two stacks:
//
//   - GVisor: gVisor's netstack, two of them back to back.
//   - XDPStack: this project's, on the two ends of an engine/mem pair, each turned by an engine.Worker.
//   - Hosts: the same within two xdpstack.Hosts, whose workers are goroutines, and handlers on the event API.
//
// Client and server are one goroutine, which does whatever is possible next. Both stacks compute each TCP and IPv4 checksum when they
// send, and verify it when they receive. Both know their neighbour before. Data is copied in by the sender; the receiver has it lent,
// where it is counted, or, of a request, compared and copied out again as the answer. Segments are of 1,460 octets; neither stack
// hands over longer ones.
//
// # In what they differ
//
// gVisor processes segments on goroutines of its own, which the process's one P runs in turns with ours: nobody waits for a
// core. Its wire (pkg/tcpip/link/pipe) hands buffers over by reference; ours copies every octet into the peer's memory, as a wire
// does. Its TIME-WAIT is set to 10 ms.
//
// # What is not here
//
// No loss, no delay, and no kernel: bench.TCPRR and its like of the main module measure over a device.
//
// Read first: Pair.
package tcp
