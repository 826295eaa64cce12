// Package link is the layer between IP and the device: who has which Ethernet
// address, and what waits to be sent.
//
//	IP packet ──▶ neighbour known? ──yes──▶ Qdisc ──▶ TX ring
//	                    │ no                  ▲
//	                    ▼                     │ resolved
//	              pending (few) ──────────────┘
//	                    │ three requests without answer
//	                    ▼
//	              host unreachable
//
// # Nouns
//
//   - Neighbours is the table of neighbours of both families. ARP and Neighbor
//     Discovery fill one table by one state machine, RFC 4861's, as Linux does:
//     ARP's reply is a solicited advertisement, its request an unsolicited one.
//
//     Incomplete ─answer─▶ Reachable ─30 s─▶ Stale ─used─▶ Delay ─5 s─▶ Probe
//     │                      ▲                              │            │
//     └ 3 × 1 s: failed      └──────── answer ──────────────┴────────────┤
//     failed: 3 × 1 s ◀─────┘
//
//   - Action is what the table asks of its owner: send a solicitation, give up on
//     what waits. The table sends nothing and sets no timer: an entry says when it
//     is Due.
//
//   - Generation changes whenever a link address that was handed out may be wrong
//     now, or its entry has aged; caches compare it.
//
//   - Qdisc is the queue before the device: a bounded fifo. A full TX ring makes
//     it grow, a full Qdisc drops and says so (ENOBUFS).
//
// # One writer
//
// The table of worker 0 is the truth. Other workers have replicas with the same
// states and timers; where the writer sends a solicitation, a replica asks the
// writer, and gets a Neighbour back.
//
// # Bounds
//
// Entries, unresolved entries, frames that wait for one neighbour and for all.
// When the table is full, a stale entry makes room; entries in use are never
// pushed out by what a stranger sends.
//
// # What is not here
//
// No proxy ARP, no redirects, no default router list, no VLAN tags yet.
//
// Read first: RFC 826, RFC 1122 section 2.3.2, RFC 4861 section 7.
package link
