package mem

import (
	"fmt"
	"sync/atomic"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/spsc"
	"github.com/xdpstack/xdpstack/umem"
)

// batch is how many packets cross the wire at a time.
const batch = 64

// refillAt is how many frames the fill ring lacks before it is filled: a push costs the same for one as for many.
const refillAt = 16

// DefaultSlots is the size of a port's rings unless Config says it.
const DefaultSlots = 1024

// Config says how a pair is made.
type Config struct {
	// Slots is how many frames each end can have on its fill ring, and how many sent and not
	// reaped: a power of two, DefaultSlots when 0.
	Slots int
	// NumberA and NumberB are the ports' numbers on their workers: Frame.In.
	NumberA, NumberB uint8
}

// Port is one end of a pair. Each end is used by one goroutine at a time.
type Port struct {
	pool   *umem.Pool
	in     uint8
	peer   *Port
	arrive func() // called by the peer's goroutine

	fill *spsc.Ring[uint64]      // addresses: from us to the peer
	rx   *spsc.Ring[umem.Extent] // packets: from the peer to us

	inFill int
	sent   []uint64 // addresses of frames sent and not reaped, a ring
	first  int
	nsent  int

	theirs [batch]uint64 // addresses that the peer gave: the first have are not used
	have   int

	unsaid bool // the peer has packets that it was not told of
	stats  engine.PortStats

	missed  atomic.Uint64 // packets for us when our fill ring was empty
	tooLong atomic.Uint64 // packets for us that no chunk of ours takes

	addrs   [batch]uint64
	extents [batch]umem.Extent
}

// Pair makes two ports that are joined. Their pools may share a region or not.
func Pair(a, b *umem.Pool, cfg Config) (*Port, *Port, error) {
	if cfg.Slots == 0 {
		cfg.Slots = DefaultSlots
	}
	pa, err := newPort(a, cfg.NumberA, cfg.Slots)
	if err != nil {
		return nil, nil, err
	}
	pb, err := newPort(b, cfg.NumberB, cfg.Slots)
	if err != nil {
		return nil, nil, err
	}
	pa.peer, pb.peer = pb, pa
	return pa, pb, nil
}

func newPort(pool *umem.Pool, in uint8, slots int) (*Port, error) {
	fill, err := spsc.New[uint64](slots)
	if err != nil {
		return nil, fmt.Errorf("mem: Config.Slots: %w", err)
	}
	rx, err := spsc.New[umem.Extent](slots)
	if err != nil {
		return nil, fmt.Errorf("mem: Config.Slots: %w", err)
	}
	return &Port{pool: pool, in: in, fill: fill, rx: rx, sent: make([]uint64, slots)}, nil
}

// OnArrival sets what is called when packets have come for p: its worker's Wake. The
// peer's goroutine calls it, in Kick. It must be set before either end is used.
func (p *Port) OnArrival(f func()) { p.arrive = f }

// Receive takes packets that the peer sent: see engine.Port.
func (p *Port) Receive(now umem.Time, out []*umem.Frame) int {
	total := 0
	for total < len(out) {
		n := p.rx.Pop(p.extents[:min(len(out)-total, batch)])
		if n == 0 {
			break
		}
		_, bytes := p.pool.Received(now, p.in, p.extents[:n], out[total:])
		p.stats.RxBytes += bytes
		total += n
	}
	if total > 0 {
		p.inFill -= total
		p.stats.RxBatches++
		p.stats.RxPackets += uint64(total)
	}
	return total
}

// TxRoom is how many frames more can be sent before some are reaped.
func (p *Port) TxRoom() int { return len(p.sent) - p.nsent }

// Transmit copies packets to the peer: see engine.Port.
func (p *Port) Transmit(frames []*umem.Frame) int {
	frames = frames[:min(len(frames), p.TxRoom())]
	for rest := frames; len(rest) > 0; {
		n := min(len(rest), batch)
		p.carry(rest[:n])
		p.complete(rest[:n])
		rest = rest[n:]
	}
	if len(frames) > 0 {
		p.unsaid = true
		p.stats.TxBatches++
		p.stats.TxPackets += uint64(len(frames))
	}
	return len(frames)
}

// carry is the wire: packets into frames that the peer has put on its fill ring.
func (p *Port) carry(frames []*umem.Frame) {
	to := p.peer
	for p.have < len(frames) { // Pop returns what it knows of, once what it knew is gone all that is there
		n := to.fill.Pop(p.theirs[p.have:]) // for the next packets, too: what a Pop costs does not depend on how many
		if n == 0 {
			break
		}
		p.have += n
	}
	mem, room := to.pool.Region().Mem(), to.pool.Region().ChunkSize()-umem.Headroom
	have, n := p.have, 0
	for i, f := range frames {
		if n == have {
			to.missed.Add(uint64(len(frames) - i))
			break
		}
		at := p.theirs[have-1-n] + umem.Headroom
		dst := mem[at : at+uint64(room)]
		size := f.Len()
		if f.Next() == nil && size <= room {
			copy(dst, f.Bytes())
		} else if size = f.CopyTo(dst); size < f.TotalLen() {
			to.tooLong.Add(1)
			continue
		}
		p.extents[n] = umem.Extent{Addr: at, Len: uint32(size)}
		n++
	}
	p.have -= n
	to.rx.PushBatch(p.extents[:n]) // as many slots as the fill ring: there is room
}

// complete notes frames that were carried, for Reap.
func (p *Port) complete(frames []*umem.Frame) {
	for len(frames) > 0 {
		n, bytes := p.pool.Sent(frames, 0, p.extents[:])
		ring, at := p.sent, p.first+p.nsent
		for i := range p.extents[:n] {
			ring[(at+i)&(len(ring)-1)] = p.extents[i].Addr
		}
		p.nsent += n
		if n < len(frames) { // a chain: its first frame stands for it
			addr, _ := frames[n].ToTx()
			p.pool.Moved(umem.PlaceStack, umem.PlaceTx, 1)
			p.sent[(at+n)&(len(p.sent)-1)] = addr
			p.nsent++
			bytes += uint64(frames[n].TotalLen())
			n++
		}
		p.stats.TxBytes += bytes
		frames = frames[n:]
	}
}

// Reap returns frames that were sent: see engine.Port.
func (p *Port) Reap(out []*umem.Frame) int {
	total := 0
	for total < len(out) && p.nsent > 0 {
		n := min(len(out)-total, p.nsent, len(p.sent)-p.first)
		total += p.pool.Reaped(p.sent[p.first:p.first+n], out[total:])
		p.first = (p.first + n) & (len(p.sent) - 1)
		p.nsent -= n
	}
	return total
}

// Refill gives free frames to the wire until the fill ring is full, once a few are wanted.
func (p *Port) Refill() {
	want := p.fill.Size() - p.inFill
	if want < min(refillAt, p.fill.Size()/32) {
		return
	}
	for want > 0 {
		n := p.pool.ToFill(p.in, p.addrs[:min(want, batch)])
		if n == 0 {
			return
		}
		p.fill.PushBatch(p.addrs[:n]) // no more in it than inFill: there is room
		p.inFill += n
		want -= n
	}
}

// Kick tells the peer that packets have come.
func (p *Port) Kick() error {
	if p.unsaid {
		p.unsaid = false
		if p.peer.arrive != nil {
			p.peer.arrive()
		}
	}
	return nil
}

// Ready reports whether Receive or Reap would return something now.
func (p *Port) Ready() bool { return p.nsent > 0 || p.rx.Len() > 0 }

// Pending reports whether the peer was not told yet of what was sent.
func (p *Port) Pending() bool { return p.unsaid }

// FD is -1: there is no descriptor.
func (p *Port) FD() int { return -1 }

// InFill is how many addresses are on the fill ring, or on their way back with a packet.
func (p *Port) InFill() int { return p.inFill }

// InTx is how many frames are sent and not reaped.
func (p *Port) InTx() int { return p.nsent }

// Stats adds the port's counters to s. RxFillEmpty and RxDropped are counted by the peer.
func (p *Port) Stats(s *engine.PortStats) {
	s.Add(&p.stats)
	s.RxFillEmpty += p.missed.Load()
	s.RxDropped += p.tooLong.Load()
}

// Close returns all frames to the pool. Neither end may be in use any more.
func (p *Port) Close() error {
	var frames [batch]*umem.Frame
	for {
		n := p.Receive(0, frames[:])
		if n == 0 {
			break
		}
		p.pool.FreeBatch(frames[:n])
	}
	for n := p.Reap(frames[:]); n > 0; n = p.Reap(frames[:]) {
		p.pool.ReleaseBatch(frames[:n], umem.HoldTx)
	}
	for p.fill.Pop(p.addrs[:]) > 0 {
	}
	p.inFill, p.peer.have = 0, 0
	p.pool.Reclaim(p.in)
	return nil
}
