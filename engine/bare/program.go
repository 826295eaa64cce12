package bare

import (
	"encoding/binary"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/umem"
)

// base answers the methods of engine.Program that a program without timers, events and
// notes has nothing to say to.
type base struct{}

func (base) Expire(umem.Time, int)                     {}
func (base) Deadline() umem.Time                       { return umem.Never }
func (base) Events(umem.Time) int                      { return 0 }
func (base) Mail(umem.Time, *engine.Node)              {}
func (base) Note(umem.Time, int, *engine.Note)         {}
func (base) Holders(*umem.Holders)                     {}
func (base) Output(umem.Time, []*umem.Frame) int       { return 0 }
func (base) Completed(umem.Time, []*umem.Frame)        {}
func (base) Input(now umem.Time, frames []*umem.Frame) {}

// Drop frees what arrives.
type Drop struct {
	base
	pool    *umem.Pool
	Packets uint64
}

var _ engine.Program = (*Drop)(nil)

// NewDrop returns a program for the worker that has pool.
func NewDrop(pool *umem.Pool) *Drop { return &Drop{pool: pool} }

// Input frees the frames.
func (d *Drop) Input(_ umem.Time, frames []*umem.Frame) {
	d.Packets += uint64(len(frames))
	d.pool.FreeBatch(frames)
}

// Forward sends what arrives out of another port, or of the same, with the Ethernet
// addresses swapped. What it has no room to queue is dropped.
type Forward struct {
	base
	pool  *umem.Pool
	out   func(in uint8) uint8
	queue []*umem.Frame
	first int

	Packets, Drops uint64
}

var _ engine.Program = (*Forward)(nil)

// NewForward returns a program for the worker that has pool, with a queue of so many frames. out
// says by which port a frame goes that came in by in; nil: by the same.
func NewForward(pool *umem.Pool, queue int, out func(in uint8) uint8) *Forward {
	return &Forward{pool: pool, out: out, queue: make([]*umem.Frame, 0, queue)}
}

// Input queues the frames to be sent.
func (p *Forward) Input(_ umem.Time, frames []*umem.Frame) {
	n := min(len(frames), cap(p.queue)-len(p.queue))
	p.Packets += uint64(n)
	p.Drops += uint64(len(frames) - n)
	p.pool.FreeBatch(frames[n:])
	p.pool.HoldBatch(frames[:n], umem.HoldTx)
	for _, f := range frames[:n] {
		swap(f.Bytes())
		if p.out != nil {
			f.Port = p.out(f.In)
		}
	}
	p.queue = append(p.queue, frames[:n]...)
}

// swap exchanges destination and source of an Ethernet header, where there is one: twelve
// bytes, in two words.
func swap(b []byte) {
	if len(b) < 14 {
		return
	}
	h := (*[12]byte)(b)
	lo, hi := binary.LittleEndian.Uint64(h[0:8]), binary.LittleEndian.Uint32(h[8:12])
	binary.LittleEndian.PutUint64(h[0:8], lo>>48|uint64(hi)<<16|lo<<48)
	binary.LittleEndian.PutUint32(h[8:12], uint32(lo>>16))
}

// Output gives the frames that are queued.
func (p *Forward) Output(_ umem.Time, out []*umem.Frame) int {
	n := copy(out, p.queue[p.first:])
	p.first += n
	if p.first == len(p.queue) {
		p.queue, p.first = p.queue[:0], 0
	} else if p.first > cap(p.queue)/2 {
		p.queue, p.first = p.queue[:copy(p.queue, p.queue[p.first:])], 0
	}
	return n
}

// Completed releases frames that were sent.
func (p *Forward) Completed(_ umem.Time, frames []*umem.Frame) {
	p.pool.ReleaseBatch(frames, umem.HoldTx)
}

// Holders counts the queue.
func (p *Forward) Holders(h *umem.Holders) { h.Holds[umem.HoldTx] += len(p.queue) - p.first }

// Generate sends copies of a packet, as fast as the port takes them, and frees what arrives.
type Generate struct {
	base
	pool   *umem.Pool
	packet []byte
	port   uint8
	Left   uint64 // packets still to send
	Sent   uint64 // and completed
}

var (
	_ engine.Program = (*Generate)(nil)
	_ engine.Ender   = (*Generate)(nil)
)

// NewGenerate returns a program for the worker that has pool. It sends count copies of packet,
// which must fit into a chunk behind the headroom, out of port.
func NewGenerate(pool *umem.Pool, packet []byte, port uint8, count uint64) *Generate {
	return &Generate{pool: pool, packet: packet, port: port, Left: count}
}

// Input frees what arrives.
func (g *Generate) Input(_ umem.Time, frames []*umem.Frame) { g.pool.FreeBatch(frames) }

// Output makes as many packets as it is asked for, and as the pool has frames for.
func (g *Generate) Output(_ umem.Time, out []*umem.Frame) int {
	n := g.pool.GetBatch(umem.ClassSend, out[:min(uint64(len(out)), g.Left)])
	for _, f := range out[:n] {
		f.Port = g.port
		copy(f.Put(len(g.packet)), g.packet)
	}
	g.pool.HoldBatch(out[:n], umem.HoldTx)
	g.Left -= uint64(n)
	return n
}

// End implements engine.Ender: nothing more is made.
func (g *Generate) End() { g.Left = 0 }

// Completed releases frames that were sent.
func (g *Generate) Completed(_ umem.Time, frames []*umem.Frame) {
	g.Sent += uint64(len(frames))
	g.pool.ReleaseBatch(frames, umem.HoldTx)
}
