package proxy

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/mem"
	"github.com/xdpstack/xdpstack/umem"
)

// tapped is an end of a cable that shows what crosses it, and loses some of it.
type tapped struct {
	*mem.Device
	taps []*tap
}

func newTapped(d *mem.Device) *tapped {
	t := &tapped{Device: d}
	for i, p := range d.Ports() {
		t.taps = append(t.taps, &tap{Port: p, pool: d.Pool(i)})
	}
	return t
}

// Ports implements xdpstack.Device.
func (d *tapped) Ports() []engine.Port {
	out := make([]engine.Port, len(d.taps))
	for i, p := range d.taps {
		out[i] = p
	}
	return out
}

// tap is a port that is watched.
type tap struct {
	engine.Port
	pool *umem.Pool

	mu    sync.Mutex
	loss  float64 // of received packets that lossy picks
	rng   *rand.Rand
	lossy func(s *segment) bool
	see   func(s *segment, sent bool)
	lost  int
}

// watch sets what is called for each TCP packet.
func (p *tap) watch(see func(s *segment, sent bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.see = see
}

// lose sets which received packets may be lost, and how many of them are.
func (p *tap) lose(seed uint64, share float64, of func(s *segment) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rng, p.loss, p.lossy = rand.New(rand.NewPCG(seed, 0)), share, of
}

// Receive implements engine.Port.
func (p *tap) Receive(now umem.Time, out []*umem.Frame) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.see == nil && p.lossy == nil {
		return p.Port.Receive(now, out)
	}
	n := 0
	for _, f := range out[:p.Port.Receive(now, out)] {
		s, ok := parse(f)
		if ok && p.lossy != nil && p.lossy(&s) && p.rng.Float64() < p.loss {
			p.lost++
			p.pool.Free(f)
			continue
		}
		if ok && p.see != nil {
			p.see(&s, false)
		}
		out[n] = f
		n++
	}
	return n
}

// Transmit implements engine.Port.
func (p *tap) Transmit(frames []*umem.Frame) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	var segs []segment
	if p.see != nil {
		for _, f := range frames {
			if s, ok := parse(f); ok {
				segs = append(segs, s)
			}
		}
	}
	n := p.Port.Transmit(frames)
	for i := range segs[:min(n, len(segs))] {
		p.see(&segs[i], true)
	}
	return n
}

// segment is what a test wants to know of a TCP packet.
type segment struct {
	v6       bool
	src, dst uint16
	seq      uint32
	flags    byte
	window   uint16
	payload  int
	chunk    uint32 // the frame's number in its region
}

// Offsets and types of headers without options of IP, tags or extensions: there are
// none here.
const (
	ethernet = 14
	ipv4     = 20
	ipv6     = 40
	protoTCP = 6
	flagSYN  = 2
)

func parse(f *umem.Frame) (s segment, ok bool) {
	b := f.Bytes()
	if len(b) < ethernet+ipv4+20 || f.Next() != nil {
		return s, false
	}
	var total int
	switch binary.BigEndian.Uint16(b[12:]) {
	case 0x0800:
		total = int(binary.BigEndian.Uint16(b[ethernet+2:])) - ipv4
		ok = b[ethernet+9] == protoTCP
		b = b[ethernet+ipv4:]
	case 0x86dd:
		total = int(binary.BigEndian.Uint16(b[ethernet+4:]))
		ok = b[ethernet+6] == protoTCP && len(b) >= ethernet+ipv6+20
		b = b[min(ethernet+ipv6, len(b)):]
		s.v6 = true
	}
	if !ok {
		return s, false
	}
	s.src, s.dst = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	s.seq, s.flags, s.window = binary.BigEndian.Uint32(b[4:]), b[13], binary.BigEndian.Uint16(b[14:])
	s.payload = total - int(b[12]>>4)*4
	s.chunk = f.Index()
	return s, true
}
