package stack

import (
	"errors"
	"fmt"
	"math"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/table"
	"github.com/xdpstack/xdpstack/stack/tcp"
	"github.com/xdpstack/xdpstack/stack/wheel"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// ErrConfig is what New's errors wrap.
var ErrConfig = errors.New("stack: bad configuration")

// Bounds that are not configurable.
const (
	maxBatch     = 64 // frames that one pass of Input takes
	maxAddresses = 64 // own addresses: they are searched in order
	maxIfaces    = 16
	noIface      = 0xff
	minMTU4      = 68 // RFC 791, section 3.2
	minMTU6      = wire.IPv6MinMTU
)

// Stack is the TCP/IP stack of one worker. All methods are for one goroutine.
type Stack struct {
	worker, workers int
	dadUnit         umem.Time

	pool   *umem.Pool
	region *umem.Region
	rand   Source

	ifaces  []iface
	byPort  [umem.PortWorker]uint8 // interface of a device
	addrs   []address
	routes  ip.Routes
	dests   ip.Dests
	direct  ip.Dest // scratch, for packets to a given link address
	neigh   *link.Neighbours
	sockets *socket.Table
	tcp     *tcp.Table
	flows   tcp.Flows
	ports   socket.Ports
	wheel   *wheel.Wheel
	limiter ip.Bucket // of ICMP errors

	qdisc   link.Qdisc // for devices
	local   link.Qdisc // for this host itself
	handoff link.Qdisc // for other workers
	events  eventQueue

	firstAddress uint32 // number of the first own address's timer
	firstStream  uint32 // number of the first stream's
	queued       int    // frames in receive queues
	borrowed     int    // loans to the application

	batch    [maxBatch]packet
	now      umem.Time // of the last verb: what calls of sockets between them see
	started  bool
	counters Counters
}

// iface is an interface as the packet path wants it.
type iface struct {
	mac    [6]byte
	mtu    uint16
	port   uint8
	policy Policy
}

// New makes a stack. All memory that it will ever use, it takes here.
func New(cfg Config) (*Stack, error) {
	if cfg.Workers == 0 {
		cfg.Workers = 1
	}
	cfg.Limits = cfg.Limits.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	l := &cfg.Limits
	secret := table.NewSecret(cfg.Rand.Uint64)
	s := &Stack{
		worker: cfg.Worker, workers: cfg.Workers, dadUnit: cfg.DAD,
		pool: cfg.Pool, region: cfg.Pool.Region(), rand: cfg.Rand,
		dests:   ip.NewDests(l.Destinations, secret),
		limiter: ip.NewBucket(l.ICMPErrors, l.ICMPBurst),
		qdisc:   link.NewQdisc(l.Qdisc),
		local:   link.NewQdisc(l.Local),
		handoff: link.NewQdisc(l.Handoff),
		events:  newEventQueue(l.Events),
		ports: socket.Ports{
			Low: uint16(l.EphemeralLow), High: uint16(l.EphemeralHigh), Worker: cfg.Worker, Workers: cfg.Workers,
		},
	}
	s.neigh = link.NewNeighbours(link.Config{
		Entries: l.Neighbours, Incomplete: l.Incomplete, PendingEach: l.PendingEach, Pending: l.Pending,
		Secret: secret, Reachable: 15*umem.Second + umem.Time(cfg.Rand.Uint64()%uint64(30*umem.Second)),
	})
	s.sockets = socket.NewTable(socket.Config{
		Sockets: l.Sockets, Raw: l.RawSockets, RecvFrames: l.RecvFrames, RecvBytes: l.RecvBytes,
		Ports: s.ports, Secret: secret, Random: cfg.Rand.Uint64(),
	})
	if err := s.addIfaces(&cfg); err != nil {
		return nil, err
	}
	if err := s.addRoutes(&cfg); err != nil {
		return nil, err
	}
	s.firstAddress = uint32(l.Neighbours)
	s.firstStream = s.firstAddress + uint32(len(s.addrs))
	s.wheel = wheel.New(l.Neighbours+len(s.addrs)+l.Streams, 0)
	s.flows = tcp.NewFlows(l.FlowCache, secret)
	s.tcp = tcp.New(tcp.Config{
		Pool: s.pool, Net: below{s}, Wheel: s.wheel, Timer: s.firstStream, Secret: secret,
		Key: [2]uint64{cfg.Rand.Uint64(), cfg.Rand.Uint64()}, Ports: s.ports, Count: &s.counters.TCP, ISN: cfg.ISN,
		Streams: l.Streams, Backlog: l.Backlog, SynBacklog: l.SynBacklog,
		RecvBytes: l.StreamRecvBytes, SendBytes: l.StreamSendBytes, RTOMin: l.RTOMin, TimeWait: l.TimeWait,
	})
	return s, nil
}

func (cfg *Config) check() error {
	l := &cfg.Limits
	switch {
	case cfg.Pool == nil || cfg.Rand == nil:
		return fmt.Errorf("%w: a pool and a random source are needed", ErrConfig)
	case cfg.Worker < 0 || cfg.Worker >= cfg.Workers || cfg.Workers > umem.MaxWorkers:
		return fmt.Errorf("%w: worker %d of %d", ErrConfig, cfg.Worker, cfg.Workers)
	case len(cfg.Ifaces) == 0 || len(cfg.Ifaces) > maxIfaces:
		return fmt.Errorf("%w: %d interfaces; from 1 to %d are supported", ErrConfig, len(cfg.Ifaces), maxIfaces)
	case l.EphemeralLow < 1 || l.EphemeralHigh > math.MaxUint16 || l.EphemeralHigh-l.EphemeralLow+1 < cfg.Workers:
		return fmt.Errorf("%w: ephemeral ports from %d to %d for %d workers", ErrConfig, l.EphemeralLow, l.EphemeralHigh, cfg.Workers)
	case cfg.DAD < 0:
		return fmt.Errorf("%w: the unit of conflict detection is negative", ErrConfig)
	}
	for _, n := range []int{
		l.Neighbours, l.Incomplete, l.PendingEach, l.Pending, l.Qdisc, l.Local, l.Handoff, l.Sockets, l.RawSockets,
		l.Events, l.RecvFrames, l.RecvBytes, l.Destinations, l.ICMPErrors, l.ICMPBurst,
		l.Streams, l.Backlog, l.SynBacklog, l.StreamRecvBytes, l.StreamSendBytes, l.FlowCache,
	} {
		if n < 0 || n > math.MaxInt32 {
			return fmt.Errorf("%w: a limit of %d", ErrConfig, n)
		}
	}
	return nil
}

func (s *Stack) addIfaces(cfg *Config) error {
	for i := range s.byPort {
		s.byPort[i] = noIface
	}
	for i, c := range cfg.Ifaces {
		switch {
		case c.Port >= umem.PortWorker || s.byPort[c.Port] != noIface:
			return fmt.Errorf("%w: interface %q: device %d is another interface's, or no device", ErrConfig, c.Name, c.Port)
		case c.MTU < minMTU4 || c.MTU > math.MaxUint16:
			return fmt.Errorf("%w: interface %q: an MTU of %d", ErrConfig, c.Name, c.MTU)
		case c.MAC[0]&1 != 0:
			return fmt.Errorf("%w: interface %q: % x is a group address", ErrConfig, c.Name, c.MAC)
		}
		s.byPort[c.Port] = uint8(i)
		s.ifaces = append(s.ifaces, iface{mac: c.MAC, mtu: uint16(c.MTU), port: c.Port, policy: c.Checksum})
		if err := s.addAddresses(uint8(i), &c); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) addRoutes(cfg *Config) error {
	var routes []ip.Route
	for _, a := range s.addrs {
		routes = append(routes, ip.Route{Dst: a.prefix, Iface: a.iface})
	}
	for _, r := range cfg.Routes {
		if !r.Dst.IsValid() || r.Iface < 0 || r.Iface >= len(s.ifaces) {
			return fmt.Errorf("%w: route to %v: no such interface (%d) or prefix", ErrConfig, r.Dst, r.Iface)
		}
		routes = append(routes, ip.Route{Dst: ip.PrefixFrom(r.Dst), Via: ip.FromNetip(r.Via), Iface: uint8(r.Iface)})
	}
	var err error
	if s.routes, err = ip.NewRoutes(routes); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}
