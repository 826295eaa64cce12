package stack

import (
	"net/netip"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// Source gives random numbers. Seeded in tests, so that a run is its seed; from
// the system in production. It is used for secrets, ports and jitter.
type Source interface {
	Uint64() uint64
}

// Config is what a Stack is made from. New copies it.
type Config struct {
	Worker  int // number of this worker
	Workers int // of the host; 0 means 1

	Pool   *umem.Pool // of this worker
	Rand   Source
	Ifaces []Iface
	Routes []Route
	Limits Limits

	// DAD is the unit of address conflict detection: addresses are probed before
	// they are used (RFC 5227; RFC 4862, section 5.4), with the RFCs' intervals
	// when it is umem.Second. 0: addresses are used at once.
	DAD umem.Time

	// ISN gives the initial sequence number of a connection; nil: as RFC 6528 says. It is for tests, which
	// want numbers that are about to wrap.
	ISN func(now umem.Time, local, peer socket.Addr) uint32
}

// Iface is an interface: a device with its addresses.
type Iface struct {
	Name     string
	MAC      [6]byte
	MTU      int            // of IP, without the Ethernet header
	Addrs    []netip.Prefix // own address and length of the prefix on link
	Port     uint8          // index of the device among the worker's ports
	Checksum Policy
}

// Route is an entry of the routing table.
type Route struct {
	Dst   netip.Prefix
	Via   netip.Addr // the zero Addr: on link
	Iface int        // index in Config.Ifaces
}

// Policy says which transport checksums an interface's packets may have.
type Policy uint8

// The policies.
const (
	// Verify accepts what adds up.
	Verify Policy = iota
	// PartialOK accepts a field equal to the pseudo-header's sum too: what a veth
	// peer leaves when it counts on checksum offload (CHECKSUM_PARTIAL). Counted.
	PartialOK
)

// Limits bound everything. A zero field takes its default.
type Limits struct {
	Neighbours    int // entries of the neighbour table; 1024
	Incomplete    int // of them unresolved; 256
	PendingEach   int // frames that wait for one neighbour; 64
	Pending       int // frames that wait for neighbours in all; 256
	Qdisc         int // frames that wait for a device; 1024
	Local         int // frames from this host to itself that wait; 256
	Handoff       int // frames on their way to other workers; 256
	Sockets       int // 4096
	RawSockets    int // of them raw: each costs a copy; 16
	Events        int // 1024
	RecvFrames    int // frames in a socket's receive queue; 256
	RecvBytes     int // octets in a socket's receive queue; 212992, as net.core.rmem_default
	Destinations  int // entries of the destination cache; 2048
	ICMPErrors    int // ICMP errors sent per second; 1000, as net.ipv4.icmp_msgs_per_sec
	ICMPBurst     int // of them at once; 50
	EphemeralLow  int // first ephemeral port; 32768
	EphemeralHigh int // last; 60999

	Streams         int       // connections and listeners, closing ones too; 16384
	Backlog         int       // connections that wait for Accept, of a listener that does not say; 1024
	SynBacklog      int       // half-open connections of a listener; 4096: a flood must not push one out while its ACK waits in a ring
	StreamRecvBytes int       // of a stream's receive queue and window; 1 MiB
	StreamSendBytes int       // of a stream's send queue; 1 MiB
	FlowCache       int       // connections of other workers that are remembered; 4096
	RTOMin          umem.Time // the least retransmission timeout; 200 ms
	TimeWait        umem.Time // twice the lifetime of a segment; 60 s
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.Neighbours, 1024}, {&l.Incomplete, 256}, {&l.PendingEach, 64}, {&l.Pending, 256},
		{&l.Qdisc, 1024}, {&l.Local, 256}, {&l.Handoff, 256},
		{&l.Sockets, 4096}, {&l.RawSockets, 16}, {&l.Events, 1024},
		{&l.RecvFrames, 256}, {&l.RecvBytes, 212992}, {&l.Destinations, 2048},
		{&l.ICMPErrors, 1000}, {&l.ICMPBurst, 50},
		{&l.EphemeralLow, 32768}, {&l.EphemeralHigh, 60999},
		{&l.Streams, 16384}, {&l.Backlog, 1024}, {&l.SynBacklog, 4096},
		{&l.StreamRecvBytes, 1 << 20}, {&l.StreamSendBytes, 1 << 20}, {&l.FlowCache, 4096},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if l.RTOMin == 0 {
		l.RTOMin = 200 * umem.Millisecond
	}
	if l.TimeWait == 0 {
		l.TimeWait = 60 * umem.Second
	}
	return l
}
