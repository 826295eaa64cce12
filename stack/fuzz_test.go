package stack

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// FuzzInput plays a script against one worker of a host: packets that are good,
// damaged or noise, in one frame or in fragments; time that passes; calls of the
// application; a device that takes little. After every step the ledger holds, and
// at the end all frames are home.
func FuzzInput(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 32 { // random scripts
		script := make([]byte, 20+rng.IntN(200))
		for i := range script {
			script[i] = byte(rng.Uint32())
		}
		f.Add(script)
	}
	for op := range byte(numOps) { // each step, with small arguments
		var script []byte
		for i := range byte(24) {
			script = append(script, op, i, i/2, 0, 0, 0, opTake, 8)
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		p := newPlayer(t, script)
		for p.more() {
			p.step()
			p.h.check()
		}
		p.end()
	})
}

// The steps of a script.
const (
	opPacket = iota // a template, damaged at one place
	opChain         // the same in fragments
	opNoise         // the script itself, as a frame
	opTime
	opTake // the device takes some
	opEvents
	opOpen
	opBind
	opConnect
	opSend
	opReceive
	opClose
	opGive      // a frame of our own
	opNeighbour // what other workers say
	opStream    // a call of a stream, or a segment for one
	numOps
)

// scriptFrames is the size of the pool that a script runs with.
const scriptFrames = 40

// TestRandomScripts plays scripts as the fuzzer does, and shows that they go
// nearly everywhere: most reasons for a drop occur.
func TestRandomScripts(t *testing.T) {
	seed := testenv.Seed(t)
	var drops [NumReasons]uint64
	for i := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, i))
		script := make([]byte, 1+rng.IntN(600))
		for i := range script {
			script[i] = byte(rng.Uint32())
		}
		p := newPlayer(t, script)
		for p.more() && !t.Failed() {
			p.step()
			p.h.check()
		}
		p.end()
		if t.Failed() {
			t.Fatalf("script %d", i)
		}
		for r, n := range p.h.s.counters.Drops {
			drops[r] += n
		}
	}
	missed := 0
	for r := noReason + 1; r < numReasons; r++ {
		if drops[r] == 0 {
			missed++
			t.Logf("no frame was dropped as %s", r)
		}
	}
	if missed > NumReasons/4 {
		t.Errorf("%d of %d reasons never occurred: the scripts miss most of the stack", missed, NumReasons-1)
	}
}

// player runs a script.
type player struct {
	h       *host
	script  []byte
	sockets [8]socket.Handle
	loans   []*umem.Frame
	events  []Event
}

func newPlayer(t *testing.T, script []byte) *player {
	p := &player{script: script}
	first := p.byte()
	p.h = newHost(t, func(c *Config, pc *umem.PoolConfig) {
		c.Rand = rand.New(rand.NewPCG(uint64(first), 3))
		c.Workers = 1 + int(first&1)
		c.Worker = int(first>>1&1) % c.Workers
		c.DAD = umem.Time(first>>2&1) * umem.Second
		c.Ifaces[0].MTU = []int{1500, 1280, 9000, 1500}[first>>4&3]
		c.Ifaces[0].Checksum = Policy(first >> 3 & 1)
		c.Limits = Limits{
			Neighbours: 6, Incomplete: 3, PendingEach: 2, Pending: 3, Qdisc: 12, Local: 5, Handoff: 4, Sockets: 6,
			RawSockets: 2, Events: 8, RecvFrames: 3, RecvBytes: 4000, Destinations: 4, ICMPErrors: 10, ICMPBurst: 4,
			EphemeralLow: 100, EphemeralHigh: 120, Streams: 6, Backlog: 2, SynBacklog: 2, FlowCache: 2,
			StreamRecvBytes: 6000, StreamSendBytes: 6000,
		}
		pc.Frames = scriptFrames
		pc.FillFloor, pc.ControlFloor, pc.SendQuota, pc.ReceiveQuota = 8, 4, 20, 6
	})
	p.listen()
	return p
}

func (p *player) more() bool { return len(p.script) > 0 }

func (p *player) byte() byte {
	if len(p.script) == 0 {
		return 0
	}
	b := p.script[0]
	p.script = p.script[1:]
	return b
}

func (p *player) step() {
	h := p.h
	switch p.byte() % numOps {
	case opPacket:
		b := p.packet()
		for range 1 + p.byte()&15 {
			p.input(b, testChunk-umem.Headroom)
		}
	case opChain:
		p.input(p.packet(), 1+int(p.byte()))
	case opNoise:
		n := min(int(p.byte())*8, len(p.script))
		b := p.script[:n]
		p.script = p.script[n:]
		p.input(b, testChunk-umem.Headroom)
	case opTime:
		h.now += umem.Time(p.byte()) * umem.Second / 8
		h.s.Expire(h.now, 1+int(p.byte()))
	case opTake:
		p.take(int(p.byte()))
	case opEvents:
		p.hear(p.byte())
	case opNeighbour:
		p.neighbour()
	case opStream:
		p.stream()
	default:
		p.call()
	}
}

// input receives b in fragments of a size, if there are frames for it.
func (p *player) input(b []byte, size int) {
	if p.h.pool.Available(umem.ClassReceive) <= len(b)/size {
		return
	}
	f := p.h.chain(b, size)
	switch p.byte() {
	case 0:
		f.Flags |= umem.FlagHandedOff
	case 1:
		f.In = 1
	}
	p.h.s.Input(p.h.now, []*umem.Frame{f})
}

// addr is one of a few addresses of both families, good and bad.
func (p *player) addr() netip.Addr {
	f := &families[p.byte()&1]
	list := []netip.Addr{
		f.us, f.peer, f.other, f.far, f.gateway, f.nowhere, f.group, f.martian, addr("127.0.0.1"), addr("::1"),
		netip.IPv4Unspecified(), netip.IPv6Unspecified(), addr("198.18.0.255"), addr("255.255.255.255"), addr("fe80::2"),
	}
	return list[int(p.byte())%len(list)]
}

// packet is a template with one damage.
func (p *player) packet() []byte {
	f := &families[p.byte()&1]
	g := segment{srcPort: 2000 + uint16(p.byte()&1), dstPort: p.port(), payload: make([]byte, int(p.byte())*8)}
	if a := p.addr(); a.Is4() == f.v4 {
		switch p.byte() & 7 {
		case 0:
			g.src = a
		case 1:
			g.dst = a
		case 2:
			g.dst, g.dstMAC = a, f.groupMAC
		}
	}
	var b []byte
	switch p.byte() % 11 {
	case 0, 1:
		b = g.bytes(f)
	case 2:
		b = echoRequest(f, segment{src: g.src, dst: g.dst, dstMAC: g.dstMAC}, 1, 1, g.payload)
	case 3:
		b = solicitation(f, f.peer, peerMAC, f.us)
	case 4:
		b = advertisement(f, []netip.Addr{f.peer, f.other, f.gateway, f.us}[p.byte()&3], otherMAC)
	case 5:
		b = icmpError(f, f.portUnreach, segment{src: f.us, dst: f.peer, srcPort: g.dstPort, dstPort: 9}.bytes(f)[14:])
	case 6:
		g.raw, g.proto = true, p.byte()
		b = g.bytes(f)
	case 7:
		g.fragment = true
		b = g.bytes(f)
	case 8:
		f, g.src, g.dst = &families[0], netip.Addr{}, netip.Addr{}
		g.options = []byte{[]byte{1, 7, 131, 137}[p.byte()&3], p.byte() & 7, 4, 0}
		b = g.bytes(f)
	case 9: // ICMP of any type and length
		body := make([]byte, int(p.byte()))
		for i := range min(len(body), 40) {
			body[i] = p.byte()
		}
		b = icmpError(f, [2]uint8{p.byte()}, body)
		if p.byte()&1 == 0 {
			b = icmp6(&families[1], b[f.header:])
		}
	case 10:
		f = &families[1]
		b = extended([]byte{0, 43, 44, 60}[p.byte()&3], 17, 0, p.byte(), p.byte(), p.byte(), 0, 0, 0)
	}
	if at := int(p.byte()) * 4; at < len(b) && p.byte()&1 == 0 {
		b[at] ^= p.byte()
	}
	if f.v4 && p.byte()&1 == 0 && len(b) > 34 && b[12] == 8 && b[13] == 0 && b[14] == 0x45 {
		reseal(b)
	}
	return b
}

// port is one of few, so that packets and sockets meet.
func (p *player) port() uint16 { return []uint16{7, 8, 104, 116, 0}[p.byte()%5] }

// take has the device take up to n frames, and the other workers what is theirs.
func (p *player) take(n int) {
	out := make([]*umem.Frame, n)
	n = p.h.s.Output(p.h.now, out)
	for _, f := range out[:n] {
		if f.Port >= umem.PortWorker {
			p.h.pool.Free(f)
			continue
		}
		p.h.transmit(f)
	}
}

// hear takes events, and answers, keeps or releases their frames.
func (p *player) hear(do byte) {
	h := p.h
	for _, e := range h.events() {
		p.events = append(p.events, e)
		if e.Kind != Datagram {
			continue
		}
		_, _, _ = e.Src().Netip(), e.Dst().Netip(), e.Frame.Bytes()
		_, _ = e.Cred()
		switch do % 4 {
		case 0:
			h.release(e.Frame)
		case 1:
			h.lent--
			_ = h.s.Reply(h.now, e.Socket, e.Frame)
		case 2:
			h.lent--
			_ = h.s.SendFrame(h.now, e.Socket, e.Frame, socket.AddrFrom(netip.AddrPortFrom(p.addr(), p.port())))
		case 3:
			p.loans = append(p.loans, e.Frame)
		}
	}
}

// call makes a call of the application on one of a few handles.
func (p *player) call() {
	h := p.h
	op, which := p.byte(), p.byte()
	s := &p.sockets[which%8]
	to := netip.AddrPortFrom(p.addr(), p.port())
	switch opOpen + op%(opGive-opOpen+1) {
	case opOpen:
		family, proto := socket.Datagram, uint8(0)
		if which > 200 {
			family, proto = socket.Raw, []uint8{1, 58, 17, 200}[which&3]
		} else if which > 100 {
			family = socket.Stream
		}
		_ = h.s.Close(*s)
		if n, err := h.s.Open(family, proto, socket.Owner{PID: uint32(which)}); err == nil {
			_ = h.s.SetOptions(n, socket.Options{Events: which&8 != 0, V6Only: which&16 != 0, Broadcast: which&32 != 0})
			*s = n
		}
	case opBind:
		_ = h.s.Bind(*s, to)
	case opConnect:
		if which > 240 {
			to = netip.AddrPort{}
		}
		_ = h.s.Connect(*s, to)
	case opSend:
		m := socket.Msg{Data: make([]byte, int(which)*10), Addr: socket.AddrFrom(to)}
		if which > 128 {
			m.Local = socket.AddrFrom(netip.AddrPortFrom(p.addr(), 0))
		}
		for range 1 + p.byte()&7 {
			_, _ = h.s.SendMsg(h.now, *s, &m)
		}
	case opReceive:
		_, _ = h.s.RecvMsg(h.now, *s, &socket.Msg{Data: make([]byte, int(which)), Flags: socket.Flags(which & 7)})
	case opClose:
		_ = h.s.Close(*s)
	case opGive:
		if f := h.s.Get(); f != nil {
			f.Put(int(which))
			if err := h.s.SendFrame(h.now, *s, f, socket.AddrFrom(to)); s.IsStream() && errors.Is(err, socket.EAGAIN) {
				h.s.Release(f)
			}
		}
	}
}

// neighbour plays the other workers.
func (p *player) neighbour() {
	h := p.h
	n := link.Neighbour{
		Addr: ip.FromNetip(p.addr()), MAC: otherMAC, Iface: p.byte() & 1, State: link.State(p.byte() % 6),
	}
	switch p.byte() % 3 {
	case 0:
		h.s.LearnNeighbour(h.now, &n)
	case 1:
		h.s.ResolveNeighbour(h.now, &n)
	case 2:
		h.s.LearnAddress(n.Addr, n.State != link.None)
	}
}

// end closes everything: then every frame is in the pool.
func (p *player) end() {
	h := p.h
	for _, s := range p.sockets {
		_ = h.s.Close(s)
	}
	h.s.Shut(h.now)
	for _, f := range p.loans {
		h.release(f)
	}
	for range 40 { // unresolved neighbours fail, local packets go round
		h.now += umem.Second
		h.s.Expire(h.now, 1000)
		p.take(64)
		p.hear(0)
	}
	h.check()
	if b := h.pool.Books(); b.Free != scriptFrames {
		h.t.Errorf("%d of %d frames are home: %+v", b.Free, scriptFrames, b)
	}
}
