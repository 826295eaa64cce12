// Package ringport is the part of a port that AF_XDP rings and a pool make
// between them: frames to descriptors and back, without a system call.
//
//	           Pool.Fill                    Pool.Sent
//	free ───────────────▶ Fill    stack ─────────────▶ TX
//	  ▲                    │        ▲                   │
//	  │ Free               │ kernel │ Release           │ kernel
//	  │                    ▼        │                   ▼
//	stack ◀────────────── RX      stack ◀────────── Completion
//	        Pool.Received                 Pool.Reaped
//
// # Nouns
//
//   - Rings: the four rings of one socket.
//   - Port: Receive, Transmit, TxRoom, Reap, Refill, Ready, Pending, InFill, InTx
//     and the counters of engine.Port. Package afxdp embeds it, and adds the socket
//     and its system calls; tests put package ringtest behind it.
//
// # What the kernel says is input
//
// A descriptor that makes no sense (outside the region, past its chunk, a frame
// that is not with the kernel) is counted and skipped. The counts of InFill and
// InTx are the rings' own, so the ledger shows such a descriptor as well: an
// address was announced that the books do not have in that place.
//
// # What it does not do
//
// No system call, so no Kick, no descriptor, no Close. No packets of several
// chunks: the socket is bound without XDP_USE_SG, so a descriptor that
// promises more to come (PktContd) is not taken for a packet, and a chain of
// frames is refused by Transmit.
//
// # Speed
//
// Descriptors are moved between ring and stack in batches of Batch, through a
// scratch that stays in the first-level cache; the loops that touch a frame's
// metadata are package umem's and make no call per frame. Shared memory is
// touched once a batch and ring. testdata/instructions.golden holds the
// instructions per packet of rxdrop and l2fwd, with a whole turn of a worker and the faked
// kernel in them.
//
// Read first: package rings, and the verbs of umem.Pool.
package ringport
