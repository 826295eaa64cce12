package tcp

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/table"
	"github.com/xdpstack/xdpstack/stack/wheel"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// Control bits as tests write them.
const (
	fin = wire.TCPFin
	syn = wire.TCPSyn
	rst = wire.TCPRst
	psh = wire.TCPPsh
	ack = wire.TCPAck
)

// seg is a segment: of one that arrives seq counts from the peer's initial number and ack from ours, of
// one that is sent the reverse. What a test does not name is 0: no payload, and any window.
type seg struct {
	flags    wire.TCPFlags
	seq, ack int
	n        int // octets of payload
	wnd      int // as in the header; of one that arrives 0 means 65535
	opts     string
}

// String leaves out what is 0.
func (s seg) String() string {
	return fmt.Sprintf("{%05b seq %d ack %d n %d wnd %d opts %x}", s.flags, s.seq, s.ack, s.n, s.wnd, s.opts)
}

// shut as a window is a closed one.
const shut = -1

// rig is a table whose peer and wire a test plays, in virtual time.
type rig struct {
	t     testing.TB
	tab   *Table
	pool  *umem.Pool
	wheel *wheel.Wheel
	count Counters
	now   umem.Time

	us, peer socket.Addr
	iss, irs Seq // initial numbers: ours, the peer's
	dest     ip.Dest
	mtu      int

	h, listener socket.Handle
	sent        []seg
	stay        bool // what is sent stays with the device
	inTx        []*umem.Frame
	lent        []*umem.Frame
	heard       Ready
	errno       socket.Errno
	stuffed     bool // the queue before the device is full
}

// kinds are the addresses and initial numbers that tests run with.
var kinds = []struct {
	name     string
	us, peer string
	iss, irs Seq
}{
	{"IPv4", "198.18.0.1", "198.18.0.2", 1000, 5000},
	{"IPv6", "2001:2::1", "2001:2::2", 1000, 5000},
	{"our numbers wrap", "198.18.0.1", "198.18.0.2", 0xfffffc00, 5000},
	{"the peer's numbers wrap", "2001:2::1", "2001:2::2", 1000, 0xfffffffe},
}

// each runs a test for both families, and with numbers that wrap.
func each(t *testing.T, test func(t *testing.T, r *rig)) {
	for i := range kinds {
		t.Run(kinds[i].name, func(t *testing.T) { test(t, newRig(t, i, func(*Config) {})) })
	}
}

const (
	rigFrames = 512
	rigChunk  = 2048
	rigMSS    = 1000 // that the peer names
)

func newRig(t testing.TB, kind int, change func(*Config)) *rig {
	t.Helper()
	k := &kinds[kind]
	region, err := umem.NewRegion(make([]byte, rigFrames*rigChunk), rigChunk)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, now: 1000 * umem.Second, iss: k.iss, irs: k.irs, mtu: 1500}
	r.us = socket.AddrFrom(netip.AddrPortFrom(netip.MustParseAddr(k.us), 80))
	r.peer = socket.AddrFrom(netip.AddrPortFrom(netip.MustParseAddr(k.peer), 9999))
	r.pool, err = umem.NewPool(region, umem.PoolConfig{Workers: 1, Frames: rigFrames, SendQuota: rigFrames, ReceiveQuota: rigFrames})
	if err != nil {
		t.Fatal(err)
	}
	n := uint64(1)
	cfg := Config{
		Pool: r.pool, Net: r, Count: &r.count,
		Secret: table.NewSecret(func() uint64 { n *= 0x9e3779b97f4a7c15; return n }),
		Ports:  socket.Ports{Low: 40000, High: 40099, Workers: 1},
		ISN:    func(umem.Time, socket.Addr, socket.Addr) uint32 { return uint32(k.iss) },

		Streams: 16, Backlog: 4, SynBacklog: 4, RecvBytes: 1 << 18, SendBytes: 1 << 16,
		RTOMin: 200 * umem.Millisecond, TimeWait: 60 * umem.Second,
	}
	change(&cfg)
	r.wheel = wheel.New(cfg.Streams, 0)
	cfg.Wheel = r.wheel
	r.tab = New(cfg)
	t.Cleanup(r.check)
	return r
}

// Route implements Net.
func (r *rig) Route(_ umem.Time, dst, src ip.Addr, iface uint8) (*ip.Dest, socket.Errno) {
	key := ip.DestKey{Dst: dst, Src: src, Iface: iface}
	r.dest = ip.Dest{Key: key, Src: key.Src, MTU: uint16(r.mtu), Gen: 1}
	r.dest.SetHeader([6]byte{2}, [6]byte{4})
	return &r.dest, 0
}

// Room implements Net.
func (r *rig) Room() bool { return !r.stuffed }

// Emit implements Net: it checks the segment, and notes it.
func (r *rig) Emit(_ umem.Time, f *umem.Frame, d *ip.Dest, _ *socket.Owner) socket.Errno {
	b := f.Bytes()[d.Size:]
	if !checksum.Valid(checksum.Sum(b, d.Pseudo(wire.ProtoTCP, len(b)))) {
		r.t.Error("a segment with a wrong checksum")
	}
	h, ok := wire.CheckTCP(b)
	if !ok {
		r.t.Fatal("a segment without a header")
	}
	s := seg{flags: h.Flags(), seq: Seq(h.Seq()).Sub(r.iss), n: len(b) - len(h), wnd: int(h.Window()), opts: string(h.Options())}
	if s.flags.Has(ack) {
		s.ack = Seq(h.Ack()).Sub(r.irs)
	}
	r.sent = append(r.sent, s)
	if r.stay {
		r.inTx = append(r.inTx, f)
		return 0
	}
	r.pool.Release(f, umem.HoldTx)
	return 0
}

// complete has the device let go of all frames.
func (r *rig) complete() {
	r.pool.ReleaseBatch(r.inTx, umem.HoldTx)
	r.inTx = nil
	r.tab.Completed()
}

// check holds the ledger.
func (r *rig) check() {
	r.t.Helper()
	var h umem.Holders
	h.Holds[umem.HoldReceive], h.Holds[umem.HoldRetransmit] = r.tab.Received(), r.tab.Held()
	h.Holds[umem.HoldTx], h.Holds[umem.HoldApp] = len(r.inTx), len(r.lent)
	if err := r.pool.Balance(&h); err != nil {
		r.t.Error(err)
	}
	if err := r.pool.Audit(); err != nil {
		r.t.Error(err)
	}
	if len(r.sent) != 0 {
		r.t.Errorf("sent and not asked for: %v", r.sent)
	}
}

// arrive gives the table a segment from the peer.
func (r *rig) arrive(s seg) Fate { return r.arriveFrom(r.peer, s) }

func (r *rig) arriveFrom(peer socket.Addr, s seg) Fate {
	r.t.Helper()
	f := r.pool.Get(umem.ClassReceive)
	if f == nil {
		r.t.Fatal("no frame for a segment")
	}
	copy(f.Put(s.n), octets(s.seq, s.n))
	h := Header{Seq: r.irs.Add(s.seq), Flags: s.flags, Window: uint16(s.wnd), Len: s.n, Options: wire.Options(s.opts)}
	switch s.wnd {
	case 0:
		h.Window = 65535
	case shut:
		h.Window = 0
	}
	if s.flags.Has(ack) {
		h.Ack = r.iss.Add(s.ack)
	}
	i, ok := r.tab.Find(r.us, peer)
	if !ok {
		i, ok = r.tab.FindListener(r.us)
	}
	fate := Unwanted
	if ok {
		fate = r.tab.Arrive(r.now, r.tab.At(i), f, &h, r.us, peer, 0)
	} else {
		r.tab.Reset(r.now, &h, r.us, peer, 0)
	}
	if fate != Kept {
		r.pool.Free(f)
	}
	return fate
}

// octets is what the octets of a stream are.
func octets(at, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((at + i) * 31 >> 2)
	}
	return b
}

// sends flushes, and compares what was sent.
func (r *rig) sends(want ...seg) {
	r.t.Helper()
	r.tab.Flush(r.now)
	for i, w := range want {
		if i >= len(r.sent) {
			r.t.Fatalf("%d segments were sent, not %d: %v", len(r.sent), len(want), r.sent)
		}
		g := r.sent[i]
		if w.wnd == 0 {
			g.wnd = 0
		} else if w.wnd == shut {
			w.wnd = 0
		}
		if w.opts == "" {
			g.opts = ""
		}
		if g.flags &^= psh &^ w.flags; g != w {
			r.t.Fatalf("segment %d of %d is %v, not %v", i, len(r.sent), g, w)
		}
	}
	if len(r.sent) > len(want) {
		r.t.Fatalf("%d segments more than the %d expected: %v", len(r.sent)-len(want), len(want), r.sent[len(want):])
	}
	r.sent = nil
	r.hear()
}

// hear takes the events.
func (r *rig) hear() {
	for r.tab.Events() {
		h, ready, errno, _ := r.tab.Told()
		if h != r.listener {
			r.heard |= ready
			if ready&ReadyClosed != 0 {
				r.errno = errno
			}
		}
	}
}

// hears takes what was told since the last call.
func (r *rig) hears(want Ready, errno socket.Errno) {
	r.t.Helper()
	r.hear()
	if r.heard != want || r.errno != errno {
		r.t.Fatalf("heard %07b and %v, not %07b and %v", r.heard, r.errno, want, errno)
	}
	r.heard, r.errno = 0, 0
}

// pass lets time pass; timers run when they are due, and what they have to send goes out.
func (r *rig) pass(d umem.Time) {
	r.t.Helper()
	end := r.now + d
	var due [8]uint32
	for turns := 0; turns < 10000; turns++ {
		at := max(r.wheel.Deadline(), r.now)
		if at > end {
			r.now = end
			return
		}
		r.now = at
		for _, i := range due[:r.wheel.Expire(r.now, 8, due[:])] {
			r.tab.Timer(r.now, i)
		}
		r.tab.Flush(r.now)
	}
	r.t.Fatal("timers never come to rest")
}

// conn is the connection, which must be there.
func (r *rig) conn() *Conn {
	r.t.Helper()
	i, ok := r.tab.Find(r.us, r.peer)
	if !ok {
		r.t.Fatal("the connection is gone")
	}
	return r.tab.At(i)
}

// in fails unless the connection is in a state; Closed: gone.
func (r *rig) in(want State) {
	r.t.Helper()
	if i, ok := r.tab.Find(r.us, r.peer); ok != (want != Closed) || ok && r.tab.At(i).state != want {
		got := Closed
		if ok {
			got = r.tab.At(i).state
		}
		r.t.Fatalf("in state %v, not %v", got, want)
	}
}

func (r *rig) must(e socket.Errno) {
	r.t.Helper()
	if e != 0 {
		r.t.Fatal(e)
	}
}

// gone fails unless all slots but the listener's are free.
func (r *rig) gone() {
	r.t.Helper()
	n := 0
	if r.listener.Gen != 0 {
		n = 1
	}
	if r.tab.Len() != n {
		r.t.Fatalf("%d slots are in use, not %d", r.tab.Len(), n)
	}
}
