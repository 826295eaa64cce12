package impair

import (
	"math/rand/v2"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/umem"
)

// heldMost bounds what waits in each direction; a packet beyond is not reordered.
const heldMost = 256

// linkHeader is left alone by corrupt: a device's own checksum guards it, and a
// damaged address would only lose the packet.
const linkHeader = 14

// Port is a port behind a bad wire.
type Port struct {
	engine.Port
	cfg  Config
	pool *umem.Pool
	rng  *rand.Rand
	now  umem.Time

	in   []arrival     // received, put aside
	out  []departure   // to be sent later
	lost []*umem.Frame // sent nowhere, to be reaped

	Counters
}

// Counters are what a Port did to packets, both directions together.
type Counters struct {
	Lost, Reordered, Duplicated, Corrupted uint64
}

type arrival struct {
	at    umem.Time
	from  uint8
	bytes []byte
}

type departure struct {
	at    umem.Time
	frame *umem.Frame
}

// New puts a bad wire before inner, whose frames are of pool.
func New(inner engine.Port, pool *umem.Pool, cfg Config) (*Port, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Delay == 0 {
		cfg.Delay = defaultDelay
	}
	return &Port{Port: inner, cfg: cfg, pool: pool, rng: rand.New(rand.NewPCG(cfg.Seed, 0))}, nil
}

func (p *Port) chance(share float64) bool { return share > 0 && p.rng.Float64() < share }

// Receive implements engine.Port: first what waited long enough, then what arrived.
func (p *Port) Receive(now umem.Time, out []*umem.Frame) int {
	p.now = now
	p.depart()
	n := p.arrive(out)
	got := p.Port.Receive(now, out[n:])
	arrived := out[n : n+got]
	for _, f := range arrived {
		if p.keep(f) {
			out[n] = f
			n++
		} else {
			p.pool.Free(f)
		}
	}
	return n
}

// keep decides what happens to a received packet; false: its frame is not delivered.
func (p *Port) keep(f *umem.Frame) bool {
	switch {
	case p.chance(p.cfg.Loss):
		p.Lost++
		return false
	case len(p.in) < heldMost && p.chance(p.cfg.Reorder):
		p.Reordered++
		p.aside(f, p.cfg.Delay)
		return false
	case len(p.in) < heldMost && p.chance(p.cfg.Duplicate):
		p.Duplicated++
		p.aside(f, 0)
	case p.chance(p.cfg.Corrupt):
		p.corrupt(f)
	}
	return true
}

// aside notes a copy of a received packet, to be delivered later.
func (p *Port) aside(f *umem.Frame, wait umem.Time) {
	b := make([]byte, f.TotalLen())
	f.CopyTo(b)
	p.in = append(p.in, arrival{p.now + wait, f.In, b})
}

// corrupt flips a bit of what a checksum guards; Ethernet's own would find others.
func (p *Port) corrupt(f *umem.Frame) {
	b := f.Bytes()
	if len(b) <= linkHeader {
		return
	}
	p.Corrupted++
	b[linkHeader+p.rng.IntN(len(b)-linkHeader)] ^= 1 << p.rng.IntN(8)
}

// arrive delivers packets whose time has come, in new frames. A pool that has none
// loses them, as a device without a frame does.
func (p *Port) arrive(out []*umem.Frame) int {
	n, rest := 0, p.in[:0]
	for _, a := range p.in {
		if a.at > p.now || n == len(out) {
			rest = append(rest, a)
			continue
		}
		f := p.pool.Get(umem.ClassReceive)
		if f == nil || f.Tailroom() < len(a.bytes) {
			if f != nil {
				p.pool.Free(f)
			}
			p.Lost++
			continue
		}
		copy(f.Put(len(a.bytes)), a.bytes)
		f.In, f.Port, f.RxTime = a.from, a.from, p.now
		out[n] = f
		n++
	}
	clear(p.in[len(rest):])
	p.in = rest
	return n
}

// TxRoom implements engine.Port.
func (p *Port) TxRoom() int { return max(p.Port.TxRoom()-len(p.out), 0) }

// Transmit implements engine.Port.
func (p *Port) Transmit(frames []*umem.Frame) int {
	frames = frames[:min(len(frames), p.TxRoom())]
	first := 0 // of a run to be sent as it is
	for i, f := range frames {
		lost := p.chance(p.cfg.Loss)
		if !lost && (len(p.out) == heldMost || !p.chance(p.cfg.Reorder)) {
			continue
		}
		p.pass(frames[first:i])
		first = i + 1
		f.ToTx()
		p.pool.Moved(umem.PlaceStack, umem.PlaceTx, 1)
		if lost {
			p.Lost++
			p.lost = append(p.lost, f)
			continue
		}
		p.Reordered++
		p.out = append(p.out, departure{p.now + p.cfg.Delay, f})
	}
	p.pass(frames[first:])
	return len(frames)
}

// pass sends frames; those that the device has no room for after all wait.
func (p *Port) pass(frames []*umem.Frame) {
	if len(frames) == 0 {
		return
	}
	for _, f := range frames[p.Port.Transmit(frames):] {
		f.ToTx()
		p.pool.Moved(umem.PlaceStack, umem.PlaceTx, 1)
		p.out = append(p.out, departure{p.now, f})
	}
}

// depart sends what waited long enough.
func (p *Port) depart() {
	due := p.out
	p.out = p.out[:0:0]
	for _, d := range due {
		if d.at <= p.now && p.Port.TxRoom() > 0 {
			p.back(d.frame)
			p.pass([]*umem.Frame{d.frame})
			continue
		}
		p.out = append(p.out, d)
	}
}

// back moves a frame that was never given to the device from place tx to place stack.
func (p *Port) back(f *umem.Frame) {
	p.pool.Region().Reaped(f.Addr())
	p.pool.Moved(umem.PlaceTx, umem.PlaceStack, 1)
}

// Reap implements engine.Port: what was lost is complete, as it is for a device.
func (p *Port) Reap(out []*umem.Frame) int {
	n := 0
	for ; n < min(len(out), len(p.lost)); n++ {
		out[n] = p.lost[n]
		p.back(out[n])
	}
	p.lost = append(p.lost[:0], p.lost[n:]...)
	return n + p.Port.Reap(out[n:])
}

// Ready implements engine.Port: a worker does not sleep while packets wait here.
func (p *Port) Ready() bool { return p.waits() || p.Port.Ready() }

// Pending implements engine.Port.
func (p *Port) Pending() bool { return p.waits() || p.Port.Pending() }

func (p *Port) waits() bool { return len(p.in)+len(p.out)+len(p.lost) > 0 }

// InTx implements engine.Port.
func (p *Port) InTx() int { return p.Port.InTx() + len(p.out) + len(p.lost) }

// Drop gives up what waits here, in both directions. Close does it too; whoever closes
// the device itself calls Drop before.
func (p *Port) Drop() {
	for _, d := range p.out {
		p.lost = append(p.lost, d.frame)
	}
	for _, f := range p.lost {
		p.back(f)
		p.pool.Release(f, umem.HoldTx)
	}
	p.in, p.out, p.lost = nil, nil, nil
}

// Close implements engine.Port.
func (p *Port) Close() error {
	p.Drop()
	return p.Port.Close()
}
