package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// Ports of the stream services.
const (
	portStreamEcho = 7
	portExchange   = 17
	portProxyEcho  = 87
	portProxy      = 97
)

// streams is a network with stream connections, all of it drawn from a seed: two
// hosts, or clients, a proxy and a server.
type streams struct {
	seed    uint64
	net     *Net
	plan    *rand.Rand
	traffic *rand.Rand
	proxied bool
	clean   bool // the wires keep all, in order
	roomy   bool // and limits are never met, and nobody aborts
	data    [20000]byte
	limits  stack.Limits
	wire    tcpWatch

	talks     []*talk
	clients   int // that are still to come
	open      int // ends that are not closed
	listeners []*Socket
	errors    map[socket.Errno]int // that ends heard of
	refused   int                  // connections that could not begin
	relayed   int                  // relays that ended for an error
	idled     int                  // ends that gave up
}

// newStreams builds the network of a seed.
func newStreams(seed uint64, proxied bool, capture *Capture) (*streams, error) {
	s := &streams{
		seed: seed, net: NewNet(seed, capture), proxied: proxied,
		plan: newRand(seed, streamPlan), traffic: newRand(seed, streamTraffic),
		errors: map[socket.Errno]int{},
	}
	s.roomy = s.plan.IntN(4) == 0
	s.net.Sent = s.wire.sent(s.net)
	wire := s.drawWire()
	s.limits = s.drawLimits()
	hosts := 2
	if proxied {
		hosts = 3
	}
	for i := range hosts {
		c := s.drawHost(i + 1)
		c.Up, c.Down = wire, wire
		if _, err := s.net.AddHost(c); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *streams) some(limit float64) float64 {
	if s.plan.IntN(2) == 0 {
		return 0
	}
	return s.plan.Float64() * limit
}

// drawWire draws what wires do. A packet crosses two: each has half of what a path may lose.
func (s *streams) drawWire() (w Wire) {
	w.Delay = upTo(s.plan, umem.Millisecond)
	w.Jitter = upTo(s.plan, 200*umem.Microsecond)
	if s.roomy || s.plan.IntN(8) == 0 {
		s.clean = true
		return w
	}
	w.Loss = s.some(0.06)
	w.Duplicate = s.some(0.1)
	w.Corrupt, w.Guarded = s.some(0.05), true // a wrong address in a neighbour's table means a minute of silence
	w.Reorder, w.ReorderBy = s.some(0.1), upTo(s.plan, 5*umem.Millisecond)
	if s.plan.IntN(16) == 0 {
		from := Start + upTo(s.plan, umem.Second)
		to := from + upTo(s.plan, 20*umem.Second)
		w.Down = func(now umem.Time) bool { return now >= from && now < to }
	}
	if s.plan.IntN(4) == 0 {
		w.Rate, w.Queue = 1e6+s.plan.IntN(1e7), 8+s.plan.IntN(24)
	}
	return w
}

func (s *streams) drawLimits() stack.Limits {
	r := s.plan
	l := stack.Limits{
		Neighbours: 32, Sockets: 8, RawSockets: 2, Destinations: 16, Streams: 64, FlowCache: 64,
		StreamRecvBytes: 1 << 17, StreamSendBytes: 1 << 16,
	}
	if s.roomy {
		return l
	}
	l.Qdisc, l.Local, l.Handoff = oneOf(r, 8, 64), oneOf(r, 8, 64), oneOf(r, 8, 64)
	l.PendingEach, l.Pending = oneOf(r, 1, 4), oneOf(r, 4, 16)
	l.Events, l.FlowCache = oneOf(r, 8, 64), oneOf(r, 1, 16)
	l.SynBacklog, l.Backlog = oneOf(r, 1, 16), oneOf(r, 1, 2, 16)
	l.Streams = oneOf(r, 6, 10, 64)
	if r.IntN(4) == 0 {
		l.EphemeralLow, l.EphemeralHigh, l.TimeWait = 40000, 40000+oneOf(r, 5, 11), umem.Second
	}
	l.StreamRecvBytes, l.StreamSendBytes = oneOf(r, 4000, 1<<14, 1<<17), oneOf(r, 3000, 1<<14, 1<<17)
	return l
}

func (s *streams) drawHost(number int) HostConfig {
	r := s.plan
	c := HostConfig{
		Name: fmt.Sprintf("host%d", number), MTU: oneOf(r, 1280, 1500),
		Addrs:   []netip.Prefix{prefix(4, number), prefix(6, number)},
		Workers: 1 + r.IntN(3), Spread: Spread(r.IntN(3)),
		Frames: 1024, Fill: 256, Tx: 64, Batch: 32, Ring: 256,
		TurnDelay: upTo(r, 30*umem.Microsecond),
		TxDelay:   upTo(r, 100*umem.Microsecond), Completion: upTo(r, umem.Millisecond),
		Limits: s.limits,
	}
	if !s.roomy {
		c.Frames, c.Fill, c.Tx, c.Batch = oneOf(r, 64, 96, 192, 384), oneOf(r, 8, 24), oneOf(r, 2, 8, 32), oneOf(r, 4, 16, 32)
		c.Ring = oneOf(r, 8, 64)
		c.Stall, c.StallDelay = s.some(0.05), upTo(r, 20*umem.Millisecond)
		if r.IntN(8) == 0 {
			c.Completion = 400 * umem.Millisecond // longer than an RTO
		}
	}
	if r.IntN(3) == 0 {
		c.ISN = s.lateISN
	}
	return c
}

// lateISN gives initial numbers that pass 2^32 after some octets.
func (s *streams) lateISN(umem.Time, socket.Addr, socket.Addr) uint32 {
	return -uint32(1 + s.traffic.IntN(50000))
}

// run opens the connections of the seed, waits for the end of everything, and checks
// it.
func (s *streams) run() error {
	hosts := s.net.Hosts()
	server := hosts[len(hosts)-1]
	s.serve(server, portStreamEcho, s.newEcho)
	s.serve(server, portExchange, s.newServer)
	if s.proxied {
		s.serve(hosts[1], portProxy, s.newProxy)
	}
	s.clients = 1 + s.traffic.IntN(8)
	begin := oneOf(s.traffic, 5, 2000) // ms: all at once, or one after the other
	for range s.clients {
		from := hosts[0]
		if s.traffic.IntN(8) == 0 {
			from = hosts[1] // to itself
		}
		w := from.Workers()[s.traffic.IntN(len(from.Workers()))]
		s.later(w, upTo(s.traffic, umem.Time(begin)*umem.Millisecond), func(umem.Time) { s.client(w) })
	}
	if err := s.net.RunUntil(s.net.Now()+4*idleTime, "the connections to end", s.idle); err != nil {
		return fmt.Errorf("%w; %d ends are open; %v", err, s.open, s.sockets())
	}
	for _, k := range s.listeners {
		k.Worker().Do(func(umem.Time) { s.check(k.Worker(), k.Close()) })
	}
	if err := s.net.Settle(s.net.Now() + settleTime + idleTime); err != nil {
		return err
	}
	if err := s.net.Drained(); err != nil {
		return err
	}
	if err := s.gone(); err != nil {
		return err
	}
	return s.verdict()
}

func (s *streams) idle() bool { return s.open == 0 && s.clients == 0 }

// later has run called in a turn of w after a while.
func (s *streams) later(w *Worker, d umem.Time, run func(now umem.Time)) {
	s.net.After(d, func() { w.Do(run) })
}

// check ends the run with an error that must not be.
func (s *streams) check(w *Worker, err error) {
	if err != nil {
		s.net.Fail("%v: %w", w, err)
	}
}

func (s *streams) options() socket.Options { return socket.Options{NoDelay: s.traffic.IntN(2) == 0} }

// serve opens a listener on every worker of a host.
func (s *streams) serve(h *Host, port uint16, accepted func(w *Worker, k *Socket)) {
	lazy := upTo(s.plan, 50*umem.Millisecond)
	if s.roomy || s.plan.IntN(2) != 0 {
		lazy = 0
	}
	for _, w := range h.Workers() {
		w.Do(func(umem.Time) {
			l, err := w.ListenOn(port, 0, s.options())
			if err != nil {
				s.check(w, err)
				return
			}
			s.listeners = append(s.listeners, l)
			l.Stream = func(now umem.Time, ready stack.Ready, _ socket.Errno) {
				if lazy == 0 {
					s.accept(w, l, accepted)
					return
				}
				s.later(w, upTo(s.traffic, lazy), func(umem.Time) { s.accept(w, l, accepted) })
			}
		})
	}
}

func (s *streams) accept(w *Worker, l *Socket, accepted func(w *Worker, k *Socket)) {
	for {
		k, err := l.Accept()
		if err != nil {
			if !errors.Is(err, socket.EAGAIN) && !errors.Is(err, socket.EBADF) {
				s.check(w, err)
			}
			return
		}
		accepted(w, k)
	}
}

// newServer is an end that learns from the first octets whom it talks to.
func (s *streams) newServer(w *Worker, k *Socket) { s.newEnd(w, k) }

// client begins a talk, with one of the services or with a port where there is none.
func (s *streams) client(w *Worker) {
	t := &talk{up: NewFlow(uint64(2 * len(s.talks))), echo: s.echoes()}
	to := s.target(t.echo)
	switch {
	case s.roomy:
	case s.traffic.IntN(16) == 0:
		to, t.closed = netip.AddrPortFrom(to.Addr(), portClosed), true
	case s.traffic.IntN(32) == 0: // nobody has that address
		to, t.closed = netip.AddrPortFrom(prefix(s.family(), 200).Addr(), portClosed), true
	}
	n := s.size()
	if t.echo {
		n -= s.traffic.IntN(flowHeader + 1)
	}
	s.talk(w, t, to, n)
}

// talk connects to a service, to write n octets to it.
func (s *streams) talk(w *Worker, t *talk, to netip.AddrPort, n int) *end {
	s.clients--
	s.talks = append(s.talks, t)
	t.down, t.reply = NewFlow(t.up.id+1), s.size()
	if t.echo {
		t.down = t.up
	}
	k, err := w.Dial(to, s.options())
	if err != nil {
		s.refuse(w, err)
		t.disturbed = true
		if k != nil {
			s.check(w, k.Close())
		}
		return nil
	}
	e := s.newEnd(w, k)
	e.t, e.out, e.in, e.left = t, t.up, t.down, n
	e.blocked = true // until it is connected
	return e
}

// size draws how much is written: a number at least.
func (s *streams) size() int {
	r := s.traffic
	return flowHeader + r.IntN(oneOf(r, 1, 100, 3000, 20000, 100000))
}

// refuse counts a connection that could not begin, and accepts the errors that explain
// that.
func (s *streams) refuse(w *Worker, err error) {
	s.refused++
	for _, e := range []socket.Errno{socket.ENFILE, socket.ENOBUFS, socket.EADDRNOTAVAIL} {
		if !s.roomy && errors.Is(err, e) {
			return
		}
	}
	s.check(w, err)
}

// echoes draws whether a talk is with an echo. Behind a proxy it is one for all.
func (s *streams) echoes() bool {
	if s.proxied {
		return s.seed%2 == 0
	}
	return s.traffic.IntN(2) == 0
}

// target is where a client connects to.
func (s *streams) target(echo bool) netip.AddrPort {
	if s.proxied {
		return netip.AddrPortFrom(s.net.Hosts()[1].Addr(s.family()), portProxy)
	}
	return s.service(echo)
}

// behind is where the proxy connects to: in either family, whatever the client's is.
func (s *streams) behind() netip.AddrPort { return s.service(s.echoes()) }

func (s *streams) service(echo bool) netip.AddrPort {
	hosts := s.net.Hosts()
	port := uint16(portExchange)
	if echo {
		port = portStreamEcho
	}
	return netip.AddrPortFrom(hosts[len(hosts)-1].Addr(s.family()), port)
}

func (s *streams) family() int { return 4 + 2*s.traffic.IntN(2) }

// talkOf finds the talk whose client writes a flow.
func (s *streams) talkOf(id uint64) *talk {
	if id%2 != 0 || id/2 >= uint64(len(s.talks)) || s.talks[id/2].echo {
		return nil
	}
	return s.talks[id/2]
}
