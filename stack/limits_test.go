package stack

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

func limits(change func(*Limits)) setup {
	return func(c *Config, _ *umem.PoolConfig) { change(&c.Limits) }
}

func TestReceiveQueueIsBounded(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		for _, c := range []struct {
			o    socket.Options
			want int
		}{
			{socket.Options{RecvFrames: 3}, 3},
			{socket.Options{RecvBytes: 250}, 2},
			{socket.Options{RecvBytes: 10}, 1}, // an empty queue takes one
		} {
			h := newHost(t)
			s := h.socketOf(f.us, 7, c.o)
			for range 5 {
				h.receive(segment{payload: make([]byte, 100)}.bytes(f))
			}
			so := h.s.sockets.Get(s)
			drops := uint64(5 - c.want)
			if so.Queued() != c.want || so.Drops != drops || h.s.counters.Drops[ReceiveQueueFull] != drops {
				t.Errorf("%+v: %d queued, %d dropped", c.o, so.Queued(), so.Drops)
			}
		}
	})
}

// TestReceiveQuotaOfThePool: what sockets and the application hold has a bound.
func TestReceiveQuotaOfThePool(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t, func(_ *Config, p *umem.PoolConfig) { p.ReceiveQuota = 3 })
		h.socketOf(f.us, 7, socket.Options{})
		h.socketOf(f.us, 8, socket.Options{Events: true})
		for range 2 {
			h.receive(segment{}.bytes(f), segment{dstPort: 8}.bytes(f))
		}
		h.dropped(ReceiveQuota)
		for _, e := range h.events() {
			if e.Kind == Datagram {
				h.release(e.Frame)
			}
		}
		h.receive(segment{}.bytes(f))
		h.dropped(noReason)
	})
}

func TestEventQueueIsBounded(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t, limits(func(l *Limits) { l.Events = 4 }))
		h.socketOf(f.us, 7, socket.Options{Events: true})
		queued := h.socketOf(f.us, 8, socket.Options{})
		for range 5 {
			h.receive(segment{}.bytes(f))
		}
		h.dropped(EventsFull)
		h.receive(segment{dstPort: 8}.bytes(f)) // nobody would hear that it is readable
		h.dropped(EventsFull)
		for _, e := range h.events() {
			h.release(e.Frame)
		}
		h.receive(segment{dstPort: 8}.bytes(f))
		if e := h.event(Readable); e.Socket != queued {
			t.Errorf("%v is readable", e.Socket)
		}
		h.dropped(noReason)
	})
}

func TestLostEventsAreCounted(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t, limits(func(l *Limits) { l.Events = 1 }))
		h.socketOf(f.us, 7, socket.Options{Events: true})
		h.receive(segment{}.bytes(f)) // fills the queue
		s := h.socketOf(f.us, 5000, socket.Options{})
		if err := h.s.Connect(s, netip.AddrPortFrom(f.peer, 9)); err != nil {
			t.Fatal(err)
		}
		h.receive(icmpError(f, f.portUnreach, segment{src: f.us, dst: f.peer, srcPort: 5000, dstPort: 9}.bytes(f)[14:]))
		if h.s.counters.EventsLost != 1 {
			t.Errorf("%d events lost", h.s.counters.EventsLost)
		}
		if _, err := h.s.SendMsg(h.now, s, &socket.Msg{}); !errors.Is(err, socket.ECONNREFUSED) {
			t.Errorf("the socket says %v all the same", err)
		}
		h.release(h.event(Datagram).Frame)
	})
}

// TestFullDeviceMakesAQueue and a full queue an error, never a wait.
func TestFullDeviceMakesAQueue(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f, limits(func(l *Limits) { l.Qdisc = 5 }))
		s := h.socketOf(f.us, 5000, socket.Options{})
		for i := range 7 {
			_, err := h.s.SendMsg(h.now, s, &socket.Msg{Data: []byte{byte(i)}, Addr: to(f.peer, 9)})
			if (i < 5) != (err == nil) || err != nil && !errors.Is(err, socket.ENOBUFS) {
				t.Errorf("datagram %d: %v", i, err)
			}
			h.check()
		}
		if n := h.s.counters.Drops[QdiscFull]; n != 2 {
			t.Errorf("%d dropped", n)
		}
		for i, b := range h.sent() {
			if _, _, data := datagram(t, f, b); int(data[0]) != i {
				t.Errorf("datagram %d is number %d", i, data[0])
			}
		}
		for range 7 { // the stack's own packets meet the same bound
			h.receive(solicitation(f, f.peer, peerMAC, f.us))
		}
		if n := len(h.sent()); n != 5 {
			t.Errorf("%d answers sent", n)
		}
	})
}

func TestWaitingPacketsMeetAFullQueue(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t, limits(func(l *Limits) { l.Qdisc = 2 }))
		s := h.socketOf(f.us, 5000, socket.Options{})
		for range 4 {
			h.send(s, netip.AddrPortFrom(f.peer, 9), nil)
		}
		h.one()
		h.receive(advertisement(f, f.peer, peerMAC))
		if n := len(h.sent()); n != 2 || h.s.counters.Drops[QdiscFull] != 2 {
			t.Errorf("%d sent, %d dropped", n, h.s.counters.Drops[QdiscFull])
		}
	})
}

func TestHandoffQueueIsBounded(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t, func(c *Config, _ *umem.PoolConfig) { c.Workers, c.Limits.Handoff = 2, 3 })
		for range 4 {
			h.receive(segment{dstPort: h.s.ports.High - 2}.bytes(f))
		}
		h.dropped(HandoffFull)
		var out [8]*umem.Frame
		n := h.s.Output(h.now, out[:])
		h.pool.FreeBatch(out[:n])
		if n != 3 {
			t.Errorf("%d frames handed over", n)
		}
	})
}

func TestSocketsAreBounded(t *testing.T) {
	h := newHost(t, limits(func(l *Limits) { l.Sockets, l.RawSockets = 4, 2 }))
	for i := range 6 {
		family := socket.Datagram
		if i < 3 {
			family = socket.Raw
		}
		_, err := h.s.Open(family, 17, socket.Owner{})
		if (i == 2 || i == 5) != errors.Is(err, socket.ENFILE) {
			t.Errorf("socket %d: %v", i, err)
		}
	}
}

// TestNoFrameToSendWith: quotas and floors of the pool.
func TestNoFrameToSendWith(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f, func(_ *Config, p *umem.PoolConfig) { p.SendQuota = 2 })
		s := h.socketOf(f.us, 5000, socket.Options{})
		for range 2 {
			h.send(s, netip.AddrPortFrom(f.peer, 9), nil)
		}
		if _, err := h.s.SendMsg(h.now, s, &socket.Msg{Addr: to(f.peer, 9)}); !errors.Is(err, socket.ENOBUFS) {
			t.Errorf("a third: %v", err)
		}
		if h.s.Get() != nil || h.s.counters.NoSendFrame != 2 {
			t.Errorf("%d refusals counted", h.s.counters.NoSendFrame)
		}
		h.sent()
		h.send(s, netip.AddrPortFrom(f.peer, 9), nil)
	})
}

// TestEmptyPool: with no frame left at all, questions and errors stay unanswered,
// are counted, and nothing else happens.
func TestEmptyPool(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		raw, _ := h.s.Open(socket.Raw, 200, socket.Owner{})
		packets := [][]byte{
			solicitation(f, f.peer, peerMAC, f.us), segment{dstPort: 9999}.bytes(f),
			segment{proto: 200, raw: true}.bytes(f), segment{proto: 201, raw: true}.bytes(f),
		}
		var frames []*umem.Frame
		for _, b := range packets {
			frames = append(frames, h.frame(b))
		}
		var hoard []*umem.Frame
		for {
			frame := h.pool.Get(umem.ClassReceive)
			if frame == nil {
				break
			}
			hoard = append(hoard, frame)
		}
		for _, frame := range frames { // each returns its frame to the pool: take it away again
			h.s.Input(h.now, []*umem.Frame{frame})
			hoard = append(hoard, h.pool.Get(umem.ClassReceive))
		}
		h.pool.FreeBatch(hoard)
		h.none()
		c := &h.s.counters
		if c.NoControlFrame != 3 || c.Drops[RawNoFrame] != 1 {
			t.Errorf("%d control frames and %d copies missing", c.NoControlFrame, c.Drops[RawNoFrame])
		}
		if h.s.sockets.Get(raw).Queued() != 0 {
			t.Error("a copy arrived")
		}
	})
}

// TestBadConfigurations: each a clear error.
func TestBadConfigurations(t *testing.T) {
	prefix := func(s string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(s)} }
	for name, change := range map[string]func(c *Config){
		"no pool":                 func(c *Config) { c.Pool = nil },
		"no random source":        func(c *Config) { c.Rand = nil },
		"no interface":            func(c *Config) { c.Ifaces = nil },
		"too many interfaces":     func(c *Config) { c.Ifaces = make([]Iface, 17) },
		"worker":                  func(c *Config) { c.Worker = 1 },
		"negative worker":         func(c *Config) { c.Worker = -1 },
		"too many workers":        func(c *Config) { c.Workers = 65 },
		"device":                  func(c *Config) { c.Ifaces[0].Port = 128 },
		"one device twice":        func(c *Config) { c.Ifaces = append(c.Ifaces, c.Ifaces[0]) },
		"MTU":                     func(c *Config) { c.Ifaces[0].MTU = 67 },
		"MTU for IPv6":            func(c *Config) { c.Ifaces[0].MTU, c.Ifaces[0].Addrs = 1000, prefix("2001:2::1/64") },
		"group as link address":   func(c *Config) { c.Ifaces[0].MAC[0] = 1 },
		"loopback":                func(c *Config) { c.Ifaces[0].Addrs = prefix("127.0.0.1/8") },
		"group":                   func(c *Config) { c.Ifaces[0].Addrs = prefix("ff02::1/64") },
		"nobody":                  func(c *Config) { c.Ifaces[0].Addrs = prefix("0.0.0.0/0") },
		"no address":              func(c *Config) { c.Ifaces[0].Addrs = make([]netip.Prefix, 1) },
		"an address twice":        func(c *Config) { c.Ifaces[0].Addrs = append(prefix("198.18.0.1/24"), prefix("198.18.0.1/16")...) },
		"route without prefix":    func(c *Config) { c.Routes = make([]Route, 1) },
		"route without interface": func(c *Config) { c.Routes = []Route{{Dst: prefix("198.18.0.0/15")[0], Iface: 1}} },
		"route of two families":   func(c *Config) { c.Routes = []Route{{Dst: prefix("::/0")[0], Via: addr("198.18.0.2")}} },
		"too many routes": func(c *Config) {
			for range 65 {
				c.Routes = append(c.Routes, Route{Dst: prefix("198.18.0.0/15")[0]})
			}
		},
		"too many addresses": func(c *Config) {
			for i := range 65 {
				c.Ifaces[0].Addrs = append(c.Ifaces[0].Addrs, netip.PrefixFrom(neighbour(&families[0], i), 24))
			}
		},
		"ports":          func(c *Config) { c.Limits.EphemeralHigh = 70000 },
		"no ports":       func(c *Config) { c.Limits.EphemeralLow, c.Limits.EphemeralHigh = 50000, 40000 },
		"negative limit": func(c *Config) { c.Limits.Events = -1 },
		"negative DAD":   func(c *Config) { c.DAD = -1 },
	} {
		region, _ := umem.NewRegion(make([]byte, 16*testChunk), testChunk)
		pool, err := umem.NewPool(region, umem.PoolConfig{Workers: 1, Frames: 16})
		if err != nil {
			t.Fatal(err)
		}
		c := Config{Pool: pool, Rand: rand.New(rand.NewPCG(1, 1)), Ifaces: []Iface{{Name: "a", MTU: 1500}}}
		if _, err := New(c); err != nil {
			t.Fatalf("the good one: %v", err)
		}
		change(&c)
		if _, err := New(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
