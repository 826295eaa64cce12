// Package umem holds a host's packet memory: chunks that the kernel and the
// stack pass to and fro, each with the metadata that makes it our sk_buff.
//
//	Region   one piece of memory, cut into chunks of one size
//	  chunk  │ headroom │ data …          │ tailroom │
//	         head       data              tail       end
//	Frame    a chunk's metadata: 64 bytes beside the packet memory
//	Pool     one worker's run of a Region: its free frames, its floors,
//	         and the counters that its Ledger compares with the holders'
//
// # One place, counted holds
//
// A frame's [Place] is where its address is towards the kernel. Its holds say
// who else needs it. Only the verbs below move it, and each checks the move:
//
//	          Pool.Get                    Frame.ToTx
//	┌──────┐ ─────────────▶ ┌─────────┐ ─────────────▶ ┌────┐
//	│ free │                │  stack  │                │ tx │
//	└──────┘ ◀───────────── └─────────┘ ◀───────────── └────┘
//	   │       last hold         ▲        Region.Reaped
//	   │       released          │
//	   │ Pool.ToFill          Region.Received
//	   ▼                         │
//	┌──────┐   the kernel     ┌────┐
//	│ fill │ ───────────────▶ │ rx │
//	└──────┘                  └────┘
//
// The step from fill to rx is the kernel's: nobody tells us, so the ledger
// counts both as one and the rings say how many lie where.
//
// A frame goes back to its pool when it is in place stack and its last hold is
// released. A frame that a turn of the loop leaves in place stack without a
// hold is lost; [Pool.Audit] finds it.
//
// # What is not here
//
// No memory is mapped here (package engine does), nothing is locked, and no
// frame is used by two workers at a time: a frame lent to another worker
// (Lend, Borrow) travels through a ring whose barriers order the accesses, and
// comes home the same way.
//
// Chunks are aligned: a power of two from 2 KiB to 32 KiB. A frame keeps no Go
// pointer, so the garbage collector never walks a slab of them; links are
// 32-bit indices, and a handle is a *Frame into the slab.
//
// Read first: the kernel's Documentation/networking/af_xdp.rst (UMEM, rings)
// and include/linux/skbuff.h, whose verbs these are.
package umem
