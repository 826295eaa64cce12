package umem

// A frame crosses to another worker through a bounded ring and comes home
// through another; the rings' barriers order the accesses. While it is away its
// owner counts it as lent, with a HoldWorker; the borrower counts what it does
// with it among its own places and holds.

// Lend takes f out of this worker's books, to be put on the ring to another
// worker. The frame must be in place stack; holds of this worker that remain on
// it stay in its books.
func (p *Pool) Lend(f *Frame) {
	if f.place != PlaceStack {
		f.misuse("Lend", int(f.place))
	}
	f.last = ActLent
	p.places[PlaceStack]--
	if f.owner != uint8(p.cfg.Worker) {
		p.borrowed--
		return
	}
	p.lent++
	f.holds += 1 << (uint(HoldWorker) * holdBits)
	p.holds[HoldWorker]++
}

// Borrow enters f, which came by ring from another worker, into this worker's
// books. A frame of our own that comes round is ours again.
func (p *Pool) Borrow(f *Frame) {
	f.last = ActBorrowed
	p.places[PlaceStack]++
	if f.owner == uint8(p.cfg.Worker) {
		p.home(f)
		return
	}
	p.borrowed++
}

func (p *Pool) home(f *Frame) {
	p.lent--
	f.holds -= 1 << (uint(HoldWorker) * holdBits)
	p.holds[HoldWorker]--
}

// borrowedPart is what part of the receive quota may be other workers' frames.
const borrowedPart = 8

// Overdrawn reports whether f is another worker's, and so many are borrowed that it should not be kept: its
// owner does not see what this worker's queues keep of its frames, and may be short of them. A copy may be.
func (p *Pool) Overdrawn(f *Frame) bool {
	return f.owner != uint8(p.cfg.Worker) && p.borrowed > p.cfg.ReceiveQuota/borrowedPart
}

// TakeAway takes up to len(out) freed frames that belong to owner, to be put on
// the ring home.
func (p *Pool) TakeAway(owner int, out []*Frame) int {
	q := &p.away[owner]
	n := min(len(out), q.Len())
	for i := range out[:n] {
		out[i] = q.Pop(p.region)
	}
	p.awayLen -= n
	p.borrowed -= n
	return n
}

// Away is how many frames wait for TakeAway.
func (p *Pool) Away() int { return p.awayLen }

// Return enters own frames that another worker freed, and frees them unless
// this worker still holds them.
func (p *Pool) Return(frames []*Frame) {
	for _, f := range frames {
		f.last = ActReturned
		p.places[PlaceStack]++
		p.home(f)
		if f.holds == 0 {
			p.Free(f)
		}
	}
}
