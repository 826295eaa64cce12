package stack

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
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
	region, err := umem.NewRegion(make([]byte, pc.Frames*testChunk), testChunk)
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
		at := max(h.deadline(), h.now)
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

// deadline is the stack's, but for events that wait: tests take those when they like.
func (h *host) deadline() umem.Time {
	if h.s.started && h.s.local.Len() == 0 {
		return h.s.wheel.Deadline()
	}
	return h.s.Deadline()
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
