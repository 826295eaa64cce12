package ringport

import (
	"unsafe"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/rings"
	"github.com/xdpstack/xdpstack/umem"
)

// Batch is how many descriptors are moved at a time; a call that asks for more takes
// as many rounds as it needs.
const Batch = 64

// minPacket is the shortest packet that Transmit takes: an Ethernet header. The
// kernel never completes a descriptor without data (net/xdp/xsk_queue.h, Linux 6.18).
const minPacket = 14

// Rings are the four rings of one socket. All are needed.
type Rings struct {
	RX   *rings.RX
	TX   *rings.TX
	Fill *rings.Fill
	Comp *rings.Completion
}

// Port moves frames of a pool through the rings of a socket. It is used by one
// worker; see engine.Port for what its methods promise.
type Port struct {
	Rings

	pool    *umem.Pool
	in      uint8
	refused umem.Queue // frames that Transmit did not send; Reap returns them

	stats engine.PortStats
}

// A descriptor is an extent, field by field: this fails to compile when it is not.
var (
	_ [unsafe.Sizeof(rings.Desc{})]byte           = [unsafe.Sizeof(umem.Extent{})]byte{}
	_ [unsafe.Offsetof(rings.Desc{}.Addr)]byte    = [unsafe.Offsetof(umem.Extent{}.Addr)]byte{}
	_ [unsafe.Offsetof(rings.Desc{}.Len)]byte     = [unsafe.Offsetof(umem.Extent{}.Len)]byte{}
	_ [unsafe.Offsetof(rings.Desc{}.Options)]byte = [unsafe.Offsetof(umem.Extent{}.Options)]byte{}
)

// extents are descriptors as package umem sees them.
func extents(run []rings.Desc) []umem.Extent {
	return unsafe.Slice((*umem.Extent)(unsafe.Pointer(unsafe.SliceData(run))), len(run))
}

// New returns a port that moves the frames of pool through r, as device in of its worker.
func New(r Rings, pool *umem.Pool, in uint8) *Port {
	return &Port{Rings: r, pool: pool, in: in, refused: umem.NewQueue()}
}

// Pool is the pool whose frames the port moves.
func (p *Port) Pool() *umem.Pool { return p.pool }

// Receive takes packets from the RX ring: see engine.Port.
func (p *Port) Receive(now umem.Time, out []*umem.Frame) int {
	total := 0
	for total < len(out) {
		n := p.RX.Peek(uint32(min(len(out)-total, Batch)))
		if n == 0 {
			break
		}
		total += p.take(n, now, out[total:])
		p.RX.Release(n)
		if n < Batch {
			break
		}
	}
	if total > 0 {
		p.stats.RxBatches++
	}
	return total
}

// take turns the n descriptors peeked into frames.
func (p *Port) take(n uint32, now umem.Time, out []*umem.Frame) int {
	total := 0
	for i := uint32(0); i < n; {
		run := p.RX.Run(i, n)
		got, bytes := p.pool.Received(now, p.in, extents(run), out[total:])
		i += uint32(len(run))
		total += got
		p.stats.RxBytes += bytes
	}
	p.stats.RxPackets += uint64(total)
	p.stats.RxInvalid += uint64(int(n) - total)
	return total
}

// TxRoom is what TX and completion rings can take on top of all that is with the
// kernel: it reserves a slot of the completion ring before it takes a packet
// (net/xdp/xsk.c, Linux 6.18), so slots of TX beyond that would only wait. Our own
// counts say it, without a look at shared memory; Reap moves them.
func (p *Port) TxRoom() int {
	return max(int(min(p.TX.Size(), p.Comp.Size()))-p.InTx(), 0)
}

// Transmit puts packets on the TX ring: see engine.Port. A frame that cannot be
// sent, too short or of a chain, is taken, counted as TxRefused, and comes back by Reap.
func (p *Port) Transmit(frames []*umem.Frame) int {
	frames = frames[:min(len(frames), p.TxRoom())]
	total := 0
	for total < len(frames) {
		n := int(p.TX.Reserve(uint32(min(len(frames)-total, Batch))))
		if n == 0 {
			break
		}
		p.put(frames[total : total+n])
		total += n
	}
	if total > 0 {
		p.stats.TxBatches++
	}
	return total
}

// put writes frames to the slots reserved and publishes them, but for those refused.
func (p *Port) put(frames []*umem.Frame) {
	used := uint32(0)
	for len(frames) > 0 {
		run := p.TX.Run(used, used+uint32(len(frames)))
		n, bytes := p.pool.Sent(frames[:len(run)], minPacket, extents(run))
		used += uint32(n)
		p.stats.TxBytes += bytes
		if n < len(run) {
			p.refuse(frames[n])
			n++
		}
		frames = frames[n:]
	}
	p.TX.Submit(used)
	p.stats.TxPackets += uint64(used)
}

// refuse takes a frame that no descriptor can say: it counts as with the device, and
// is complete at once.
func (p *Port) refuse(f *umem.Frame) {
	f.ToTx()
	p.pool.Moved(umem.PlaceStack, umem.PlaceTx, 1)
	p.refused.Push(f)
	p.stats.TxRefused++
}

// Reap takes frames back from the completion ring: see engine.Port.
func (p *Port) Reap(out []*umem.Frame) int {
	total := 0
	for total < len(out) && p.refused.Len() > 0 {
		f := p.refused.Pop(p.pool.Region())
		total += p.pool.Reaped([]uint64{f.Addr()}, out[total:])
	}
	for total < len(out) {
		n := p.Comp.Peek(uint32(min(len(out)-total, Batch)))
		if n == 0 {
			break
		}
		total += p.back(n, out[total:])
		p.Comp.Release(n)
		if n < Batch {
			break
		}
	}
	return total
}

// back turns the n addresses peeked into frames.
func (p *Port) back(n uint32, out []*umem.Frame) int {
	total := 0
	for i := uint32(0); i < n; {
		run := p.Comp.Run(i, n)
		total += p.pool.Reaped(run, out[total:])
		i += uint32(len(run))
	}
	p.stats.TxInvalid += uint64(int(n) - total)
	return total
}

// Refill keeps as many addresses with the kernel as the fill ring has slots, or as
// the pool has frames for. It asks our own counts, not the shared memory: what
// came back by RX has left the fill ring before.
func (p *Port) Refill() {
	want := int(p.Fill.Size()) - p.InFill()
	if want <= 0 {
		return
	}
	n := p.Fill.Reserve(uint32(want))
	given := uint32(0)
	for given < n {
		run := p.Fill.Run(given, n)
		moved := p.pool.ToFill(p.in, run)
		given += uint32(moved)
		if moved < len(run) {
			break
		}
	}
	p.Fill.Submit(given)
}

// Ready reports whether Receive or Reap would return something now.
func (p *Port) Ready() bool {
	return p.refused.Len() > 0 || p.RX.Available() > 0 || p.Comp.Available() > 0
}

// Pending reports whether packets wait in the TX ring for the kernel to take them.
func (p *Port) Pending() bool { return p.TX.Pending() > 0 }

// InFill is how many addresses were given to the fill ring and not taken from the RX ring.
func (p *Port) InFill() int { return int(p.Fill.Produced() - p.RX.Consumed()) }

// InTx is how many addresses were given to the TX ring and not taken from the
// completion ring, and the frames refused.
func (p *Port) InTx() int { return p.refused.Len() + int(p.TX.Produced()-p.Comp.Consumed()) }

// Stats adds the port's counters to s.
func (p *Port) Stats(s *engine.PortStats) { s.Add(&p.stats) }
