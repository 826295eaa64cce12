package sim

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// Spread says which queue of a host's device a packet goes to.
type Spread uint8

// The ways to spread.
const (
	ByFlow   Spread = iota // a hash of addresses and ports, as RSS has it; what is not IP goes to queue 0
	ByChance               // any queue: every other packet is on the wrong worker
	ToLast                 // all to the last queue: worker 0 hears nothing by itself
)

// HostConfig says what a host is like. A zero field takes its default.
type HostConfig struct {
	Name    string
	MAC     [6]byte        // by default 02:00:00:00:xx:99, where xx counts the hosts
	Addrs   []netip.Prefix // of its one interface
	Routes  []stack.Route
	MTU     int // 1500
	Workers int // 1
	Spread  Spread

	Frames int // of each worker's pool; 256
	Chunk  int // octets of each; 2048
	Fill   int // length of the fill ring; 64
	Tx     int // length of the TX ring; 64
	Batch  int // frames per stage and turn; 32
	Ring   int // length of the rings between workers; 64

	Limits stack.Limits
	DAD    umem.Time

	// ISN gives initial sequence numbers; nil: the stack's own.
	ISN func(now umem.Time, local, peer socket.Addr) uint32

	// TurnDelay is how long a worker may take to notice that it has work, and
	// StallDelay how long with the probability Stall.
	TurnDelay, StallDelay umem.Time
	Stall                 float64
	// TxDelay is how long a frame may wait in the TX ring, Completion how long
	// after that until the device lets go of it.
	TxDelay, Completion umem.Time

	Up, Down Wire // from the host, and to it

	// Wrap, when set, stands between a worker and its stack: for tests that break
	// something.
	Wrap func(Verbs) Verbs
}

// Verbs are what a worker drives a stack with. *stack.Stack has them.
type Verbs interface {
	Input(now umem.Time, frames []*umem.Frame)
	Output(now umem.Time, out []*umem.Frame) int
	Completed(now umem.Time, frames []*umem.Frame)
	Expire(now umem.Time, budget int)
	Deadline() umem.Time
	Events(out []stack.Event) int
	Holders(h *umem.Holders)
}

func (c *HostConfig) setDefaults(number int) {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&c.MTU, 1500}, {&c.Workers, 1}, {&c.Frames, 256}, {&c.Chunk, 2048}, {&c.Fill, 64}, {&c.Tx, 64}, {&c.Batch, 32}, {&c.Ring, 64},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.Name == "" {
		c.Name = fmt.Sprintf("host%d", number)
	}
	if c.MAC == ([6]byte{}) {
		// Far apart: no damage of up to 15 bits to one word turns one into another.
		c.MAC = [6]byte{0x02, 0, 0, byte(number + 1), byte(number + 1), 0x99}
	}
}

// Host is a machine: some workers, one device with a queue for each of them, one
// region of packet memory.
type Host struct {
	net     *Net
	cfg     HostConfig
	region  *umem.Region
	workers []*Worker
	up      *cable

	detecting []ip.Addr // addresses that have not passed conflict detection yet
	conflicts int
}

// AddHost makes a host and plugs it in.
func (n *Net) AddHost(cfg HostConfig) (*Host, error) {
	number := len(n.hosts)
	cfg.setDefaults(number)
	region, err := umem.NewRegion(make([]byte, cfg.Workers*cfg.Frames*cfg.Chunk), cfg.Chunk)
	if err != nil {
		return nil, err
	}
	h := &Host{net: n, cfg: cfg, region: region}
	for i := range cfg.Workers {
		w, err := h.newWorker(i, streamStacks+uint64(number)<<8+uint64(i))
		if err != nil {
			return nil, fmt.Errorf("sim: %s: %w", cfg.Name, err)
		}
		h.workers = append(h.workers, w)
	}
	if cfg.DAD != 0 {
		for _, p := range cfg.Addrs {
			h.detecting = append(h.detecting, ip.FromNetip(p.Addr()))
		}
	}
	for _, w := range h.workers {
		w.wake()
	}
	n.hosts = append(n.hosts, h)
	n.plug(h)
	return h, nil
}

// Name is the host's name.
func (h *Host) Name() string { return h.cfg.Name }

// Net is the network that the host is in.
func (h *Host) Net() *Net { return h.net }

// Workers are the host's workers, by number.
func (h *Host) Workers() []*Worker { return h.workers }

// Addr is the first address of a family, 4 or 6; the zero Addr when there is none.
func (h *Host) Addr(family int) netip.Addr {
	for _, p := range h.cfg.Addrs {
		if p.Addr().Is4() == (family == 4) {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

// Ready reports whether conflict detection is over for all addresses.
func (h *Host) Ready() bool { return len(h.detecting) == 0 }

// Conflicts counts the other hosts that were seen with an address of this one.
func (h *Host) Conflicts() int { return h.conflicts }

// queueOf chooses the queue for a packet.
func (h *Host) queueOf(data []byte) int {
	n := uint64(len(h.workers))
	switch {
	case n == 1:
		return 0
	case h.cfg.Spread == ByChance:
		return h.net.wire.IntN(int(n))
	case h.cfg.Spread == ToLast:
		return int(n - 1)
	}
	return int(flowHash(data) % n)
}

// flowHash hashes addresses and the first word of the transport header, where
// there are any.
func flowHash(data []byte) uint64 {
	if len(data) < ethernetHeader+20 {
		return 0
	}
	var from, to int
	switch binary.BigEndian.Uint16(data[12:]) {
	case 0x0800:
		from, to = ethernetHeader+12, ethernetHeader+24
	case 0x86dd:
		from, to = ethernetHeader+8, ethernetHeader+44
	default:
		return 0
	}
	t := newTrace()
	t.bytes(data[from:min(to, len(data))])
	return uint64(t) >> 32
}

// receive takes a packet from the wire.
func (h *Host) receive(p packet) {
	w := h.workers[h.queueOf(p.data)]
	if w.port.arrive(p.data) {
		w.wake()
	}
}

// intern sees to the events that are between the workers of a host. It reports
// whether the event was one.
func (h *Host) intern(w *Worker, e *stack.Event) bool {
	switch e.Kind {
	case stack.NeighbourChanged:
		h.tellOthers(w, note{kind: noteNeighbour, neighbour: e.Neighbour})
	case stack.NeighbourWanted:
		h.tell(w, 0, note{kind: noteWanted, neighbour: e.Neighbour})
	case stack.FlowFound:
		h.tell(w, int(e.Worker), note{kind: noteFlow, local: e.Local, peer: e.Peer, owner: w.id})
	default:
		return false
	}
	return true
}

// settled notes the outcome of address detection, which worker 0 runs for all.
// The application hears of it too.
func (h *Host) settled(w *Worker, e *stack.Event) {
	state := link.Reachable
	switch e.Kind {
	case stack.AddressReady:
	case stack.Conflict:
		h.conflicts++
		state = link.None
	default:
		return
	}
	for i, a := range h.detecting {
		if a == e.Peer.IP {
			h.detecting = append(h.detecting[:i], h.detecting[i+1:]...)
			h.tellOthers(w, note{kind: noteAddress, neighbour: link.Neighbour{Addr: a, Iface: e.Iface, State: state}})
			return
		}
	}
}
