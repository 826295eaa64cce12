package sim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/umem"
)

// Streams of random numbers that scenarios draw from, besides those of the Net.
const (
	streamPlan uint64 = 1<<40 + iota
	streamTraffic
)

// ports of the services that every host has.
const (
	portEcho   = 7
	portSink   = 9
	portClosed = 5
)

// scenario is a network with traffic, all of it drawn from a seed.
type scenario struct {
	seed     uint64
	net      *Net
	oracle   Oracle
	plan     *rand.Rand // what the network is like
	traffic  *rand.Rand // what is sent when
	families []int
	clean    bool // the wires keep all
	roomy    bool // limits are never met, and nobody closes a socket early
	asked    solicitations
	data     [1024]byte // the datagram to be sent

	refused int // sends that the stack refused
	noRoom  int // of them, and of replies, with ENOBUFS
	errors  int // failures that sockets heard of
}

// newScenario builds the network of a seed. Roomy networks have clean wires too.
func newScenario(seed uint64, roomy bool, capture *Capture) (*scenario, error) {
	s := &scenario{
		seed: seed, net: NewNet(seed, capture), roomy: roomy,
		plan: newRand(seed, streamPlan), traffic: newRand(seed, streamTraffic),
	}
	s.net.Duplicated = s.oracle.Copied
	s.net.Sent = s.asked.sent(s.net)
	s.families = [][]int{{4}, {6}, {4, 6}}[s.plan.IntN(3)]
	wire, clean := s.drawWire()
	s.clean = clean
	mtu := []int{1280, 1500}[s.plan.IntN(2)]
	for i := range 2 + s.plan.IntN(3) {
		c := s.drawHost(i+1, mtu)
		c.Up, c.Down = wire, wire
		if _, err := s.net.AddHost(c); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// some is a probability up to limit, often 0.
func (s *scenario) some(limit float64) float64 {
	if s.plan.IntN(2) == 0 {
		return 0
	}
	return s.plan.Float64() * limit
}

// drawWire draws what wires do; clean ones delay, and change the order.
func (s *scenario) drawWire() (w Wire, clean bool) {
	w.Delay = upTo(s.plan, umem.Millisecond)
	w.Jitter = upTo(s.plan, umem.Millisecond)
	w.Reorder, w.ReorderBy = s.some(0.3), upTo(s.plan, 5*umem.Millisecond)
	if s.roomy || s.plan.IntN(4) == 0 {
		return w, true
	}
	w.Loss = s.some(0.3)
	w.Duplicate = s.some(0.3)
	w.Corrupt = s.some(0.2)
	w.Truncate = s.some(0.05)
	if s.plan.IntN(8) == 0 {
		from := Start + upTo(s.plan, sendTime)
		to := from + upTo(s.plan, sendTime)
		w.Down = func(now umem.Time) bool { return now >= from && now < to }
	}
	if s.plan.IntN(4) == 0 {
		w.Rate, w.Queue = 1e6+s.plan.IntN(1e7), 4+s.plan.IntN(16)
	}
	return w, false
}

// oneOf draws one of some numbers.
func oneOf(r *rand.Rand, n ...int) int { return n[r.IntN(len(n))] }

func (s *scenario) drawHost(number, mtu int) HostConfig {
	r := s.plan
	c := HostConfig{
		Name: fmt.Sprintf("host%d", number), MTU: mtu,
		Workers: 1 + r.IntN(3), Spread: Spread(r.IntN(3)),
		Frames: oneOf(r, 128, 192), Fill: oneOf(r, 8, 32, 64), Tx: oneOf(r, 2, 8, 32), Batch: oneOf(r, 4, 16, 32),
		Ring:      oneOf(r, 4, 16, 64),
		TurnDelay: upTo(r, 30*umem.Microsecond), Stall: s.some(0.1), StallDelay: upTo(r, 20*umem.Millisecond),
		TxDelay: upTo(r, 100*umem.Microsecond), Completion: upTo(r, umem.Millisecond),
		Limits: stack.Limits{
			Neighbours: oneOf(r, 8, 32), Incomplete: oneOf(r, 4, 8), PendingEach: oneOf(r, 1, 3, 4), Pending: oneOf(r, 2, 8, 16),
			Qdisc: oneOf(r, 4, 16, 64), Local: oneOf(r, 4, 32), Handoff: oneOf(r, 4, 32), Sockets: 32, RawSockets: 2,
			Events: oneOf(r, 8, 64), RecvFrames: oneOf(r, 2, 16, 64), Destinations: oneOf(r, 4, 16),
		},
	}
	if s.roomy {
		c.Frames, c.Fill, c.Ring, c.Stall = 1024, 256, 256, 0
		c.Limits = stack.Limits{Neighbours: 32, PendingEach: 256, Pending: 256, Sockets: 32, RawSockets: 2, Destinations: 16, RecvFrames: 256}
	}
	for _, f := range s.families {
		c.Addrs = append(c.Addrs, prefix(f, number))
	}
	if r.IntN(8) == 0 {
		c.DAD = 10*umem.Millisecond + upTo(r, 100*umem.Millisecond)
	}
	return c
}

// family draws one of the families that the network has.
func (s *scenario) family() int { return s.families[s.traffic.IntN(len(s.families))] }

// fail ends the run with what the oracle said.
func (s *scenario) fail(w *Worker, err error) {
	if err != nil {
		s.net.Fail("%v: %w", w, err)
	}
}

// run sends the traffic of the seed, waits for the end of everything, and checks it.
func (s *scenario) run() error {
	hosts := s.net.Hosts()
	for i := range hosts {
		if err := s.net.RunUntil(s.net.Now()+30*umem.Second, "conflict detection", hosts[i].Ready); err != nil {
			return err
		}
	}
	for i, h := range hosts {
		for _, w := range h.Workers() {
			s.serve(i, w)
		}
		for range 1 + s.traffic.IntN(3) {
			s.client(i, h.Workers()[s.traffic.IntN(len(h.Workers()))])
		}
	}
	if err := s.net.Settle(s.net.Now() + settleTime); err != nil {
		return err
	}
	if err := s.net.Drained(); err != nil {
		return err
	}
	if err := s.unread(); err != nil {
		return err
	}
	return s.check()
}

// unread: every socket with a queue reads it empty whenever it hears of something in
// it, so nothing may be left there.
func (s *scenario) unread() error {
	for _, h := range s.net.Hosts() {
		for _, w := range h.Workers() {
			if n := w.Pool().Books().Holds[umem.HoldReceive]; n != 0 {
				return fmt.Errorf("%v: %d datagrams wait in receive queues, and nobody was told", w, n)
			}
		}
	}
	return nil
}

// check compares what was delivered with what wires and limits allow.
func (s *scenario) check() error {
	score, totals := s.oracle.Score(), s.net.Totals()
	missing := score.Missing + score.Silent
	dropped := totals.dropped()
	explained := dropped - (s.noRoom - int(totals.NoFrame)) // a send that was refused for a full queue is a drop too
	switch {
	case s.roomy && dropped != 0:
		return fmt.Errorf("nothing should be dropped, and this was: %s", totals.drops())
	case s.roomy && s.refused != 0:
		return fmt.Errorf("%d sends were refused; nothing should be", s.refused)
	case s.roomy && s.oracle.Slowest > slowest:
		return fmt.Errorf("a datagram took %d ms over clean wires", s.oracle.Slowest/umem.Millisecond)
	case s.clean && missing > explained:
		return fmt.Errorf("%d of %d datagrams and %d of %d answers did not arrive over clean wires; only %d drops explain that: %s",
			score.Missing, score.Accepted, score.Silent, score.Answers, explained, totals.drops())
	}
	return nil
}

// slowest is how long a datagram may take in a roomy network, there and back, with
// its neighbours to be resolved on the way by workers that ask each other: some ten
// times over a wire, each up to 7 ms.
const slowest = 100 * umem.Millisecond

// whereDatagramsEnd are the reasons for which a datagram of the oracle is dropped that
// nothing happened to on its way. ARP, ND and ICMP packets share the queues, so these counters are an upper bound.
var whereDatagramsEnd = []stack.Reason{
	stack.NoSocket, stack.ReceiveQueueFull, stack.ReceiveQuota, stack.EventsFull, stack.SocketClosed,
	stack.LocalFull, stack.QdiscFull, stack.HandoffFull, stack.PendingFull, stack.NeighbourFailed,
}

// dropped is how many frames were dropped where datagrams are.
func (t *Totals) dropped() int {
	n := t.Device.NoFill + t.Mesh.HandoffDrops + t.Unheard
	for _, r := range whereDatagramsEnd {
		n += t.Drops[r]
	}
	return int(n)
}

// drops lists the reasons that were counted.
func (t *Totals) drops() string {
	s := fmt.Sprintf("no fill %d, hand-off ring full %d", t.Device.NoFill, t.Mesh.HandoffDrops)
	for r, n := range t.Drops {
		if n > 0 {
			s += fmt.Sprintf(", %v %d", stack.Reason(r), n)
		}
	}
	return s
}

// address is a service of a host.
func (s *scenario) address(h *Host, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(h.Addr(s.family()), port)
}
