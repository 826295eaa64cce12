package stack

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

func TestEchoOfAllSizes(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		for size := 0; size <= 1500-f.header+wire.EthernetLen-wire.ICMPLen; size += 11 {
			data := make([]byte, size)
			for i := range data {
				data[i] = byte(i * 7)
			}
			h.receive(echoRequest(f, segment{}, 77, uint16(size), data))
			to, m := icmpOfPacket(t, f, h.one())
			if to != f.peer || m[0] != f.echoReply || wire.ICMPv4(m).ID() != 77 || wire.ICMPv4(m).Seq() != uint16(size) {
				t.Fatalf("answered % x to %v", m[:wire.ICMPLen], to)
			}
			if !bytes.Equal(m[wire.ICMPLen:], data) {
				t.Fatalf("%d octets of data did not come back", size)
			}
		}
		h.dropped(noReason)
	})
}

// TestPaddingDoesNotComeBack: what Ethernet added is no part of the packet.
func TestPaddingDoesNotComeBack(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		h.receive(append(echoRequest(f, segment{}, 1, 1, []byte("data")), make([]byte, 18)...))
		if _, m := icmpOfPacket(t, f, h.one()); string(m[wire.ICMPLen:]) != "data" {
			t.Errorf("answered %x", m)
		}
	})
}

func TestEchoOfFarHostGoesThroughTheGateway(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		h.receive(echoRequest(f, segment{src: f.far}, 1, 1, nil))
		if b := h.one(); !isSolicitation(f, b, f.gateway) {
			t.Fatalf("did not ask for the gateway: %x", b)
		}
		h.receive(advertisement(f, f.gateway, otherMAC))
		b := h.one()
		if to, _ := icmpOfPacket(t, f, b); to != f.far || wire.Ethernet(b[:14]).Dst() != otherMAC {
			t.Errorf("the answer goes to %v by % x", to, b[:6])
		}
	})
}

// TestICMPChecksumIsVerified flips every bit of an echo request's ICMP message.
func TestICMPChecksumIsVerified(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		good := echoRequest(f, segment{}, 1, 2, []byte("some data"))
		for i := f.header * 8; i < len(good)*8; i++ {
			b := append([]byte(nil), good...)
			b[i/8] ^= 1 << (i % 8)
			h.receive(b)
			h.dropped(ICMPChecksum)
		}
		h.none()
	})
}

// TestEchoToAll: RFC 1122, section 3.2.2.6 lets a host keep silent; RFC 4443,
// section 4.2 has it answer from its own address.
func TestEchoToAll(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		h.receive(echoRequest(f, segment{dst: f.group, dstMAC: f.groupMAC}, 1, 1, []byte("all")))
		if f.v4 {
			h.none()
			h.dropped(EchoGroup)
			h.receive(echoRequest(f, segment{dst: addr("198.18.0.255"), dstMAC: wire.Broadcast}, 1, 1, nil))
			h.none()
			h.dropped(EchoGroup)
			return
		}
		b := h.one()
		src, _, _, _ := packetOf(t, f, b)
		if _, m := icmpOfPacket(t, f, b); src != f.us || string(m[wire.ICMPLen:]) != "all" {
			t.Errorf("answered %x from %v", m, src)
		}
	})
}

func TestEchoOfTooLargePacket(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		h.receive(echoRequest(f, segment{}, 1, 1, make([]byte, 1600)))
		h.none()
		h.dropped(TooBig)
	})
}

func TestPortUnreachableQuotesThePacket(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		for _, size := range []int{0, 5, 500, 1400} {
			b := segment{payload: make([]byte, size), dstPort: 9999}.bytes(f)
			h.receive(b)
			to, m := icmpOfPacket(t, f, h.one())
			limit := maxError6 - wire.IPv6Len - wire.ICMPLen
			if f.v4 {
				limit = maxError4 - wire.IPv4Len - wire.ICMPLen
			}
			quote := b[wire.EthernetLen:]
			quote = quote[:min(len(quote), limit)]
			if to != f.peer || [2]uint8(m) != f.portUnreach || !bytes.Equal(m[wire.ICMPLen:], quote) {
				t.Errorf("%d octets: type and code %v, %d octets quoted, not %d", size, m[:2], len(m)-wire.ICMPLen, len(quote))
			}
			h.dropped(NoSocket)
		}
	})
}

func TestUnknownProtocolIsReported(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		h.receive(segment{proto: 132, raw: true, payload: make([]byte, 20)}.bytes(f))
		if _, m := icmpOfPacket(t, f, h.one()); [2]uint8(m) != f.unknownProblem {
			t.Errorf("type and code %v, not %v", m[:2], f.unknownProblem)
		}
		h.dropped(UnknownProtocol)
	})
}

// TestNoErrorIsSentAbout: RFC 1122, section 3.2.2; RFC 4443, section 2.4 (e).
func TestNoErrorIsSentAbout(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		g := segment{dstPort: 9999}
		groups := []segment{{dst: f.group, dstMAC: f.groupMAC, dstPort: 9999}}
		if f.v4 {
			groups = append(groups,
				segment{dst: addr("198.18.0.255"), dstMAC: wire.Broadcast, dstPort: 9999},
				segment{dst: addr("255.255.255.255"), dstMAC: wire.Broadcast, dstPort: 9999})
		}
		for _, g := range groups {
			h := knowing(t, f)
			h.receive(g.bytes(f))
			h.none()
			h.dropped(NoSocket)
		}
		h := knowing(t, f)
		h.receive(icmpError(f, f.portUnreach, g.bytes(f)[wire.EthernetLen:]))
		h.none()
		h.dropped(ICMPIgnored)
	})
}

// icmpError is an error of the peer about a packet of ours.
func icmpError(f *family, kind [2]uint8, quote []byte) []byte {
	b := make([]byte, wire.ICMPLen+len(quote))
	copy(b[wire.ICMPLen:], quote)
	b[0], b[1] = kind[0], kind[1]
	if f.v4 {
		wire.SealICMPv4(b)
	} else {
		wire.SealICMPv6(b, pseudo(f.peer, f.us, f.icmp, len(b)))
	}
	return segment{proto: f.icmp, raw: true, payload: b}.bytes(f)
}

func TestICMPErrorsAreRateLimited(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f, func(c *Config, _ *umem.PoolConfig) { c.Limits.ICMPErrors, c.Limits.ICMPBurst = 10, 3 })
		flood := func(n int) int {
			for range n {
				h.receive(segment{dstPort: 9999}.bytes(f))
			}
			return len(h.sent())
		}
		if n := flood(10); n != 3 {
			t.Errorf("%d errors at once, not 3", n)
		}
		if n := h.s.family(f.v4).ICMPLimited; n != 7 {
			t.Errorf("%d errors counted as kept back, not 7", n)
		}
		h.pass(umem.Second / 10)
		if n := flood(10); n != 1 {
			t.Errorf("%d errors after a tenth of a second, not 1", n)
		}
	})
}

func TestICMPErrorReachesTheConnectedSocket(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		for _, c := range []struct {
			kind4, kind6 [2]uint8
			want         socket.Errno
		}{
			{[2]uint8{3, 3}, [2]uint8{1, 4}, socket.ECONNREFUSED},
			{[2]uint8{3, 1}, [2]uint8{1, 3}, socket.EHOSTUNREACH},
			{[2]uint8{3, 0}, [2]uint8{1, 0}, socket.ENETUNREACH},
			{[2]uint8{3, 4}, [2]uint8{2, 0}, socket.EMSGSIZE},
			{[2]uint8{3, 2}, [2]uint8{4, 1}, socket.ENOPROTOOPT},
			{[2]uint8{11, 0}, [2]uint8{3, 0}, socket.EHOSTUNREACH},
		} {
			h := knowing(t, f)
			s := h.socketOf(f.us, 5000, socket.Options{})
			peer := netip.AddrPortFrom(f.peer, 9)
			if err := h.s.Connect(s, peer); err != nil {
				t.Fatal(err)
			}
			h.send(s, netip.AddrPort{}, []byte("hello"))
			kind := c.kind6
			if f.v4 {
				kind = c.kind4
			}
			h.receive(icmpError(f, kind, h.one()[wire.EthernetLen:]))
			e := h.event(Failed)
			if e.Errno != c.want || e.Socket != s || e.Peer.Netip() != peer {
				t.Errorf("%v: event of %v about %v", kind, e.Errno, e.Peer.Netip())
			}
			if _, err := h.s.RecvMsg(h.now, s, &socket.Msg{}); !errors.Is(err, c.want) {
				t.Errorf("%v: the next call says %v, not %v", kind, err, c.want)
			}
			if _, err := h.s.RecvMsg(h.now, s, &socket.Msg{}); !errors.Is(err, socket.EAGAIN) {
				t.Errorf("%v: the call after that says %v", kind, err)
			}
		}
	})
}

// TestForgedICMPErrorIsIgnored: RFC 5927, section 4.1.
func TestForgedICMPErrorIsIgnored(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		s := h.socketOf(f.us, 5000, socket.Options{})
		if err := h.s.Connect(s, netip.AddrPortFrom(f.peer, 9)); err != nil {
			t.Fatal(err)
		}
		ours := segment{src: f.us, dst: f.peer, srcPort: 5000, dstPort: 9}
		for _, c := range []struct {
			name   string
			change func(*segment)
			cut    int
			want   Reason
		}{
			{"another port of ours", func(g *segment) { g.srcPort = 5001 }, 0, ICMPIgnored},
			{"another peer", func(g *segment) { g.dst = f.other }, 0, ICMPIgnored},
			{"another port of the peer", func(g *segment) { g.dstPort = 10 }, 0, ICMPIgnored},
			{"not from us", func(g *segment) { g.src = f.other }, 0, ICMPIgnored},
			{"another protocol", func(g *segment) { g.raw, g.proto, g.payload = true, 6, make([]byte, 20) }, 0, ICMPIgnored},
			{"no ports", func(*segment) {}, 6, ICMPMalformed},
			{"nothing", func(*segment) {}, 8 + f.header - wire.EthernetLen, ICMPMalformed},
		} {
			g := ours
			c.change(&g)
			b := g.bytes(f)[wire.EthernetLen:]
			h.receive(icmpError(f, f.portUnreach, b[:len(b)-c.cut]))
			h.dropped(c.want)
			if n := len(h.events()); n != 0 {
				t.Errorf("%s: %d events", c.name, n)
			}
		}
		h.receive(icmpError(f, f.portUnreach, ours.bytes(f)[wire.EthernetLen:]))
		h.event(Failed)

		h.socketOf(netip.IPv6Unspecified(), 6000, socket.Options{Events: true}) // hears of all that it sent
		h.receive(icmpError(f, f.portUnreach, segment{src: f.other, dst: f.peer, srcPort: 6000}.bytes(f)[wire.EthernetLen:]))
		h.dropped(ICMPIgnored)
	})
}

func TestICMPThatAHostIgnores(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := knowing(t, f)
		quote := segment{src: f.us, dst: f.peer}.bytes(f)[wire.EthernetLen:]
		for _, kind := range [][2]uint8{{13, 0}, {4, 0}, {5, 1}, {200, 0}} { // timestamp, source quench, redirect, nothing
			if !f.v4 && kind[0] < 128 && kind[0] > 3 {
				kind = [2]uint8{137, 0} // redirect
			}
			if !f.v4 && kind[0] == 13 {
				continue
			}
			h.receive(icmpError(f, kind, quote))
			h.dropped(ICMPIgnored)
		}
		h.receive(segment{proto: f.icmp, raw: true, payload: []byte{f.echo, 0, 0}}.bytes(f))
		h.dropped(ICMPMalformed)
		h.none()
	})
}

// TestUnknownICMPv6ErrorIsPassedUp: RFC 4443, section 2.4 (a).
func TestUnknownICMPv6ErrorIsPassedUp(t *testing.T) {
	f := &families[1]
	h := knowing(t, f)
	s := h.socketOf(f.us, 5000, socket.Options{Events: true})
	h.receive(icmpError(f, [2]uint8{100, 0}, segment{src: f.us, dst: f.peer, srcPort: 5000, dstPort: 9}.bytes(f)[wire.EthernetLen:]))
	if e := h.event(Failed); e.Errno != socket.EHOSTUNREACH || e.Socket != s || e.Peer != to(f.peer, 9) {
		t.Errorf("event of %v about %v", e.Errno, e.Peer.Netip())
	}
}
