package sim

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/xdpstack/xdpstack/umem"
)

// Wire says how a link treats packets, in one direction. The zero Wire is a clean
// one without delay.
type Wire struct {
	Delay  umem.Time // that each packet takes
	Jitter umem.Time // up to so much more; order is kept
	Rate   int       // octets per second; 0: any
	Queue  int       // packets that wait for their turn at Rate; more are dropped; 0: any number
	MTU    int       // of IP; longer frames are dropped; 0: any length

	// Probabilities, per packet.
	Loss      float64
	Duplicate float64
	Reorder   float64 // of being held back up to ReorderBy, while others overtake
	Corrupt   float64 // see damage
	Truncate  float64 // of losing the end

	// Guarded says that Ethernet's own checksum is there, as far as nothing else would tell: what is damaged
	// in its header, and what is not IP, is lost.
	Guarded bool

	ReorderBy umem.Time

	// Down takes everything while it is true of the time.
	Down func(now umem.Time) bool
}

// WireStats count what a link did.
type WireStats struct {
	Packets    uint64 // that were sent into it
	Delivered  uint64 // that came out, duplicates included
	Lost       uint64
	Duplicated uint64
	Reordered  uint64 // that came out after one that was sent later
	Corrupted  uint64
	Truncated  uint64
	Full       uint64 // dropped: the queue was full
	TooLong    uint64 // dropped: longer than MTU
	Down       uint64 // dropped: the link was down
}

func (s *WireStats) add(o *WireStats) {
	s.Packets += o.Packets
	s.Delivered += o.Delivered
	s.Lost += o.Lost
	s.Duplicated += o.Duplicated
	s.Reordered += o.Reordered
	s.Corrupted += o.Corrupted
	s.Truncated += o.Truncated
	s.Full += o.Full
	s.TooLong += o.TooLong
	s.Down += o.Down
}

// packet is a frame on its way. Its octets are never changed: whoever damages it
// makes a copy.
type packet struct {
	data    []byte
	damaged bool
}

// ethernetHeader is what an MTU does not count.
const ethernetHeader = 14

// cable is one direction of a link.
type cable struct {
	net     *Net
	name    string
	wire    Wire
	to      func(packet)
	stats   WireStats
	tap     int
	free    umem.Time // when what is queued has been sent, at Rate
	waiting int
	last    umem.Time // arrival of the last packet that kept its order
	sent    uint64    // number of the last packet sent
	arrived uint64    // highest number that arrived
}

func (n *Net) newCable(name string, wire Wire, to func(packet)) *cable {
	l := &cable{net: n, name: name, wire: wire, to: to}
	if n.capture != nil {
		l.tap = n.capture.tap(name)
	}
	n.links = append(n.links, l)
	return l
}

// send puts a packet on the link. Fates are drawn in a fixed order.
func (l *cable) send(p packet) {
	r := l.net.wire
	l.stats.Packets++
	switch {
	case l.wire.Down != nil && l.wire.Down(l.net.now):
		l.stats.Down++
		l.net.saw(l, p, "dropped: link down")
	case l.wire.MTU != 0 && len(p.data) > l.wire.MTU+ethernetHeader:
		l.stats.TooLong++
		l.net.saw(l, p, "dropped: longer than the MTU")
	case l.wire.Queue != 0 && l.waiting >= l.wire.Queue:
		l.stats.Full++
		l.net.saw(l, p, "dropped: queue full")
	case chance(r, l.wire.Loss):
		l.stats.Lost++
		l.net.saw(l, p, "lost")
	default:
		l.carry(p)
		if chance(r, l.wire.Duplicate) {
			l.stats.Duplicated++
			l.net.duplicated(p.data)
			l.carry(p)
		}
	}
}

// carry draws when the packet arrives, and what is left of it by then.
func (l *cable) carry(p packet) {
	r := l.net.wire
	if !p.damaged && chance(r, l.wire.Corrupt) {
		l.stats.Corrupted++
		var at int
		p, at = damage(r, p.data)
		if l.wire.Guarded && (at < ethernetHeader || !isIP(p.data)) {
			l.net.saw(l, p, "damaged beyond recognition")
			return
		}
	}
	if !p.damaged && chance(r, l.wire.Truncate) {
		l.stats.Truncated++
		p = packet{p.data[:r.IntN(len(p.data))], true}
	}
	l.sent++
	number := l.sent
	at := l.departure(len(p.data)) + l.wire.Delay + upTo(r, l.wire.Jitter)
	if chance(r, l.wire.Reorder) {
		at += upTo(r, l.wire.ReorderBy)
	} else {
		at = max(at, l.last)
		l.last = at
	}
	l.net.At(at, func() { l.arrive(number, p) })
}

// departure is when the last octet of a packet has left, at Rate.
func (l *cable) departure(n int) umem.Time {
	now := l.net.now
	if l.wire.Rate == 0 {
		return now
	}
	l.free = max(l.free, now) + umem.Time(n)*umem.Second/umem.Time(l.wire.Rate)
	l.waiting++
	l.net.At(l.free, func() { l.waiting-- })
	return l.free
}

func (l *cable) arrive(number uint64, p packet) {
	if number < l.arrived {
		l.stats.Reordered++
	}
	l.arrived = max(l.arrived, number)
	l.stats.Delivered++
	l.net.saw(l, p, "")
	l.to(p)
}

// damage changes 1 to 15 bits of one 16-bit word, in a copy. The ones' complement
// sum catches every such change of what it covers: the word's value changes by d,
// 0 < |d| < 65535, which is not 0 modulo 65535; and headers have even lengths, so
// a word of the frame is a word of the sum. It does not cover Ethernet's header, an
// IPv6 header's first word and hop limit, and ARP: there the frame's own checks
// must do, and what is wrong about them harms no payload. A packet is damaged once:
// two changes may cancel each other. The position is returned, too.
func damage(r *rand.Rand, data []byte) (packet, int) {
	c := append([]byte(nil), data...)
	i := r.IntN(len(c)/2) * 2
	bits := uint16(1) << r.IntN(16)
	if r.IntN(2) == 0 { // a burst, not a single bit
		for bits |= uint16(r.Uint32()); bits == 0xffff; {
			bits &^= 1 << r.IntN(16)
		}
	}
	c[i] ^= byte(bits >> 8)
	c[i+1] ^= byte(bits)
	return packet{c, true}, i
}

// isIP reports whether a frame says that it carries IPv4 or IPv6.
func isIP(frame []byte) bool {
	if len(frame) < ethernetHeader+20 {
		return false
	}
	kind := binary.BigEndian.Uint16(frame[12:])
	return kind == 0x0800 || kind == 0x86dd
}

// hub is a switch that knows its ports' addresses: what it does not know goes to
// all ports but the one it came from.
type hub struct {
	ports []hubPort
}

type hubPort struct {
	mac  [6]byte
	down *cable // to the host
}

// plug joins a host to the hub by two cables.
func (n *Net) plug(h *Host) {
	port := len(n.hub.ports)
	h.up = n.newCable(h.cfg.Name+" sends", h.cfg.Up, func(p packet) { n.hub.forward(port, p) })
	down := n.newCable(h.cfg.Name+" receives", h.cfg.Down, h.receive)
	n.hub.ports = append(n.hub.ports, hubPort{mac: h.cfg.MAC, down: down})
}

// forward sends a packet that came from port on.
func (h *hub) forward(from int, p packet) {
	if len(p.data) < 6 {
		return
	}
	to := [6]byte(p.data)
	for i := range h.ports {
		if h.ports[i].mac == to {
			if i != from {
				h.ports[i].down.send(p)
			}
			return
		}
	}
	for i := range h.ports {
		if i != from {
			h.ports[i].down.send(p)
		}
	}
}
