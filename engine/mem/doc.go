// Package mem joins two workers, or two programs, in one process: a pair of ports
// with a wire between them.
//
//	           port a                                  port b
//	Transmit ───copy────────────▶ chunk ─▶ rx ring ─▶ Receive
//	           ▲                    ▲
//	Reap ◀─ sent (complete at once) └── fill ring ◀── Refill
//
// What is sent on one comes out of the other, copied into a frame of the receiver's
// pool, as a wire and two NICs do it: the sender's frame stays the sender's, the
// regions may be different, and a receiver that has put no frame on its fill ring
// loses the packet, counted as RxFillEmpty of the port that it was for. A chain
// of frames arrives as one.
//
// # Nouns
//
//   - Pair: makes both ends.
//   - Port: one end, an engine.Port. Both may belong to one goroutine, or each to its own.
//   - Cable: joins the workers of two hosts: a Device at each end.
//
// A port has no descriptor. A worker that sleeps is woken by OnArrival.
//
// # What it does not do
//
// It never reorders, delays, corrupts, or loses for any other reason: package
// stack/sim does. It has no rate.
//
// Read first: engine.Port.
package mem
