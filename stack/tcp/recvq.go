package tcp

import (
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// RecvQueue is what a connection has received and nobody has taken: frames whose
// data is the payload, in order, and frames beyond a gap, ordered by their sequence
// number, which is in Frame.Hash, without overlaps. Each has a HoldReceive. Init comes first.
//
//	order: [frame][frame][frame]│nxt      out of order:   [frame]   [frame][frame]
//	                     └ small payloads are appended to the last frame's tailroom
type RecvQueue struct {
	order, ooo umem.Queue
	octets     uint32 // in order
	oooOctets  uint32
	perFrame   uint32 // payload octets per frame, a moving average, in eighths
	quarter    uint16 // of a chunk: what is called small
	hasFin     bool
	kept       uint8 // frames that were taken and are not done with, as far as it matters to MayKeep: see Keeps
	fin        Seq   // of the peer's FIN
}

// Arrival says what became of a segment.
type Arrival uint8

// The arrivals.
const (
	Duplicate  Arrival = iota // nothing new in the window: dropped
	InOrder                   // nxt advanced
	OutOfOrder                // kept until the gap before it is filled
	NoRoom                    // dropped: too many frames
)

// Verdict is Insert's answer, written where the caller wants it: returned, it would be read again before it has
// reached the cache.
type Verdict struct {
	Nxt      Seq     // what is expected next; beyond the FIN when Fin is set
	Octets   int     // newly in order
	Arrival  Arrival // of this segment
	Fin      bool    // the peer's FIN is next in order: all before it is here
	Appended bool    // copied behind an earlier payload: no frame more
	Filled   bool    // a gap was filled, wholly or in part: the ACK is not to wait (RFC 5681, section 4.2)
	Pruned   bool    // a frame that was out of order had to go for it
}

// Init empties the queue; chunk is the size of the pool's chunks. It forgets what was in
// it: see Flush.
func (q *RecvQueue) Init(chunk int) {
	*q = RecvQueue{order: umem.NewQueue(), ooo: umem.NewQueue(), quarter: uint16(chunk / 4)}
	q.perFrame = uint32(q.quarter) * 8
}

// Octets is how many octets wait in order.
func (q *RecvQueue) Octets() int { return int(q.octets) }

// Frames is how many frames are in the queue, those out of order included.
func (q *RecvQueue) Frames() int { return q.order.Len() + q.ooo.Len() }

// Keeps says how many frames were taken and are not done with: they count for what the queue may grow to, so that
// an application that holds on to frames does not take those of others.
func (q *RecvQueue) Keeps(frames int) { q.kept = uint8(min(frames, 255)) }

// Holes is how many frames are out of order, OutOfOrderOctets how many octets are in them.
func (q *RecvQueue) Holes() int { return q.ooo.Len() }

// OutOfOrderOctets: see Holes.
func (q *RecvQueue) OutOfOrderOctets() int { return int(q.oooOctets) }

// PerFrame is how many octets of payload a frame of this connection takes, as measured; at
// least a quarter of a chunk, since smaller payloads share frames when they have to
// wait. The window that frames can carry is their number times this.
func (q *RecvQueue) PerFrame() int { return max(int(q.perFrame/8), int(q.quarter)) }

// Insert takes a segment: f, alone in its packet, whose data is the payload, with the payload's
// sum where that is known, and which belongs to the caller, has no HoldReceive, and is taken over in any case.
// What is before nxt, beyond edge (the end of the window), there already or behind
// a FIN is cut off. most bounds the frames that are out of order. A segment without payload may carry a FIN.
func (q *RecvQueue) Insert(p *umem.Pool, f *umem.Frame, seq Seq, fin bool, nxt, edge Seq, most int, v *Verdict) {
	*v = Verdict{Nxt: nxt}
	if fin {
		q.learnFin(seq.Add(f.Len()), nxt, edge)
	}
	if q.hasFin && q.fin.Before(edge) {
		edge = q.fin
	}
	seq = clip(f, seq, nxt, edge)
	switch {
	case f.Len() == 0:
		drop(p, f)
	case seq == nxt:
		q.accept(p, f, v)
	default:
		q.keep(p, f, seq, most, v)
	}
	if q.hasFin && v.Nxt == q.fin {
		v.Fin = true
		v.Nxt = v.Nxt.Add(1)
		q.flush(p, &q.ooo)
		q.oooOctets = 0
	}
}

// learnFin notes where the peer's stream ends. The first that makes sense counts.
func (q *RecvQueue) learnFin(fin, nxt, edge Seq) {
	if !q.hasFin && fin.AtLeast(nxt) && fin.AtMost(edge) {
		q.hasFin, q.fin = true, fin
	}
}

// clip cuts f, from seq on, down to what is from nxt up to edge, and returns where
// it begins now. Nothing may be left.
func clip(f *umem.Frame, seq, nxt, edge Seq) Seq {
	if over := seq.Add(f.Len()).Sub(edge); over > 0 {
		cutBack(f, min(over, f.Len()))
	}
	if early := nxt.Sub(seq); early > 0 {
		early = min(early, f.Len())
		cutFront(f, early)
		seq = seq.Add(early)
	}
	return seq
}

func cutFront(f *umem.Frame, n int) {
	f.Pull(n)
	f.Flags &^= umem.FlagSum
}

func cutBack(f *umem.Frame, n int) {
	f.Trim(f.Len() - n)
	f.Flags &^= umem.FlagSum
}

// drop ends with a frame that the queue does not take: its last holder frees it.
func drop(p *umem.Pool, f *umem.Frame) {
	p.Hold(f, umem.HoldReceive)
	p.Release(f, umem.HoldReceive)
}

// own is f's payload in a frame of this worker's, and f is let go of; or f, when there is none.
func own(p *umem.Pool, f *umem.Frame) *umem.Frame {
	g := p.Get(umem.ClassReceive)
	if g == nil {
		return f
	}
	if g.Tailroom() < f.Len() {
		p.Free(g)
		return f
	}
	copy(g.Put(f.Len()), f.Bytes())
	g.RxTime, g.Sum, g.In = f.RxTime, f.Sum, f.In
	g.Flags |= f.Flags & umem.FlagSum
	drop(p, f)
	return g
}

// accept takes what comes next in order, and then what had waited for it.
func (q *RecvQueue) accept(p *umem.Pool, f *umem.Frame, v *Verdict) {
	small := q.small(f, q.order.Last(p.Region()))
	if !small && !p.MayKeep(q.Frames()+int(q.kept)) {
		if q.ooo.Len() == 0 {
			drop(p, f)
			v.Arrival = NoRoom
			return
		}
		q.prune(p, nil)
		v.Pruned = true
	}
	v.Arrival, v.Appended = InOrder, small
	if !small && p.Overdrawn(f) {
		f = own(p, f)
	}
	p.Hold(f, umem.HoldReceive)
	q.push(p, f, v)
	if q.ooo.Len() > 0 {
		v.Filled = true
		q.catchUp(p, v)
	}
}

// push puts a held frame at the end of what is in order.
func (q *RecvQueue) push(p *umem.Pool, f *umem.Frame, v *Verdict) {
	n := f.Len()
	v.Nxt = v.Nxt.Add(n)
	v.Octets += n
	q.octets += uint32(n)
	last := q.order.Last(p.Region())
	if q.small(f, last) {
		join(p, last, f)
		return
	}
	if last != nil {
		n = last.Len()
	}
	q.perFrame += uint32(n) - q.perFrame/8
	q.order.Push(f)
}

// small reports whether f's payload is to go behind last's, in its frame: what is small does not
// get a frame of its own as long as there is another. A frame that someone else sees, too, is left
// alone.
func (q *RecvQueue) small(f, last *umem.Frame) bool {
	return last != nil && f.Len() <= int(q.quarter) && f.Len() <= last.Tailroom() &&
		!last.Held(umem.HoldRetransmit) && !last.Held(umem.HoldTx) && !last.Held(umem.HoldApp)
}

// join copies a held frame's payload behind last's and lets go of the frame.
func join(p *umem.Pool, last, f *umem.Frame) {
	n := last.Len()
	copy(last.Put(f.Len()), f.Bytes())
	if last.Flags&f.Flags&umem.FlagSum != 0 {
		last.Sum = checksum.Fold(checksum.Combine(uint32(last.Sum), uint32(f.Sum), n))
	} else {
		last.Flags &^= umem.FlagSum
	}
	p.Release(f, umem.HoldReceive)
}

// catchUp moves frames that were out of order and are so no longer.
func (q *RecvQueue) catchUp(p *umem.Pool, v *Verdict) {
	r := p.Region()
	for f := q.ooo.Peek(r); f != nil && Seq(f.Hash).AtMost(v.Nxt); f = q.ooo.Peek(r) {
		q.ooo.Pop(r)
		q.oooOctets -= uint32(f.Len())
		early := v.Nxt.Sub(Seq(f.Hash))
		if early >= f.Len() {
			p.Release(f, umem.HoldReceive)
			continue
		}
		if early > 0 {
			cutFront(f, early)
		}
		q.push(p, f, v)
	}
}

// keep takes a segment beyond a gap.
func (q *RecvQueue) keep(p *umem.Pool, f *umem.Frame, seq Seq, most int, v *Verdict) {
	prev := q.before(p, seq)
	if prev != nil {
		if covered := oooEnd(prev).Sub(seq); covered > 0 {
			covered = min(covered, f.Len())
			cutFront(f, covered)
			seq = seq.Add(covered)
		}
	}
	if f.Len() == 0 {
		drop(p, f)
		return
	}
	q.cover(p, prev, f, seq)
	if q.glue(p, prev, f, seq) {
		v.Arrival, v.Appended = OutOfOrder, true
		return
	}
	if q.ooo.Len() >= most || !p.MayKeep(q.Frames()+int(q.kept)) {
		if !q.prune(p, prev) {
			drop(p, f)
			v.Arrival = NoRoom
			return
		}
		v.Pruned = true
	}
	v.Arrival = OutOfOrder
	if p.Overdrawn(f) {
		f = own(p, f)
	}
	f.Hash = uint32(seq)
	p.Hold(f, umem.HoldReceive)
	q.oooOctets += uint32(f.Len())
	q.ooo.Insert(prev, f)
}

// oooEnd is the number after a frame that is out of order.
func oooEnd(f *umem.Frame) Seq { return Seq(f.Hash).Add(f.Len()) }

// before is the last frame that begins at or before seq, or nil. Segments mostly
// come after all others.
func (q *RecvQueue) before(p *umem.Pool, seq Seq) (prev *umem.Frame) {
	r := p.Region()
	if last := q.ooo.Last(r); last == nil || Seq(last.Hash).AtMost(seq) {
		return last
	}
	for f := q.ooo.Peek(r); f != nil && Seq(f.Hash).AtMost(seq); f = q.ooo.Next(r, f) {
		prev = f
	}
	return prev
}

// cover drops the frames after prev that f covers, and cuts off f's end when that
// is covered by a frame that reaches further.
func (q *RecvQueue) cover(p *umem.Pool, prev, f *umem.Frame, seq Seq) {
	r := p.Region()
	for next := q.ooo.Next(r, prev); next != nil; next = q.ooo.Next(r, prev) {
		over := seq.Add(f.Len()).Sub(Seq(next.Hash))
		if over <= 0 {
			return
		}
		if over < next.Len() {
			cutBack(f, over)
			return
		}
		q.ooo.Remove(r, prev)
		q.oooOctets -= uint32(next.Len())
		p.Release(next, umem.HoldReceive)
	}
}

// glue copies a small payload that follows prev without a gap behind prev's.
func (q *RecvQueue) glue(p *umem.Pool, prev, f *umem.Frame, seq Seq) bool {
	if prev == nil || oooEnd(prev) != seq || !q.small(f, prev) {
		return false
	}
	p.Hold(f, umem.HoldReceive)
	q.oooOctets += uint32(f.Len())
	join(p, prev, f)
	return true
}

// prune drops the frame that is furthest out of order, when it is after prev: it
// will be needed last. It reports whether it did.
func (q *RecvQueue) prune(p *umem.Pool, prev *umem.Frame) bool {
	r := p.Region()
	last := q.ooo.Last(r)
	if last == nil || last == prev {
		return false
	}
	for f := q.ooo.Next(r, prev); f != last; f = q.ooo.Next(r, f) {
		prev = f
	}
	q.ooo.Remove(r, prev)
	q.oooOctets -= uint32(last.Len())
	p.Release(last, umem.HoldReceive)
	return true
}

// Take fills out with frames in order and lends them to the application: their hold
// is a HoldApp now. It returns how many, and their octets.
func (q *RecvQueue) Take(p *umem.Pool, out []*umem.Frame) (n, octets int) {
	r := p.Region()
	for n < len(out) {
		f := q.order.Pop(r)
		if f == nil {
			break
		}
		p.Pass(f, umem.HoldReceive, umem.HoldApp)
		octets += f.Len()
		out[n] = f
		n++
	}
	q.octets -= uint32(octets)
	return n, octets
}

// Read copies octets in order to dst, lets go of frames that are read to their end,
// and returns how many octets. With peek they stay.
func (q *RecvQueue) Read(p *umem.Pool, dst []byte, peek bool) int {
	if peek {
		return q.look(p, dst)
	}
	r := p.Region()
	n := 0
	for n < len(dst) {
		f := q.order.Peek(r)
		if f == nil {
			break
		}
		c := copy(dst[n:], f.Bytes())
		n += c
		if c < f.Len() {
			cutFront(f, c)
			break
		}
		q.order.Pop(r)
		p.Release(f, umem.HoldReceive)
	}
	q.octets -= uint32(n)
	return n
}

func (q *RecvQueue) look(p *umem.Pool, dst []byte) int {
	r := p.Region()
	n := 0
	for f := q.order.Peek(r); f != nil && n < len(dst); f = q.order.Next(r, f) {
		n += copy(dst[n:], f.Bytes())
	}
	return n
}

// Flush lets go of everything, for a connection that ends.
func (q *RecvQueue) Flush(p *umem.Pool) {
	q.flush(p, &q.order)
	q.flush(p, &q.ooo)
	q.octets, q.oooOctets = 0, 0
}

func (q *RecvQueue) flush(p *umem.Pool, queue *umem.Queue) {
	for f := queue.Pop(p.Region()); f != nil; f = queue.Pop(p.Region()) {
		p.Release(f, umem.HoldReceive)
	}
}
