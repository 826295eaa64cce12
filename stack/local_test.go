package stack

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// TestHostReachesItself, by its address and by loopback, credentials seen.
func TestHostReachesItself(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		loopback := addr(map[bool]string{true: "127.0.0.1", false: "::1"}[f.v4])
		for _, a := range []netip.Addr{f.us, loopback} {
			h := newHost(t)
			server := h.socketOf(a, 7, socket.Options{})
			owner := socket.Owner{UID: 1, GID: 2, PID: 3}
			client, err := h.s.Open(socket.Datagram, 0, owner)
			if err != nil {
				t.Fatal(err)
			}
			h.send(client, netip.AddrPortFrom(a, 7), []byte("to myself"))
			if h.s.Deadline() > h.now {
				t.Error("nothing is to do, though a packet waits")
			}
			h.s.Expire(h.now, 64)
			h.none()
			var buffer [100]byte
			m := socket.Msg{Data: buffer[:]}
			n, err := h.s.RecvMsg(h.now, server, &m)
			if err != nil || string(buffer[:n]) != "to myself" || m.Flags&socket.Local == 0 || m.Cred != owner || m.Addr.IP.Netip() != a {
				t.Fatalf("received %q from %v, credentials %v, flags %b, %v", buffer[:n], m.Addr.Netip(), m.Cred, m.Flags, err)
			}
			if _, err := h.s.SendMsg(h.now, server, &socket.Msg{Data: []byte("back"), Addr: m.Addr}); err != nil {
				t.Fatal(err)
			}
			h.s.Expire(h.now, 64)
			if n, err = h.s.RecvMsg(h.now, client, &m); err != nil || string(buffer[:n]) != "back" {
				t.Errorf("the answer is %q, %v", buffer[:n], err)
			}
			h.dropped(noReason)
		}
	})
}

// TestWireCarriesNoCredentials: what a wire delivers has none, whatever its link
// header says.
func TestWireCarriesNoCredentials(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		s := h.socketOf(f.us, 7, socket.Options{})
		h.receive(segment{}.bytes(f))
		m := socket.Msg{}
		if _, err := h.s.RecvMsg(h.now, s, &m); err != nil || m.Flags&socket.Local != 0 || m.Cred != (socket.Owner{}) {
			t.Errorf("credentials %v, flags %b, %v", m.Cred, m.Flags, err)
		}
	})
}

func TestRefusalOfAnOwnPort(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		s, _ := h.s.Open(socket.Datagram, 0, socket.Owner{})
		if err := h.s.Connect(s, netip.AddrPortFrom(f.us, 9999)); err != nil {
			t.Fatal(err)
		}
		h.send(s, netip.AddrPort{}, []byte("anybody"))
		h.pass(umem.Millisecond)
		if e := h.event(Failed); e.Errno != socket.ECONNREFUSED {
			t.Errorf("failed with %v", e.Errno)
		}
	})
}

func TestPingOfOneself(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		s, err := h.s.Open(socket.Raw, f.icmp, socket.Owner{})
		if err != nil {
			t.Fatal(err)
		}
		request := make([]byte, wire.ICMPLen)
		wire.PutICMPv4(request, wire.ICMPFields{Type: f.echo, Rest: 42})
		wire.SealICMPv4(request)
		if _, err = h.s.SendMsg(h.now, s, &socket.Msg{Data: request, Addr: to(f.us, 0)}); err != nil {
			t.Fatal(err)
		}
		h.pass(umem.Millisecond)
		var kinds []byte
		var buffer [100]byte
		m := socket.Msg{Data: buffer[:]}
		for {
			if _, err := h.s.RecvMsg(h.now, s, &m); err != nil {
				break
			}
			kinds = append(kinds, buffer[0])
			if buffer[0] == f.echoReply && (m.Flags&socket.Local == 0 || m.Cred != nobody) {
				t.Errorf("the answer comes from %v", m.Cred)
			}
		}
		if string(kinds) != string([]byte{f.echo, f.echoReply}) {
			t.Errorf("heard types %v", kinds)
		}
	})
}

// TestLocalDeliveryHasABudget: a host that talks to itself does not starve others.
func TestLocalDeliveryHasABudget(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t, func(c *Config, _ *umem.PoolConfig) { c.Limits.Local = 10 })
		s := h.socketOf(f.us, 7, socket.Options{})
		for i := range 12 {
			_, err := h.s.SendMsg(h.now, s, &socket.Msg{Addr: to(f.us, 7)})
			if (i < 10) != (err == nil) || err != nil && !errors.Is(err, socket.ENOBUFS) {
				t.Errorf("datagram %d: %v", i, err)
			}
		}
		if n := h.s.counters.Drops[LocalFull]; n != 2 {
			t.Errorf("%d dropped", n)
		}
		for _, want := range []int{7, 4, 1, 0} {
			h.s.Expire(h.now, 3)
			if h.s.local.Len() != want {
				t.Fatalf("%d packets wait, not %d", h.s.local.Len(), want)
			}
			h.check()
		}
		h.events()
		if h.s.Deadline() <= h.now {
			t.Error("something is to do, though nothing waits")
		}
	})
}

// TestDatagramOfAnotherWorker: the port names the owner.
func TestDatagramOfAnotherWorker(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		worker := func(n int) setup {
			return func(c *Config, _ *umem.PoolConfig) { c.Worker, c.Workers = n, 3 }
		}
		owner := newHost(t, worker(2))
		s, _ := owner.s.Open(socket.Datagram, 0, socket.Owner{})
		if err := owner.s.Connect(s, netip.AddrPortFrom(f.peer, 2000)); err != nil {
			t.Fatal(err)
		}
		local, _ := owner.s.LocalAddr(s)
		packet := segment{dstPort: local.Port, payload: []byte("for two")}.bytes(f)

		h := newHost(t, worker(1))
		h.receive(packet)
		var out [2]*umem.Frame
		if n := h.s.Output(h.now, out[:]); n != 1 || out[0].Port != umem.PortWorker+2 || string(out[0].Bytes()) != string(packet) {
			t.Fatalf("%d frames handed over", n)
		}
		h.pool.Free(out[0])
		h.dropped(noReason)

		handed := owner.frame(packet)
		handed.Flags |= umem.FlagHandedOff
		owner.input(handed)
		owner.event(Readable)

		nobody := owner.frame(segment{dstPort: h.s.ports.Low}.bytes(f)) // would be worker 0's
		nobody.Flags |= umem.FlagHandedOff
		owner.input(nobody)
		owner.dropped(NoSocket)
		h.receive(segment{dstPort: 9999}.bytes(f)) // nobody's
		h.dropped(NoSocket)
	})
}

// TestICMPErrorOfAnotherWorker: an error follows the port that it quotes.
func TestICMPErrorOfAnotherWorker(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t, func(c *Config, _ *umem.PoolConfig) { c.Workers = 2 })
		port := h.s.ports.High - 2
		packet := icmpError(f, f.portUnreach, segment{src: f.us, dst: f.peer, srcPort: port}.bytes(f)[wire.EthernetLen:])
		h.receive(packet)
		var out [2]*umem.Frame
		if n := h.s.Output(h.now, out[:]); n != 1 || out[0].Port != umem.PortWorker+1 || string(out[0].Bytes()) != string(packet) {
			t.Fatalf("%d frames handed over", n)
		}
		h.pool.Free(out[0])
	})
}

// TestAnswerToAHandedOverFrameCanBeHandedOver: the mark is of the way in, not of
// the frame.
func TestAnswerToAHandedOverFrameCanBeHandedOver(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t, func(c *Config, _ *umem.PoolConfig) { c.Worker, c.Workers = 1, 2 })
		s := h.socketOf(f.us, 7, socket.Options{Events: true})
		frame := h.frame(segment{src: f.us, srcPort: h.s.ports.Low}.bytes(f))
		frame.Flags |= umem.FlagLocal | umem.FlagHandedOff
		h.input(frame)
		if err := h.s.Reply(h.now, s, h.event(Datagram).Frame); err != nil {
			t.Fatal(err)
		}
		h.lent--
		h.s.Expire(h.now, 64)
		var out [2]*umem.Frame
		if n := h.s.Output(h.now, out[:]); n != 1 || out[0].Port != umem.PortWorker {
			t.Fatalf("%d frames handed over", n)
		}
		h.pool.Free(out[0])
	})
}
