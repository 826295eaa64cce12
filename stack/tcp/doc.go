// Package tcp is the transport layer of streams: all connections and listeners
// of one worker, as RFC 9293 has them. It does no I/O, reads no clock and draws no random numbers: it is
// told of segments, calls and timers, and gives segments to the layer below (Net).
//
//	Find ─▶ Arrive ──▶ state machine ──▶ receive queue ──▶ Take, Read
//	            (RFC 9293, 3.10.7)  │          │ Consume opens the window
//	Timer ──────────────────────────┤          ▼
//	Send, Forward ──▶ send queue ───┴──▶ dirty list ──▶ Flush ──▶ Net
//
// # Nouns
//
//   - Table is TCP of one worker: a slab of Conns, the keys that segments find them by, the slab of
//     Segments of all send queues, and the lists that connections are on.
//   - Conn is a connection or a listener: its slot, numbered, with a generation. Fields have the RFC's names
//     (snd.una, rcv.nxt). It has no Go pointer, and neither has anything else that there are many of.
//   - Header is a segment that arrives; Fate, what became of its frame.
//   - SendQueue: what was sent and is not acknowledged, and what waits, a record for each segment. A frame stays
//     in it until it is acknowledged, and a retransmission is the same frame; one that the device
//     still has is put off, since its bytes must not change.
//   - RecvQueue: frames as they came, in order or beyond a gap; small payloads share frames.
//   - Congestion (NewReno) and RTT (RFC 6298) are the sender's.
//   - Ready says what became possible; Told gives it, once a batch.
//
// # When something is sent
//
// A segment that arrives, and a call of the application, put the connection on the dirty list. Flush, once a turn,
// sends for all that are on it: data first, or an ACK if one is owed and no data took it along. So a handler that
// answers at once answers in the segment that acknowledges, and one ACK stands for a batch. Sent at once are
// only duplicate ACKs (each counts), challenge ACKs and RST.
//
// # When a connection ends
//
// A slot is given back when the connection is over for the RFC (TIME-WAIT has passed, RST, too many timeouts) and
// for the application (Close). Whoever closes first leaves an orphan, which goes on without a handle. Everything
// that ends a connection is in end.
//
// # Several workers
//
// Each has a Table of its own, and connections do not move. What a worker does not know it hands on: Flows
// remembers to whom, Misfit and ForgetHalfOpen keep two workers from answering for one connection.
//
// # What is not here
//
// No SACK, no timestamps, no TLP and no RACK (the send queue has what they need), no path MTU discovery, no SYN
// cookies, no TCP Fast Open (data in a SYN is dropped), no keep-alive, no urgent data (it is read as
// data), no ECN, no simultaneous use of a port by several listeners.
//
// Read first: RFC 9293, sections 3.3.2 and 3.10.7, then input.go, which has their order; RFC 5681, 6298 and 6582 for the
// sender; RFC 5961 for what an attacker may not do.
package tcp
