// Package impair puts a bad wire in front of a port: packets are lost, swapped,
// doubled and damaged, in both directions, by a seed. It is what netem is to a
// kernel's interface, for a stack that no qdisc of the kernel sees.
//
//	worker ──Transmit──▶ ┌───────────┐ ──▶ device
//	                     │ impair    │
//	worker ◀──Receive─── └───────────┘ ◀── device
//
// # Nouns
//
//   - Config: how often what happens, and the seed. Parse reads it from one line.
//   - Port: an engine.Port around another.
//
// A packet that is reordered waits for Config.Delay while those after it pass. To
// the ledger a frame that waits, or was lost, on its way out is with the device
// until it has been sent, or reaped: place tx. On the way in packets are copied aside,
// and their frames freed.
//
// # What it does not do
//
// No rate, no jitter, no bursts of losses; what goes out is neither doubled nor
// damaged: the frame is the stack's. Package stack/sim does all that in virtual
// time. It is for tests and demonstrations: reordering and doubling copy packets.
//
// Read first: engine.Port.
package impair
