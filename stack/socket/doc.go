// Package socket is the table of sockets: who they belong to, what they are
// bound to, what waits in them, and which of them a packet is for.
//
//	Handle {index, generation} ──▶ ┌────────────────────────────┐
//	                               │ slab of sockets            │
//	packet's addresses and ports ─▶│ family, owner, local, peer │──▶ receive queue
//	   connected, bound, wildcard  │ options, pending error     │    of frames
//	   raw: by protocol            └────────────────────────────┘
//
// # Nouns
//
//   - Handle names a socket and turns stale when it is closed.
//   - Family: Datagram (UDP), Raw (any protocol of IP) and Stream (TCP, whose table is package tcp's; the
//     handles tell which).
//   - Owner: UID, GID and PID of whoever opened it.
//   - Msg: a message and its control data, the same for every family.
//   - Errno: an error of a call, named as the system's.
//   - Table: the slab, and three hash tables of keys by which a datagram finds
//     its socket, most specific first: local and remote address and port; local
//     address and port; port alone. Only tables that have an entry are asked.
//
// A socket bound to "::" takes both families, as Linux does by default
// (bindv6only = 0), unless its options say V6Only.
//
// # Ephemeral ports
//
// The range is cut into as many equal runs as there are workers. A port that was
// chosen here lies in this worker's run, so a reply that arrives at another
// worker names the one it belongs to (Ports.Worker). Within the run the search
// begins at a random place (RFC 6056, section 3.3.1).
//
// # What is not here
//
// No blocking, no wake-up of goroutines (events say when to), no SO_REUSEPORT:
// listening on all workers is one socket in each worker's table. No headers are
// read or written: package stack does.
//
// Everything is bounded when the table is made, and holds no Go pointer.
//
// Read first: RFC 768, RFC 1122 section 4.1; Linux net/ipv4/udp.c for the order
// of the look-ups.
package socket
