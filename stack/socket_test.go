package stack

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

func to(a netip.Addr, port uint16) socket.Addr { return socket.AddrFrom(netip.AddrPortFrom(a, port)) }

// TestSendMsgChecksInOrder: buffer, socket, size, destination, as sock_sendmsg.
// Each call is wrong in all that comes later too.
func TestSendMsgChecksInOrder(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		s := h.socketOf(f.us, 5000, socket.Options{})
		stale := socket.Handle{Index: s.Index, Gen: s.Gen + 2}
		big, huge := make([]byte, 1473), make([]byte, 70000)
		if !f.v4 {
			big = big[:1453]
		}
		for _, c := range []struct {
			name   string
			handle socket.Handle
			msg    socket.Msg
			want   error
		}{
			{"length beyond the buffer", stale, socket.Msg{Len: 1}, socket.EFAULT},
			{"length beyond the buffer, huge", stale, socket.Msg{Data: huge, Len: 70001}, socket.EFAULT},
			{"negative length", stale, socket.Msg{Data: huge, Len: -1}, socket.EFAULT},
			{"stale handle", stale, socket.Msg{Data: huge}, socket.EBADF},
			{"no handle", socket.Handle{}, socket.Msg{Data: huge}, socket.EBADF},
			{"a handle of nowhere", socket.Handle{Index: 1 << 30, Gen: 1}, socket.Msg{Data: huge}, socket.EBADF},
			{"more than UDP can say", s, socket.Msg{Data: huge}, socket.EMSGSIZE},
			{"no destination", s, socket.Msg{Data: big}, socket.EDESTADDRREQ},
			{"no port", s, socket.Msg{Data: big, Addr: to(f.peer, 0)}, socket.EINVAL},
			{"the other family", s, socket.Msg{Data: big, Addr: to(families[map[bool]int{true: 1, false: 0}[f.v4]].peer, 9)}, socket.EAFNOSUPPORT},
			{"a source that is not ours", s, socket.Msg{Data: big, Addr: to(f.peer, 9), Local: to(f.other, 0)}, socket.EADDRNOTAVAIL},
			{"no route", s, socket.Msg{Data: big, Addr: to(f.nowhere, 9)}, socket.ENETUNREACH},
			{"nobody", s, socket.Msg{Data: big, Addr: to(map[bool]ip.Addr{true: ip.Any4, false: ip.Any6}[f.v4].Netip(), 9)}, socket.ENETUNREACH},
			{"more than the MTU", s, socket.Msg{Data: big, Addr: to(f.peer, 9)}, socket.EMSGSIZE},
			{"as much as the MTU", s, socket.Msg{Data: big[1:], Addr: to(f.peer, 9)}, nil},
			{"a part of the buffer", s, socket.Msg{Data: big, Len: 5, Addr: to(f.peer, 9)}, nil},
			{"nothing at all", s, socket.Msg{Addr: to(f.peer, 9)}, nil},
		} {
			n, err := h.s.SendMsg(h.now, c.handle, &c.msg)
			if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%s: %v, not %v", c.name, err, c.want)
			}
			if err != nil {
				h.none()
				continue
			}
			_, _, payload := datagram(t, f, h.one())
			if len(payload) != n {
				t.Errorf("%s: %d octets sent, %d said", c.name, len(payload), n)
			}
		}
	})
}

func TestUnboundSocketGetsAPortOfThisWorker(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		seen := map[uint16]bool{}
		for worker := range 4 {
			h := newHost(t, func(c *Config, _ *umem.PoolConfig) {
				c.Worker, c.Workers = worker, 4
				c.Limits.EphemeralLow, c.Limits.EphemeralHigh = 40000, 40043
			})
			for i := range 12 {
				s, err := h.s.Open(socket.Datagram, 0, socket.Owner{})
				if err != nil {
					t.Fatal(err)
				}
				err = h.s.Connect(s, netip.AddrPortFrom(f.peer, 9))
				if (i < 11) != (err == nil) || err != nil && !errors.Is(err, socket.EADDRINUSE) {
					t.Fatalf("worker %d, socket %d: %v", worker, i, err)
				}
				if err != nil {
					break
				}
				a, err := h.s.LocalAddr(s)
				if err != nil || a.IP.Netip() != f.us || seen[a.Port] {
					t.Errorf("worker %d, socket %d: bound to %v, %v", worker, i, a.Netip(), err)
				}
				if w, ok := h.s.ports.WorkerOf(a.Port); !ok || w != worker {
					t.Errorf("port %d of worker %d is worker %d's", a.Port, worker, w)
				}
				seen[a.Port] = true
			}
		}
		if len(seen) != 44 {
			t.Errorf("%d ports of 44 given out", len(seen))
		}
	})
}

func TestConnectedSocketHearsItsPeerOnly(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		s := h.socketOf(f.us, 7, socket.Options{})
		if err := h.s.Connect(s, netip.AddrPortFrom(f.peer, 2000)); err != nil {
			t.Fatal(err)
		}
		h.receive(segment{srcPort: 2001}.bytes(f))
		h.dropped(NoSocket)
		h.receive(segment{}.bytes(f))
		h.event(Readable)
		if _, err := h.s.SendMsg(h.now, s, &socket.Msg{Addr: to(f.other, 9)}); !errors.Is(err, socket.EISCONN) {
			t.Errorf("sending elsewhere: %v", err)
		}
		if p, err := h.s.Peer(s); err != nil || p.Netip() != netip.AddrPortFrom(f.peer, 2000) {
			t.Errorf("the peer is %v, %v", p, err)
		}
		if err := h.s.Connect(s, netip.AddrPort{}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.s.Peer(s); !errors.Is(err, socket.ENOTCONN) {
			t.Errorf("the peer after it was dissolved: %v", err)
		}
		h.receive(segment{srcPort: 2001}.bytes(f))
		h.dropped(noReason)
	})
}

func TestTheMostSpecificSocketIsFound(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		events := socket.Options{Events: true}
		special := h.socketOf(f.us, 7, events)
		if err := h.s.Connect(special, netip.AddrPortFrom(f.peer, 2000)); err != nil {
			t.Fatal(err)
		}
		h.receive(segment{}.bytes(f))
		if e := h.event(Datagram); e.Socket != special {
			t.Errorf("heard by %v", e.Socket)
		} else {
			h.release(e.Frame)
		}
		s, err := h.s.Open(socket.Datagram, 17, socket.Owner{})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.s.Bind(s, netip.AddrPortFrom(f.us, 7)); !errors.Is(err, socket.EADDRINUSE) {
			t.Errorf("binding a second: %v", err)
		}
		if err := h.s.Bind(s, netip.AddrPortFrom(netip.IPv6Unspecified(), 7)); !errors.Is(err, socket.EADDRINUSE) {
			t.Errorf("binding the wildcard: %v", err)
		}
	})
}

// TestWildcardsOfBothFamilies: "::" takes both, unless V6Only says otherwise, and
// then "0.0.0.0" has room beside it.
func TestWildcardsOfBothFamilies(t *testing.T) {
	any4, any6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	h := newHost(t)
	both := h.socketOf(any6, 7, socket.Options{})
	for i := range families {
		h.receive(segment{}.bytes(&families[i]))
		h.dropped(noReason)
	}
	if n := h.s.sockets.Get(both).Queued(); n != 2 {
		t.Errorf("%d datagrams of two arrived", n)
	}
	s, _ := h.s.Open(socket.Datagram, 0, socket.Owner{})
	if err := h.s.Bind(s, netip.AddrPortFrom(any4, 7)); !errors.Is(err, socket.EADDRINUSE) {
		t.Errorf("0.0.0.0 beside ::: %v", err)
	}
	if err := h.s.SetOptions(both, socket.Options{V6Only: true}); !errors.Is(err, socket.EINVAL) {
		t.Errorf("V6Only on a bound socket: %v", err)
	}
	if err := h.s.Close(both); err != nil {
		t.Fatal(err)
	}
	six := h.socketOf(any6, 7, socket.Options{V6Only: true})
	h.s.counters.Drops = [NumReasons]uint64{} // of those that waited
	h.receive(segment{}.bytes(&families[0]))
	h.dropped(NoSocket)
	four := h.socketOf(any4, 7, socket.Options{})
	h.receive(segment{}.bytes(&families[0]), segment{}.bytes(&families[1]))
	if n, m := h.s.sockets.Get(six).Queued(), h.s.sockets.Get(four).Queued(); n != 1 || m != 1 {
		t.Errorf("%d and %d datagrams, not one each", n, m)
	}
	if _, err := h.s.SendMsg(h.now, six, &socket.Msg{Addr: to(families[0].peer, 9)}); !errors.Is(err, socket.EAFNOSUPPORT) {
		t.Errorf("IPv4 from a V6Only socket: %v", err)
	}
}

func TestBindErrors(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		s := h.socketOf(f.us, 7, socket.Options{})
		if err := h.s.Bind(s, netip.AddrPortFrom(f.us, 8)); !errors.Is(err, socket.EINVAL) {
			t.Errorf("binding twice: %v", err)
		}
		for _, c := range []struct {
			err, want error
		}{
			{h.s.Bind(socket.Handle{}, netip.AddrPort{}), socket.EBADF},
			{h.s.Connect(socket.Handle{}, netip.AddrPort{}), socket.EBADF},
			{h.s.Close(socket.Handle{}), socket.EBADF},
			{h.s.SetOptions(socket.Handle{}, socket.Options{}), socket.EBADF},
			{h.s.Connect(s, netip.AddrPortFrom(f.nowhere, 9)), socket.ENETUNREACH},
			{h.s.Connect(s, netip.AddrPortFrom(f.peer, 0)), socket.EINVAL},
		} {
			if !errors.Is(c.err, c.want) {
				t.Errorf("%v, not %v", c.err, c.want)
			}
		}
		u, _ := h.s.Open(socket.Datagram, 0, socket.Owner{})
		if err := h.s.Bind(u, netip.AddrPortFrom(f.other, 7)); !errors.Is(err, socket.EADDRNOTAVAIL) {
			t.Errorf("another's address: %v", err)
		}
		for _, c := range []struct {
			family socket.Family
			proto  uint8
		}{{0, 0}, {socket.Datagram, 6}, {socket.Raw, 0}, {99, 17}} {
			if _, err := h.s.Open(c.family, c.proto, socket.Owner{}); !errors.Is(err, socket.EPROTONOSUPPORT) {
				t.Errorf("family %d, protocol %d: %v", c.family, c.proto, err)
			}
		}
	})
}

func TestPeekAndTrunc(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		s := h.socketOf(f.us, 7, socket.Options{})
		h.receive(segment{payload: []byte("0123456789")}.bytes(f))
		for _, c := range []struct {
			flags socket.Flags
			size  int
			n     int
			out   socket.Flags
			err   error
		}{
			{socket.Peek, 4, 4, socket.Trunc, nil},
			{socket.Peek | socket.Trunc, 4, 10, socket.Trunc, nil},
			{socket.Peek | socket.DontWait, 20, 10, 0, nil},
			{socket.Trunc, 0, 10, socket.Trunc, nil},
			{0, 20, 0, 0, socket.EAGAIN},
			{socket.DontWait, 20, 0, socket.DontWait, socket.EAGAIN},
		} {
			buffer := make([]byte, c.size)
			m := socket.Msg{Data: buffer, Flags: c.flags}
			n, err := h.s.RecvMsg(h.now, s, &m)
			if n != c.n || m.Flags != c.out || !errors.Is(err, c.err) {
				t.Errorf("flags %b, %d octets of room: %d, flags %b, %v", c.flags, c.size, n, m.Flags, err)
			}
		}
		if _, err := h.s.RecvMsg(h.now, socket.Handle{}, &socket.Msg{}); !errors.Is(err, socket.EBADF) {
			t.Errorf("no handle: %v", err)
		}
	})
}

func TestClosedSocketFreesWhatWaited(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		s := h.socketOf(f.us, 7, socket.Options{})
		h.receive(segment{}.bytes(f))
		if err := h.s.Close(s); err != nil {
			t.Fatal(err)
		}
		h.dropped(SocketClosed)
		h.receive(segment{}.bytes(f))
		h.dropped(NoSocket)
		again := h.socketOf(f.us, 7, socket.Options{})
		if again.Index != s.Index || again.Gen == s.Gen {
			t.Errorf("the slot is reused as %v after %v", again, s)
		}
		if _, err := h.s.RecvMsg(h.now, s, &socket.Msg{}); !errors.Is(err, socket.EBADF) {
			t.Errorf("the old handle: %v", err)
		}
	})
}

// TestRawSocketsHearEcho: a ping client: it sends a request and gets the answer,
// whoever else gets a copy too.
func TestRawSocketsHearEcho(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		raw := func() socket.Handle {
			s, err := h.s.Open(socket.Raw, f.icmp, socket.Owner{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		a, b, picky := raw(), raw(), raw()
		if err := h.s.Connect(picky, netip.AddrPortFrom(f.other, 0)); err != nil {
			t.Fatal(err)
		}
		request := make([]byte, wire.ICMPLen+4)
		wire.PutICMPv4(request, wire.ICMPFields{Type: f.echo, Rest: wire.EchoRest(1, 2)})
		if f.v4 {
			wire.SealICMPv4(request)
		}
		if _, err := h.s.SendMsg(h.now, a, &socket.Msg{Data: request, Addr: to(f.peer, 0)}); err != nil {
			t.Fatal(err)
		}
		if dst, m := icmpOfPacket(t, f, h.one()); dst != f.peer || m[0] != f.echo {
			t.Errorf("sent %x to %v", m, dst)
		}
		reply := echoRequest(f, segment{}, 1, 2, []byte("data"))
		wire.ICMPv4(reply[f.header : f.header+8]).SetType(f.echoReply)
		if m := reply[f.header:]; f.v4 {
			wire.SealICMPv4(m)
		} else {
			wire.SealICMPv6(m, pseudo(f.peer, f.us, f.icmp, len(m)))
		}
		h.receive(reply)
		for _, s := range []socket.Handle{a, b} {
			var buffer [100]byte
			m := socket.Msg{Data: buffer[:]}
			n, err := h.s.RecvMsg(h.now, s, &m)
			if err != nil || n != wire.ICMPLen+4 || buffer[0] != f.echoReply || m.Addr.IP.Netip() != f.peer || m.Addr.Port != 0 {
				t.Errorf("received %x from %v, %v", buffer[:n], m.Addr.Netip(), err)
			}
		}
		if _, err := h.s.RecvMsg(h.now, picky, &socket.Msg{}); !errors.Is(err, socket.EAGAIN) {
			t.Errorf("connected elsewhere: %v", err)
		}
		h.none()
	})
}

func TestRawSocketOfAnyProtocol(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		s, err := h.s.Open(socket.Raw, 200, socket.Owner{})
		if err != nil {
			t.Fatal(err)
		}
		h.receive(segment{proto: 200, raw: true, payload: []byte("two hundred")}.bytes(f))
		h.none() // no error about it
		h.dropped(noReason)
		var buffer [100]byte
		if n, err := h.s.RecvMsg(h.now, s, &socket.Msg{Data: buffer[:]}); err != nil || string(buffer[:n]) != "two hundred" {
			t.Errorf("received %q, %v", buffer[:n], err)
		}
		if _, err := h.s.SendMsg(h.now, s, &socket.Msg{Data: []byte("x"), Addr: to(f.peer, 0)}); err != nil {
			t.Error(err)
		}
		if _, _, proto, body := packetOf(t, f, h.one()); proto != 200 || string(body) != "x" {
			t.Errorf("sent %x of protocol %d", body, proto)
		}
	})
}

func TestRawSocketNeedsRoomForTheICMPv6Checksum(t *testing.T) {
	h := knowing(t, &families[1])
	s, _ := h.s.Open(socket.Raw, wire.ProtoICMPv6, socket.Owner{})
	if _, err := h.s.SendMsg(h.now, s, &socket.Msg{Data: []byte{1, 2, 3}, Addr: to(families[1].peer, 0)}); !errors.Is(err, socket.EINVAL) {
		t.Errorf("three octets: %v", err)
	}
	h.none()
}

func TestBroadcastNeedsPermission(t *testing.T) {
	f := &families[0]
	h := newHost(t)
	plain, may := h.socketOf(f.us, 5000, socket.Options{}), h.socketOf(f.us, 5001, socket.Options{Broadcast: true})
	for _, a := range []string{"255.255.255.255", "198.18.0.255"} {
		dst := to(addr(a), 9)
		for range 2 { // the second finds the destination in the cache
			if _, err := h.s.SendMsg(h.now, plain, &socket.Msg{Addr: dst}); !errors.Is(err, socket.EACCES) {
				t.Errorf("to %s without permission: %v", a, err)
			}
			if _, err := h.s.SendMsg(h.now, may, &socket.Msg{Addr: dst}); err != nil {
				t.Errorf("to %s: %v", a, err)
				continue
			}
			if b := h.one(); wire.Ethernet(b[:14]).Dst() != wire.Broadcast {
				t.Errorf("to %s by % x", a, b[:6])
			}
		}
	}
}

func TestGroupsAreSentToTheirLinkAddress(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		s := h.socketOf(f.us, 5000, socket.Options{})
		h.send(s, netip.AddrPortFrom(f.group, 9), []byte("all"))
		if b := h.one(); wire.Ethernet(b[:14]).Dst() != f.groupMAC {
			t.Errorf("sent by % x", b[:6])
		}
		all := h.socketOf(netip.IPv6Unspecified(), 7, socket.Options{})
		h.receive(segment{dst: f.group, dstMAC: f.groupMAC, payload: []byte("all")}.bytes(f))
		if n := h.s.sockets.Get(all).Queued(); n != 1 {
			t.Errorf("%d datagrams to the group heard", n)
		}
	})
}

func TestTTLAndTOSOfASocket(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		s := h.socketOf(f.us, 5000, socket.Options{TTL: 3, TOS: 0xb8})
		h.send(s, netip.AddrPortFrom(f.peer, 9), nil)
		b := h.one()
		ttl, tos := b[22], b[15]
		if !f.v4 {
			ttl, tos = b[21], wire.IPv6(b[14:]).TrafficClass()
		}
		if ttl != 3 || tos != 0xb8 {
			t.Errorf("TTL %d, TOS %#x", ttl, tos)
		}
	})
}
