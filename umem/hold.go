package umem

// Place is where a frame's address is towards the kernel.
type Place uint8

// The places. Fill covers the RX ring too: the kernel moves a frame from one
// to the other without telling, and Region.Received sees it next.
const (
	PlaceFree Place = iota
	PlaceFill
	PlaceStack
	PlaceTx
	numPlaces
)

// Hold is a reason for which a frame must not return to its pool.
type Hold uint8

// The holds. Each is counted: an application may retain one frame many times.
const (
	HoldTx         Hold = iota // in the qdisc, the TX ring, or awaiting its neighbour's address
	HoldRetransmit             // sent, and not acknowledged yet
	HoldReceive                // in a socket's receive queue
	HoldApp                    // borrowed by the application
	HoldWorker                 // lent to another worker
	NumHolds
)

// holdBits is the width of one counter in Frame.holds: 4,095 holds of a kind,
// more than a chunk has payloads.
const holdBits = 12

const (
	holdMask   = uint64(1)<<holdBits - 1
	workerHold = holdMask << (uint(HoldWorker) * holdBits)
)

var placeNames = [numPlaces]string{"free", "fill", "stack", "tx"}

// String is the place's name as the ledger prints it.
func (p Place) String() string { return nameOf(placeNames[:], int(p)) }

var holdNames = [NumHolds]string{"tx", "retransmit", "receive", "application", "worker"}

// String is the hold's name as the ledger prints it.
func (h Hold) String() string { return nameOf(holdNames[:], int(h)) }

// Act is what was last done to a frame; a mismatch of the ledger names it.
type Act uint8

// The acts.
const (
	ActNone Act = iota
	ActFreed
	ActFilled
	ActReceived
	ActGot
	ActSent
	ActReaped
	ActLent
	ActBorrowed
	ActReturned
	ActHeld                               // + Hold
	ActReleased = ActHeld + Act(NumHolds) // + Hold
	numActs     = ActReleased + Act(NumHolds)
)

var actNames = [...]string{
	"never used", "freed", "put on the fill ring", "received", "taken from the pool", "put on the TX ring",
	"completed", "lent to another worker", "borrowed from another worker", "returned by another worker",
}

// String says in words what was done.
func (a Act) String() string {
	switch {
	case a >= ActReleased && a < numActs:
		return "released by " + Hold(a-ActReleased).String()
	case a >= ActHeld && a < ActReleased:
		return "held by " + Hold(a-ActHeld).String()
	}
	return nameOf(actNames[:], int(a))
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "unknown"
}

// Holds is how often h holds the frame.
func (f *Frame) Holds(h Hold) int {
	return int(f.holds >> (uint(h) * holdBits) & holdMask)
}

// Held reports whether h holds the frame at all.
func (f *Frame) Held(h Hold) bool { return f.Holds(h) != 0 }

// LastAct is what was done to the frame last.
func (f *Frame) LastAct() Act { return f.last }

// ToTx moves a frame from place stack to place tx and returns what the TX
// descriptor says: address and length. It must have a HoldTx, and from here to
// Region.Reaped nobody may touch its bytes. The caller counts the move with
// Pool.Moved, once a batch.
func (f *Frame) ToTx() (addr uint64, n uint32) {
	if f.place != PlaceStack || f.holds&holdMask == 0 {
		f.misuse("ToTx", int(f.place))
	}
	f.place, f.last = PlaceTx, ActSent
	return f.Addr(), uint32(f.Len())
}

// Take drops the caller's hold of kind h without freeing the frame: if that was
// the last, the frame is the caller's, who frees it, or holds it again, before
// its turn ends. The frame must be in place stack.
func (p *Pool) Take(f *Frame, h Hold) {
	if !f.Held(h) || f.place != PlaceStack {
		f.misuse("Take", int(h))
	}
	f.holds -= 1 << (uint(h) * holdBits)
	f.last = ActReleased + Act(h)
	p.holds[h]--
}

// Pass turns the caller's hold of one kind into a hold of another: a received
// datagram that the application borrows, a borrowed frame that is sent.
func (p *Pool) Pass(f *Frame, from, to Hold) {
	if !f.Held(from) {
		f.misuse("Pass", int(from))
	}
	f.holds += 1<<(uint(to)*holdBits) - 1<<(uint(from)*holdBits)
	f.last = ActHeld + Act(to)
	p.holds[from]--
	p.holds[to]++
}
