package stack

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// family is a row of the table that every test is run over.
type family struct {
	name           string
	v4             bool
	us, peer       netip.Addr
	other          netip.Addr // on link too, silent
	gateway, far   netip.Addr // far is behind the gateway
	nowhere        netip.Addr // no route
	prefix         netip.Prefix
	group          netip.Addr // all hosts of the link
	groupMAC       wire.MAC
	martian        netip.Addr
	icmp, echo     uint8
	echoReply      uint8
	portUnreach    [2]uint8 // type and code
	header         int      // Ethernet and IP
	unknownProblem [2]uint8
}

var families = []family{
	{
		name: "4", v4: true, us: addr("198.18.0.1"), peer: addr("198.18.0.2"), other: addr("198.18.0.77"),
		gateway: addr("198.18.0.254"), far: addr("198.19.1.9"), nowhere: addr("203.0.113.1"),
		prefix: netip.MustParsePrefix("198.18.0.1/24"), group: addr("224.0.0.1"), groupMAC: wire.MAC{1, 0, 0x5e, 0, 0, 1},
		martian: addr("127.0.0.9"), icmp: 1, echo: 8, echoReply: 0, portUnreach: [2]uint8{3, 3}, header: 34,
		unknownProblem: [2]uint8{3, 2},
	},
	{
		name: "6", us: addr("2001:2::1"), peer: addr("2001:2::2"), other: addr("2001:2::77"),
		gateway: addr("2001:2::fe"), far: addr("2001:2:0:1::9"), nowhere: addr("2001:db8::1"),
		prefix: netip.MustParsePrefix("2001:2::1/64"), group: addr("ff02::1"), groupMAC: wire.MAC{0x33, 0x33, 0, 0, 0, 1},
		martian: addr("ff02::9"), icmp: 58, echo: 128, echoReply: 129, portUnreach: [2]uint8{1, 4}, header: 54,
		unknownProblem: [2]uint8{4, 1},
	},
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// each runs a test for both families.
func each(t *testing.T, test func(t *testing.T, f *family)) {
	for i := range families {
		t.Run("IPv"+families[i].name, func(t *testing.T) { test(t, &families[i]) })
	}
}

var (
	ourMAC   = wire.MAC{2, 0, 0, 0, 0, 1}
	peerMAC  = wire.MAC{2, 0, 0, 0, 0, 2}
	otherMAC = wire.MAC{2, 0, 0, 0, 0, 3}
)

// host is a stack with a device that a test plays, in virtual time.
type host struct {
	t    testing.TB
	s    *Stack
	pool *umem.Pool
	now  umem.Time
	lent int // frames that the test borrowed
}

const (
	testFrames = 512
	testChunk  = 2048
)

// setup changes a configuration before a host is made.
type setup func(*Config, *umem.PoolConfig)

// newHost makes a host with both families' addresses and default routes, whose
// books are checked at the end of the test.
func newHost(t testing.TB, setups ...setup) *host {
	t.Helper()
	seed := testenv.Seed(t)
	cfg := Config{
		Rand: rand.New(rand.NewPCG(seed, 1)),
		Ifaces: []Iface{{
			Name: "test0", MAC: ourMAC, MTU: 1500,
			Addrs: []netip.Prefix{families[0].prefix, families[1].prefix},
		}},
		Routes: []Route{
			{Dst: netip.MustParsePrefix("198.18.0.0/15"), Via: families[0].gateway},
			{Dst: netip.MustParsePrefix("2001:2::/48"), Via: families[1].gateway},
		},
	}
	pc := umem.PoolConfig{Workers: 1, Frames: testFrames, SendQuota: testFrames, ReceiveQuota: testFrames}
	for _, change := range setups {
		change(&cfg, &pc)
	}
	region, err := umem.NewRegion(make([]byte, testFrames*testChunk), testChunk)
	if err != nil {
		t.Fatal(err)
	}
	pc.Worker, pc.Workers = cfg.Worker, max(cfg.Workers, 1)
	h := &host{t: t, now: 1000 * umem.Second}
	if h.pool, err = umem.NewPool(region, pc); err != nil {
		t.Fatal(err)
	}
	cfg.Pool = h.pool
	if h.s, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	h.s.Expire(h.now, 64)
	t.Cleanup(h.check)
	return h
}

// check holds the ledger: every frame accounted for, none lost.
func (h *host) check() {
	h.t.Helper()
	var held umem.Holders
	h.s.Holders(&held)
	if err := h.pool.Balance(&held); err != nil {
		h.t.Error(err)
	}
	if err := h.pool.Audit(); err != nil {
		h.t.Error(err)
	}
	if h.s.borrowed != h.lent+h.datagrams() {
		h.t.Errorf("the stack lent %d frames, %d are known", h.s.borrowed, h.lent+h.datagrams())
	}
}

// datagrams is how many events with a frame wait.
func (h *host) datagrams() int {
	n := 0
	q := &h.s.events
	for i := q.tail; i != q.head; i++ {
		if q.ring[i&q.mask].kind == Datagram {
			n++
		}
	}
	return n
}

// frame makes a received frame of b: through the fill ring, as a device does.
func (h *host) frame(b []byte) *umem.Frame {
	var addr [1]uint64
	if h.pool.ToFill(0, addr[:]) != 1 {
		h.t.Fatal("no free frame for what the test receives")
	}
	r := h.pool.Region()
	copy(r.Mem()[addr[0]+umem.Headroom:], b)
	f, ok := r.Received(addr[0]+umem.Headroom, uint32(len(b)), h.now)
	if !ok {
		h.t.Fatalf("a frame of %d octets is not possible", len(b))
	}
	h.pool.Moved(umem.PlaceFill, umem.PlaceStack, 1)
	return f
}

// chain makes a received frame of b, in fragments of n octets.
func (h *host) chain(b []byte, n int) *umem.Frame {
	first := h.frame(b[:min(n, len(b))])
	for b = b[min(n, len(b)):]; len(b) > 0; b = b[min(n, len(b)):] {
		first.Append(h.frame(b[:min(n, len(b))]))
	}
	return first
}

// receive gives packets to the stack, in one batch.
func (h *host) receive(packets ...[]byte) {
	h.t.Helper()
	var frames []*umem.Frame
	for _, b := range packets {
		frames = append(frames, h.frame(b))
	}
	h.input(frames...)
}

func (h *host) input(frames ...*umem.Frame) {
	h.t.Helper()
	h.s.Input(h.now, frames)
	h.check()
}

// sent takes what the stack has to send, as the device and its completion do.
func (h *host) sent() [][]byte {
	h.t.Helper()
	var packets [][]byte
	var out [8]*umem.Frame
	for {
		n := h.s.Output(h.now, out[:])
		if n == 0 {
			break
		}
		for _, f := range out[:n] {
			packets = append(packets, append([]byte(nil), f.Bytes()...))
			h.transmit(f)
		}
	}
	h.check()
	return packets
}

// transmit takes a frame through the TX and completion rings.
func (h *host) transmit(f *umem.Frame) {
	addr, _ := f.ToTx()
	h.pool.Moved(umem.PlaceStack, umem.PlaceTx, 1)
	g, ok := h.pool.Region().Reaped(addr)
	if !ok || g != f {
		h.t.Fatal("a completion names another frame")
	}
	h.pool.Moved(umem.PlaceTx, umem.PlaceStack, 1)
	h.s.Completed(h.now, []*umem.Frame{f})
}

// one takes the only packet that the stack has to send.
func (h *host) one() []byte {
	h.t.Helper()
	packets := h.sent()
	if len(packets) != 1 {
		h.t.Fatalf("%d packets were sent, not one: %x", len(packets), packets)
	}
	return packets[0]
}

// none fails if the stack has anything to send.
func (h *host) none() {
	h.t.Helper()
	if packets := h.sent(); len(packets) != 0 {
		h.t.Fatalf("%d packets were sent, not none: %x", len(packets), packets)
	}
}

// pass lets time pass, and runs the stack whenever it wants to be run.
func (h *host) pass(d umem.Time) {
	h.t.Helper()
	end := h.now + d
	for turns := 0; ; turns++ {
		at := max(h.s.Deadline(), h.now)
		if at > end {
			break
		}
		if turns > 10000 {
			h.t.Fatal("the stack never comes to rest")
		}
		h.now = at
		h.s.Expire(h.now, 64)
		h.check()
	}
	h.now = end
}

// events takes all events. Their frames are the test's to release.
func (h *host) events() []Event {
	var out [64]Event
	n := h.s.Events(out[:])
	for _, e := range out[:n] {
		if e.Kind == Datagram {
			h.lent++
		}
	}
	h.check()
	return out[:n]
}

// event takes the only event of a kind; the others are thrown away.
func (h *host) event(k Kind) Event {
	h.t.Helper()
	var found []Event
	for _, e := range h.events() {
		if e.Kind == k {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		h.t.Fatalf("%d events of kind %d, not one", len(found), k)
	}
	return found[0]
}

func (h *host) release(f *umem.Frame) {
	h.lent--
	h.s.Release(f)
	h.check()
}

// dropped fails unless exactly one frame was dropped for this reason, and none for
// another, since the last call.
func (h *host) dropped(want Reason) {
	h.t.Helper()
	for r := range numReasons {
		n := h.s.counters.Drops[r]
		expect := uint64(0)
		if r == want && want != noReason {
			expect = 1
		}
		if n != expect {
			h.t.Errorf("%d frames dropped as %s (%s), not %d", n, r, r.Meaning(), expect)
		}
	}
	h.s.counters.Drops = [NumReasons]uint64{}
	h.check()
}

// socketOf opens a datagram socket bound to an address and port.
func (h *host) socketOf(a netip.Addr, port uint16, o socket.Options) socket.Handle {
	h.t.Helper()
	s, err := h.s.Open(socket.Datagram, 0, socket.Owner{UID: 1000, GID: 100, PID: 4711})
	if err != nil {
		h.t.Fatal(err)
	}
	if err = h.s.SetOptions(s, o); err != nil {
		h.t.Fatal(err)
	}
	if err = h.s.Bind(s, netip.AddrPortFrom(a, port)); err != nil {
		h.t.Fatal(err)
	}
	return s
}

// segment is a packet as a test writes it: it names only what differs from a
// datagram from the peer's port 2000 to our port 7.
type segment struct {
	src, dst         netip.Addr
	srcMAC, dstMAC   wire.MAC
	srcPort, dstPort uint16
	payload          []byte
	proto            uint8 // with raw: the protocol of payload
	raw              bool  // payload follows the IP header
	ttl              uint8
	options          []byte // of IPv4
	fragment         bool
}

// bytes builds the packet, all checksums right.
func (g segment) bytes(f *family) []byte {
	if !g.src.IsValid() {
		g.src = f.peer
	}
	if !g.dst.IsValid() {
		g.dst = f.us
	}
	if g.srcMAC == (wire.MAC{}) {
		g.srcMAC = peerMAC
	}
	if g.dstMAC == (wire.MAC{}) {
		g.dstMAC = ourMAC
	}
	if g.srcPort == 0 {
		g.srcPort = 2000
	}
	if g.dstPort == 0 {
		g.dstPort = 7
	}
	if g.ttl == 0 {
		g.ttl = 64
	}
	body := g.payload
	if !g.raw {
		g.proto = wire.ProtoUDP
		body = make([]byte, wire.UDPLen+len(g.payload))
		wire.PutUDP(body, wire.UDPFields{SrcPort: g.srcPort, DstPort: g.dstPort, PayloadLen: len(g.payload)})
		copy(body[wire.UDPLen:], g.payload)
		wire.SealUDP(body, pseudo(g.src, g.dst, g.proto, len(body)))
	}
	return g.network(f, body)
}

func (g segment) network(f *family, body []byte) []byte {
	b := make([]byte, wire.EthernetLen, 2048)
	if f.v4 {
		wire.PutEthernet(b, wire.EthernetFields{Dst: g.dstMAC, Src: g.srcMAC, Type: wire.EtherTypeIPv4})
		h := make([]byte, wire.IPv4Len+len(g.options))
		wire.PutIPv4(h, wire.IPv4Fields{
			PayloadLen: len(body), TTL: g.ttl, Protocol: g.proto, Src: g.src.As4(), Dst: g.dst.As4(),
			Options: g.options, MF: g.fragment,
		})
		return append(append(b, h...), body...)
	}
	wire.PutEthernet(b, wire.EthernetFields{Dst: g.dstMAC, Src: g.srcMAC, Type: wire.EtherTypeIPv6})
	var ext []byte
	next := g.proto
	if g.fragment {
		ext = make([]byte, wire.FragmentLen)
		wire.PutFragment(ext, wire.FragmentFields{NextHeader: next, More: true, ID: 9})
		next = wire.ExtFragment
	}
	h := make([]byte, wire.IPv6Len)
	wire.PutIPv6(h, wire.IPv6Fields{
		PayloadLen: len(ext) + len(body), NextHeader: next, HopLimit: g.ttl, Src: g.src.As16(), Dst: g.dst.As16(),
	})
	return append(append(append(b, h...), ext...), body...)
}

// pseudo is the pseudo-header's partial sum, worked out apart from the stack's way.
func pseudo(src, dst netip.Addr, proto uint8, n int) uint32 {
	a, b := src.As16(), dst.As16()
	return checksum.PseudoV6(&a, &b, proto, uint32(n))
}

// echoRequest is an ICMP echo request of a family.
func echoRequest(f *family, g segment, id, seq uint16, data []byte) []byte {
	if !g.src.IsValid() {
		g.src = f.peer
	}
	if !g.dst.IsValid() {
		g.dst = f.us
	}
	b := make([]byte, wire.ICMPLen+len(data))
	copy(b[wire.ICMPLen:], data)
	fields := wire.ICMPFields{Type: f.echo, Rest: wire.EchoRest(id, seq)}
	if f.v4 {
		wire.PutICMPv4(b, fields)
		wire.SealICMPv4(b)
	} else {
		wire.PutICMPv6(b, fields)
		wire.SealICMPv6(b, pseudo(g.src, g.dst, f.icmp, len(b)))
	}
	g.raw, g.proto, g.payload = true, f.icmp, b
	return g.bytes(f)
}

// solicitation is what asks for an address: an ARP request, or a neighbor
// solicitation with the sender's link address.
func solicitation(f *family, from netip.Addr, mac wire.MAC, target netip.Addr) []byte {
	if f.v4 {
		return arp(wire.Broadcast, wire.ARPFields{
			Op: wire.ARPRequest, SenderMAC: mac, SenderIP: from.As4(), TargetIP: target.As4(),
		})
	}
	group := ip.FromNetip(target).SolicitedNode()
	return nd(mac, group.GroupMAC(), from, group.Netip(), wire.NDPFields{
		Type: wire.ICMPv6NeighborSolicitation, Target: target.As16(), LinkAddr: mac,
	})
}

// advertisement is the answer to our own question.
func advertisement(f *family, from netip.Addr, mac wire.MAC) []byte {
	if f.v4 {
		return arp(ourMAC, wire.ARPFields{
			Op: wire.ARPReply, SenderMAC: mac, SenderIP: from.As4(), TargetMAC: ourMAC, TargetIP: f.us.As4(),
		})
	}
	return nd(mac, ourMAC, from, f.us, wire.NDPFields{
		Type: wire.ICMPv6NeighborAdvertisement, Flags: wire.NDPSolicited | wire.NDPOverride, Target: from.As16(), LinkAddr: mac,
	})
}

func arp(dst wire.MAC, a wire.ARPFields) []byte {
	b := make([]byte, 60)
	wire.PutEthernet(b, wire.EthernetFields{Dst: dst, Src: a.SenderMAC, Type: wire.EtherTypeARP})
	wire.PutARP(b[wire.EthernetLen:], a)
	return b
}

func nd(srcMAC, dstMAC wire.MAC, src, dst netip.Addr, m wire.NDPFields) []byte {
	b := make([]byte, 64)
	n := wire.PutNDP(b, m)
	wire.SealICMPv6(n, pseudo(src, dst, wire.ProtoICMPv6, len(n)))
	g := segment{src: src, dst: dst, srcMAC: srcMAC, dstMAC: dstMAC, ttl: 255, proto: wire.ProtoICMPv6, raw: true, payload: n}
	return g.bytes(&families[1])
}

// isSolicitation reports whether b asks for target.
func isSolicitation(f *family, b []byte, target netip.Addr) bool {
	body := b[wire.EthernetLen:]
	if f.v4 {
		a, ok := wire.CheckARP(body)
		return ok && a.Op() == wire.ARPRequest && a.TargetIP() == target.As4()
	}
	if b[20] != wire.ProtoICMPv6 {
		return false
	}
	n, ok := wire.CheckNDP(body[wire.IPv6Len:])
	return ok && n.Type() == wire.ICMPv6NeighborSolicitation && n.Target() == target.As16()
}

// knowing makes a host that knows its peer's link address, and is sure of it.
func knowing(t testing.TB, f *family, setups ...setup) *host {
	t.Helper()
	h := newHost(t, setups...)
	h.learn(f, f.peer, peerMAC)
	return h
}

// learn has the stack resolve a neighbour.
func (h *host) learn(f *family, neighbour netip.Addr, mac wire.MAC) {
	h.t.Helper()
	s, err := h.s.Open(socket.Datagram, 0, socket.Owner{})
	if err != nil {
		h.t.Fatal(err)
	}
	h.send(s, netip.AddrPortFrom(neighbour, 9), nil)
	if b := h.one(); !isSolicitation(f, b, neighbour) {
		h.t.Fatalf("not a question for %v: %x", neighbour, b)
	}
	h.receive(advertisement(f, neighbour, mac))
	h.one()
	if err := h.s.Close(s); err != nil {
		h.t.Fatal(err)
	}
	h.s.counters = Counters{}
}

// send sends a datagram, which must work.
func (h *host) send(s socket.Handle, to netip.AddrPort, data []byte) {
	h.t.Helper()
	n, err := h.s.SendMsg(h.now, s, &socket.Msg{Data: data, Addr: socket.AddrFrom(to)})
	if err != nil || n != len(data) {
		h.t.Fatalf("SendMsg to %v: %d of %d octets, %v", to, n, len(data), err)
	}
	h.check()
}

// datagram checks that b is a good packet with a UDP datagram and returns its ends
// and payload.
func datagram(t testing.TB, f *family, b []byte) (src, dst netip.AddrPort, payload []byte) {
	t.Helper()
	from, to, proto, body := packetOf(t, f, b)
	u, ok := wire.CheckUDP(body)
	if proto != wire.ProtoUDP || !ok || u.Length() != len(body) {
		t.Fatalf("no UDP datagram: %x", b)
	}
	if !checksum.Valid(checksum.Sum(body, pseudo(from, to, proto, len(body)))) {
		t.Fatalf("a wrong UDP checksum: %x", b)
	}
	return netip.AddrPortFrom(from, u.SrcPort()), netip.AddrPortFrom(to, u.DstPort()), body[wire.UDPLen:]
}

// packetOf checks that b is a good IP packet of the family.
func packetOf(t testing.TB, f *family, b []byte) (src, dst netip.Addr, proto uint8, body []byte) {
	t.Helper()
	eth, ok := wire.CheckEthernet(b)
	if !ok || eth.Src() != ourMAC {
		t.Fatalf("no Ethernet frame from us: %x", b)
	}
	b = b[wire.EthernetLen:]
	if f.v4 {
		h, ok := wire.CheckIPv4(b)
		if !ok || !h.ChecksumOK() || h.TotalLen() != len(b) || eth.Type() != wire.EtherTypeIPv4 {
			t.Fatalf("a bad IPv4 packet: %x", b)
		}
		return netip.AddrFrom4(h.Src()), netip.AddrFrom4(h.Dst()), h.Protocol(), b[len(h):]
	}
	h, ok := wire.CheckIPv6(b)
	if !ok || h.TotalLen() != len(b) || eth.Type() != wire.EtherTypeIPv6 {
		t.Fatalf("a bad IPv6 packet: %x", b)
	}
	return netip.AddrFrom16(h.Src()), netip.AddrFrom16(h.Dst()), h.NextHeader(), b[wire.IPv6Len:]
}

// icmpOfPacket checks that b is a good ICMP message and returns it.
func icmpOfPacket(t testing.TB, f *family, b []byte) (dst netip.Addr, message []byte) {
	t.Helper()
	from, to, proto, body := packetOf(t, f, b)
	sum := uint32(0)
	if !f.v4 {
		sum = pseudo(from, to, proto, len(body))
	}
	if proto != f.icmp || len(body) < wire.ICMPLen || !checksum.Valid(checksum.Sum(body, sum)) {
		t.Fatalf("no good ICMP message: %x", b)
	}
	return to, body
}
