package engine

import "github.com/xdpstack/xdpstack/umem"

// Program is what runs on a worker between receiving and sending: a TCP/IP
// stack, or a loop of three lines for a benchmark. The engine knows no protocol.
// All methods are called by the worker's goroutine.
type Program interface {
	// Input takes frames that arrived, ownership included.
	Input(now umem.Time, frames []*umem.Frame)

	// Output fills out with frames to send and returns how many. Each is in place
	// stack with a HoldTx; Frame.Port says where it goes: a device of the worker
	// by its index, or another worker (umem.PortWorker + n; then without HoldTx:
	// the frame is given away).
	Output(now umem.Time, out []*umem.Frame) int

	// Completed says that the device let go of frames; the program releases
	// their HoldTx.
	Completed(now umem.Time, frames []*umem.Frame)

	// Expire runs timers that are due, at most budget of them.
	Expire(now umem.Time, budget int)

	// Deadline is when Expire has something to do next; umem.Never when nothing is set.
	Deadline() umem.Time

	// Events runs what the batch caused in the application: handlers, wake-ups.
	// It is called after the batch, and returns how much it did.
	Events(now umem.Time) int

	// Mail delivers a node that a goroutine posted with Worker.Post.
	Mail(now umem.Time, n *Node)

	// Note delivers what the program of another worker sent with Worker.Note.
	Note(now umem.Time, from int, n *Note)

	// Holders adds what the program holds to h, for the ledger. Of HoldTx that
	// is what it has not given to Output yet: from there to Completed the worker
	// counts.
	Holders(h *umem.Holders)
}

// Ender is a Program that makes packets of its own accord. End is called once, when the worker
// was told to stop: from then on Output gives what is queued already and comes to an end.
type Ender interface{ End() }

// Note is a small message between the programs of two workers: plain bytes,
// copied through a ring, with no pointer for the collector to see. Kind and
// layout are the programs' own.
type Note struct {
	Kind uint8
	Data [63]byte
}
