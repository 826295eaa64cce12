package stack

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// state is what the table knows of a neighbour.
func (h *host) state(a netip.Addr) link.State {
	i, ok := h.s.neigh.Find(0, ip.FromNetip(a))
	if !ok {
		return link.None
	}
	return h.s.neigh.State(i)
}

func (h *host) expectState(a netip.Addr, want link.State) {
	h.t.Helper()
	if got := h.state(a); got != want {
		h.t.Fatalf("%v is %v, not %v", a, got, want)
	}
}

func TestResolutionSendsWhatWaitedInOrder(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		s := h.socketOf(f.us, 5000, socket.Options{})
		to := netip.AddrPortFrom(f.peer, 9)
		for i := range 3 {
			h.send(s, to, []byte{byte(i)})
		}
		if b := h.one(); !isSolicitation(f, b, f.peer) {
			t.Fatalf("not a question: %x", b)
		}
		h.expectState(f.peer, link.Incomplete)
		h.receive(advertisement(f, f.peer, peerMAC))
		h.expectState(f.peer, link.Reachable)
		packets := h.sent()
		for i, b := range packets {
			if _, _, data := datagram(t, f, b); data[0] != byte(i) || wire.Ethernet(b[:14]).Dst() != peerMAC {
				t.Errorf("packet %d: data %x to % x", i, data, b[:6])
			}
		}
		if len(packets) != 3 {
			t.Errorf("%d packets sent of 3", len(packets))
		}
	})
}

// TestShutDropsWhatWaits: a stack that stops keeps no frame for a neighbour that may answer later.
func TestShutDropsWhatWaits(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		s := h.socketOf(f.us, 5000, socket.Options{})
		for range 3 {
			h.send(s, netip.AddrPortFrom(f.peer, 9), []byte("x"))
		}
		h.one() // the question
		h.s.Shut(h.now)
		if n := h.s.neigh.Pending(); n != 0 {
			t.Errorf("%d packets wait still", n)
		}
		if n := h.s.counters.Drops[NeighbourFailed]; n != 3 {
			t.Errorf("%d are counted as dropped", n)
		}
		h.none()
	})
}

// TestPendingPacketsAreBounded: the oldest goes first (RFC 4861, section 7.2.2),
// and all neighbours together have a bound.
func TestPendingPacketsAreBounded(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t, func(c *Config, _ *umem.PoolConfig) { c.Limits.PendingEach, c.Limits.Pending = 2, 3 })
		s := h.socketOf(f.us, 5000, socket.Options{})
		for i := range 5 {
			h.send(s, netip.AddrPortFrom(f.peer, 9), []byte{byte(i)})
		}
		h.sent()
		h.receive(advertisement(f, f.peer, peerMAC))
		for i, b := range h.sent() {
			if _, _, data := datagram(t, f, b); int(data[0]) != i+3 {
				t.Errorf("packet %d is number %d: the oldest are to go", i, data[0])
			}
		}
		if n := h.s.counters.Drops[PendingFull]; n != 3 {
			t.Errorf("%d packets dropped, not 3", n)
		}
		for i := range 3 { // one for each of three neighbours
			h.send(s, netip.AddrPortFrom(neighbour(f, i), 9), nil)
		}
		if _, err := h.s.SendMsg(h.now, s, &socket.Msg{Addr: socket.AddrFrom(netip.AddrPortFrom(f.other, 9))}); !errors.Is(err, socket.ENOBUFS) {
			t.Errorf("a fourth one: %v", err)
		}
	})
}

// neighbour is the i-th of many on the link.
func neighbour(f *family, i int) netip.Addr {
	if f.v4 {
		return netip.AddrFrom4([4]byte{198, 18, 0, byte(100 + i)})
	}
	b := f.us.As16()
	b[14], b[15] = 1+byte(i>>8), byte(i)
	return netip.AddrFrom16(b)
}

// TestUnresolvedNeighbourFails: three questions a second apart (RFC 4861, section
// 10; RFC 1122, section 2.3.2.1), then EHOSTUNREACH.
func TestUnresolvedNeighbourFails(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		s := h.socketOf(f.us, 5000, socket.Options{})
		if err := h.s.Connect(s, netip.AddrPortFrom(f.peer, 9)); err != nil {
			t.Fatal(err)
		}
		h.send(s, netip.AddrPort{}, []byte("anybody"))
		for i := range 3 {
			if b := h.one(); !isSolicitation(f, b, f.peer) {
				t.Fatalf("question %d: %x", i, b)
			}
			h.pass(umem.Second - 10*umem.Millisecond)
			h.none()
			h.pass(20 * umem.Millisecond)
		}
		h.none()
		if e := h.event(Failed); e.Errno != socket.EHOSTUNREACH || e.Socket != s {
			t.Errorf("event of %v", e.Errno)
		}
		h.dropped(NeighbourFailed)
		h.expectState(f.peer, link.None)
		if _, err := h.s.SendMsg(h.now, s, &socket.Msg{}); !errors.Is(err, socket.EHOSTUNREACH) {
			t.Errorf("the next call says %v", err)
		}
	})
}

func TestNeighbourAgesAndIsProbed(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		s := h.socketOf(f.us, 5000, socket.Options{})
		to := netip.AddrPortFrom(f.peer, 9)
		h.expectState(f.peer, link.Reachable)
		h.pass(46 * umem.Second)
		h.expectState(f.peer, link.Stale)
		h.none()

		h.send(s, to, nil) // used: a while to hear of it by itself
		h.expectState(f.peer, link.Delay)
		datagram(t, f, h.one())
		h.pass(4900 * umem.Millisecond)
		h.none()
		h.pass(200 * umem.Millisecond)
		h.expectState(f.peer, link.Probe)
		if b := h.one(); !isSolicitation(f, b, f.peer) || wire.Ethernet(b[:14]).Dst() != peerMAC {
			t.Fatalf("not a question by unicast: %x", b)
		}
		h.receive(advertisement(f, f.peer, peerMAC))
		h.expectState(f.peer, link.Reachable)

		h.pass(46 * umem.Second)
		h.send(s, to, nil)
		datagram(t, f, h.one())
		h.pass(5100 * umem.Millisecond)
		for range 3 {
			h.one()
			h.pass(umem.Second)
		}
		h.expectState(f.peer, link.None)
	})
}

func TestUnusedNeighbourIsForgotten(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		h.pass(599 * umem.Second)
		h.expectState(f.peer, link.Stale)
		h.pass(60 * umem.Second)
		h.expectState(f.peer, link.None)
		h.none()
	})
}

// TestConversationIsNotHeldUpByProbes: while a neighbour is probed, packets go on,
// by what is known.
func TestConversationIsNotHeldUpByProbes(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		s := h.socketOf(f.us, 5000, socket.Options{})
		asked := 0
		for range 1000 {
			h.send(s, netip.AddrPortFrom(f.peer, 9), []byte("x"))
			sent := 0
			for _, b := range h.sent() {
				if !isSolicitation(f, b, f.peer) {
					sent++
					continue
				}
				asked++
				h.receive(advertisement(f, f.peer, peerMAC))
			}
			if sent != 1 {
				t.Fatalf("%d datagrams sent, not one", sent)
			}
			h.pass(umem.Second / 2)
		}
		if asked < 5 || asked > 40 {
			t.Errorf("asked %d times in 500 seconds", asked)
		}
	})
}

// TestNeighbourThatMoves: the new link address is used at once, by cached
// destinations too.
func TestNeighbourThatMoves(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		s := h.socketOf(f.us, 5000, socket.Options{})
		to := netip.AddrPortFrom(f.peer, 9)
		h.send(s, to, nil)
		h.one()
		h.receive(solicitation(f, f.peer, otherMAC, f.us))
		h.expectState(f.peer, link.Stale)
		h.one()
		h.send(s, to, nil)
		if b := h.one(); wire.Ethernet(b[:14]).Dst() != otherMAC {
			t.Errorf("sent to % x", b[:6])
		}
	})
}

// TestAdvertisementsNobodyAskedFor: they make no entry, and confirm nothing.
func TestAdvertisementsNobodyAskedFor(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		h.receive(advertisement(f, f.peer, peerMAC))
		h.expectState(f.peer, link.None)
		h.learn(f, f.peer, peerMAC)
		h.receive(advertisement(f, f.peer, peerMAC))
		h.expectState(f.peer, link.Reachable)
		h.none()
	})
}

// TestNDAdvertisementRules is RFC 4861, section 7.2.5 for a known neighbour.
func TestNDAdvertisementRules(t *testing.T) {
	f := &families[1]
	for _, c := range []struct {
		name  string
		flags uint8
		mac   wire.MAC
		state link.State
		dst   wire.MAC
	}{
		{"solicited, the same address", wire.NDPSolicited, peerMAC, link.Reachable, peerMAC},
		{"solicited, no address", wire.NDPSolicited, wire.MAC{}, link.Reachable, peerMAC},
		{"another address without override", 0, otherMAC, link.Stale, peerMAC},
		{"solicited, another address without override", wire.NDPSolicited, otherMAC, link.Stale, peerMAC},
		{"another address, override", wire.NDPOverride, otherMAC, link.Stale, otherMAC},
		{"solicited, another address, override", wire.NDPOverride | wire.NDPSolicited, otherMAC, link.Reachable, otherMAC},
		{"unsolicited, the same address", wire.NDPOverride, peerMAC, link.Reachable, peerMAC},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := knowing(t, f)
			h.receive(nd(peerMAC, ourMAC, f.peer, f.us, wire.NDPFields{
				Type: wire.ICMPv6NeighborAdvertisement, Flags: c.flags, Target: f.peer.As16(), LinkAddr: c.mac,
			}))
			h.expectState(f.peer, c.state)
			h.send(h.socketOf(f.us, 5000, socket.Options{}), netip.AddrPortFrom(f.peer, 9), nil)
			if b := h.one(); wire.Ethernet(b[:14]).Dst() != c.dst {
				t.Errorf("sent to % x, not % x", b[:6], c.dst)
			}
		})
	}
}

func TestFullNeighbourTable(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t, func(c *Config, _ *umem.PoolConfig) {
			c.Limits.Neighbours, c.Limits.Incomplete, c.Limits.Pending = 8, 4, 100
		})
		h.learn(f, f.peer, peerMAC) // in use: is to stay
		for i := range 50 {         // a flood of strangers, who all ask for us
			h.receive(solicitation(f, neighbour(f, i), otherMAC, f.us))
			h.sent()
		}
		h.expectState(f.peer, link.Reachable)
		if n := h.s.neigh.Len(); n != 8 {
			t.Errorf("%d entries in a table of 8", n)
		}
		if h.s.neigh.Evicted != 43 {
			t.Errorf("%d entries pushed out of 43", h.s.neigh.Evicted)
		}
		s := h.socketOf(f.us, 5000, socket.Options{})
		for i := range 6 {
			_, err := h.s.SendMsg(h.now, s, &socket.Msg{Addr: socket.AddrFrom(netip.AddrPortFrom(neighbour(f, 60+i), 9))})
			if (i < 4) != (err == nil) || err != nil && !errors.Is(err, socket.ENOBUFS) {
				t.Errorf("unresolved neighbour %d of at most 4: %v", i, err)
			}
		}
		if h.s.neigh.Refused != 2 {
			t.Errorf("%d refused, not 2", h.s.neigh.Refused)
		}
	})
}

// TestReplicaAsksTheWriter plays worker 1, then worker 0, of a host with two.
func TestReplicaAsksTheWriter(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		two := func(worker int) setup {
			return func(c *Config, _ *umem.PoolConfig) { c.Worker, c.Workers = worker, 2 }
		}
		replica, writer := newHost(t, two(1)), newHost(t, two(0))
		s := replica.socketOf(f.us, 5000, socket.Options{})
		replica.send(s, netip.AddrPortFrom(f.peer, 9), []byte("hello"))
		replica.none() // it asks worker 0, not the wire
		wanted := replica.event(NeighbourWanted)
		if wanted.Neighbour.Addr.Netip() != f.peer {
			t.Fatalf("wants %v", wanted.Neighbour)
		}
		writer.s.ResolveNeighbour(writer.now, &wanted.Neighbour)
		if b := writer.one(); !isSolicitation(f, b, f.peer) {
			t.Fatalf("worker 0 sent %x", b)
		}
		writer.receive(advertisement(f, f.peer, peerMAC))
		changed := writer.event(NeighbourChanged)
		replica.s.LearnNeighbour(replica.now, &changed.Neighbour)
		replica.expectState(f.peer, link.Reachable)
		if _, _, data := datagram(t, f, replica.one()); string(data) != "hello" {
			t.Errorf("what waited was %q", data)
		}

		writer.s.ResolveNeighbour(writer.now, &wanted.Neighbour) // known: answered at once
		if e := writer.event(NeighbourChanged); e.Neighbour.State != link.Reachable || e.Neighbour.MAC != peerMAC {
			t.Errorf("answered %v", e.Neighbour)
		}
		writer.none()
	})
}

func TestReplicaHearsThatANeighbourFailed(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		two := func(worker int) setup {
			return func(c *Config, _ *umem.PoolConfig) { c.Worker, c.Workers = worker, 2 }
		}
		replica, writer := newHost(t, two(1)), newHost(t, two(0))
		s := replica.socketOf(f.us, 5000, socket.Options{})
		if err := replica.s.Connect(s, netip.AddrPortFrom(f.peer, 9)); err != nil {
			t.Fatal(err)
		}
		replica.send(s, netip.AddrPort{}, []byte("hello"))
		wanted := replica.event(NeighbourWanted)
		writer.s.ResolveNeighbour(writer.now, &wanted.Neighbour)
		writer.pass(4 * umem.Second)
		if n := len(writer.sent()); n != 3 {
			t.Errorf("asked %d times, not 3", n)
		}
		changed := writer.event(NeighbourChanged)
		replica.s.LearnNeighbour(replica.now, &changed.Neighbour)
		if e := replica.event(Failed); e.Errno != socket.EHOSTUNREACH {
			t.Errorf("failed with %v", e.Errno)
		}
		replica.dropped(NeighbourFailed)
		nonsense := link.Neighbour{Iface: 200, State: link.Reachable}
		replica.s.LearnNeighbour(replica.now, &nonsense)
		writer.s.ResolveNeighbour(writer.now, &nonsense)
	})
}

// TestNeighbourPacketsGoToTheWriter: a worker answers questions itself, and hands
// over what could change the table.
func TestNeighbourPacketsGoToTheWriter(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		for name, c := range map[string]struct {
			packet  []byte
			answers int
		}{
			"question": {solicitation(f, f.peer, peerMAC, f.us), 1},
			"answer":   {advertisement(f, f.peer, peerMAC), 0},
		} {
			h := newHost(t, func(c *Config, _ *umem.PoolConfig) { c.Worker, c.Workers = 1, 2 })
			h.receive(c.packet)
			var out [8]*umem.Frame
			n := h.s.Output(h.now, out[:])
			if n != c.answers+1 || out[0].Port != umem.PortWorker || out[0].Holds(umem.HoldTx) != 0 {
				t.Fatalf("%s: %d frames, the first to port %d", name, n, out[0].Port)
			}
			if got := fmt.Sprintf("%x", out[0].Bytes()); got != fmt.Sprintf("%x", c.packet) {
				t.Errorf("%s: handed over %s, not %x", name, got, c.packet)
			}
			h.pool.Free(out[0])
			for _, frame := range out[1:n] {
				h.transmit(frame)
			}
			h.expectState(f.peer, link.None)

			w := newHost(t, func(c *Config, _ *umem.PoolConfig) { c.Workers = 2 })
			frame := w.frame(c.packet)
			frame.Flags |= umem.FlagHandedOff
			w.input(frame)
			w.none() // answered already
		}
	})
}
