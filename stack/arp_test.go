package stack

import (
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// TestQuestionsAreAnswered: RFC 826; RFC 4861, section 7.2.4.
func TestQuestionsAreAnswered(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		h.receive(solicitation(f, f.peer, peerMAC, f.us))
		b := h.one()
		if wire.Ethernet(b[:14]).Dst() != peerMAC {
			t.Errorf("answered to % x", b[:6])
		}
		if f.v4 {
			a, ok := wire.CheckARP(b[wire.EthernetLen:])
			if !ok || a.Op() != wire.ARPReply || a.SenderMAC() != ourMAC || a.SenderIP() != f.us.As4() ||
				a.TargetMAC() != peerMAC || a.TargetIP() != f.peer.As4() {
				t.Errorf("answered %x", b)
			}
		} else {
			src, dst, _, body := packetOf(t, f, b)
			n, ok := wire.CheckNDP(body)
			mac, hasMAC := n.LinkAddr()
			if !ok || n.Target() != f.us.As16() || n.Flags() != wire.NDPSolicited|wire.NDPOverride || !hasMAC || mac != ourMAC ||
				src != f.us || dst != f.peer || b[21] != 255 {
				t.Errorf("answered %x", b)
			}
			icmpOfPacket(t, f, b)
		}
		h.expectState(f.peer, link.Stale)
		h.dropped(noReason)
	})
}

func TestQuestionsForOthersAreNot(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := newHost(t)
		b := solicitation(f, f.peer, peerMAC, f.other)
		copy(b, ourMAC[:]) // a switch that does not know better
		h.receive(b)
		h.dropped(map[bool]Reason{true: ARPNotForUs, false: NotMember}[f.v4])
		h.none()
		h.expectState(f.peer, link.None)
	})
}

// TestKnownSenderIsMerged: RFC 826's merge happens whoever is asked for.
func TestKnownSenderIsMerged(t *testing.T) {
	f := &families[0]
	h := knowing(t, f)
	h.receive(arp(wire.Broadcast, wire.ARPFields{ // a gratuitous one: the peer moved
		Op: wire.ARPRequest, SenderMAC: otherMAC, SenderIP: f.peer.As4(), TargetIP: f.peer.As4(),
	}))
	h.expectState(f.peer, link.Stale)
	if i, _ := h.s.neigh.Find(0, fromARP(f.peer.As4())); h.s.neigh.MAC(i) != otherMAC {
		t.Errorf("its address is % x", h.s.neigh.MAC(i))
	}
	h.none()
}

func TestARPThatMakesNoSense(t *testing.T) {
	f := &families[0]
	good := wire.ARPFields{Op: wire.ARPRequest, SenderMAC: peerMAC, SenderIP: f.peer.As4(), TargetIP: f.us.As4()}
	for _, c := range []struct {
		name    string
		change  func(a *wire.ARPFields)
		octet   int // of the packet, made wrong
		want    Reason
		answers int
	}{
		{"good", func(*wire.ARPFields) {}, -1, noReason, 1},
		{"hardware", func(*wire.ARPFields) {}, 15, ARPMalformed, 0},
		{"protocol", func(*wire.ARPFields) {}, 16, ARPMalformed, 0},
		{"length", func(*wire.ARPFields) {}, 19, ARPMalformed, 0},
		{"operation", func(a *wire.ARPFields) { a.Op = 3 }, -1, ARPMalformed, 0},
		{"group as sender", func(a *wire.ARPFields) { a.SenderMAC = wire.Broadcast }, -1, ARPMalformed, 0},
		{"probe", func(a *wire.ARPFields) { a.SenderIP = [4]byte{} }, -1, noReason, 1},
		{"broadcast as sender", func(a *wire.ARPFields) { a.SenderIP = [4]byte{198, 18, 0, 255} }, -1, noReason, 1},
		{"multicast as sender", func(a *wire.ARPFields) { a.SenderIP = [4]byte{224, 0, 0, 1} }, -1, noReason, 1},
		{"reply nobody waits for", func(a *wire.ARPFields) { a.Op = wire.ARPReply }, -1, noReason, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t)
			a := good
			c.change(&a)
			b := arp(wire.Broadcast, a)
			if c.octet >= 0 {
				b[c.octet] ^= 1
			}
			h.receive(b)
			if n := len(h.sent()); n != c.answers {
				t.Errorf("%d answers, not %d", n, c.answers)
			}
			h.dropped(c.want)
			if n := h.s.neigh.Len(); c.name != "good" && n != 0 {
				t.Errorf("%d neighbours learned", n)
			}
		})
	}
	h := newHost(t)
	h.receive(arp(wire.Broadcast, good)[:wire.EthernetLen+wire.ARPLen-1])
	h.dropped(ARPMalformed)
}

// TestNDValidity is RFC 4861, sections 7.1.1 and 7.1.2.
func TestNDValidity(t *testing.T) {
	f := &families[1]
	ns := wire.NDPFields{Type: wire.ICMPv6NeighborSolicitation, Target: f.us.As16(), LinkAddr: peerMAC}
	na := wire.NDPFields{Type: wire.ICMPv6NeighborAdvertisement, Target: f.peer.As16(), LinkAddr: peerMAC}
	group := solicitedNode(f)
	change := func(m wire.NDPFields, c func(*wire.NDPFields)) wire.NDPFields { c(&m); return m }
	none := addr("::")
	for _, c := range []struct {
		name   string
		packet []byte
		want   Reason
	}{
		{"hop limit", func() []byte { b := nd(peerMAC, ourMAC, f.peer, f.us, ns); b[21] = 254; return b }(), NDInvalid},
		{"code", icmp6(f, func() []byte { b := ndMessage(ns); b[1] = 1; return b }()), NDInvalid},
		{"too short", icmp6(f, ndMessage(ns)[:20]), NDInvalid},
		{"option of length zero", icmp6(f, append(ndMessage(ns), 1, 0, 0, 0, 0, 0, 0, 0)), NDInvalid},
		{"option beyond the end", icmp6(f, append(ndMessage(ns), 1, 2, 0, 0, 0, 0, 0, 0)), NDInvalid},
		{"target a group", nd(peerMAC, ourMAC, f.peer, f.us, change(ns, func(m *wire.NDPFields) { m.Target = addr("ff02::1").As16() })), NDInvalid},
		{"probe with a link address", nd(peerMAC, wire.MAC{0x33, 0x33, 0xff, 0, 0, 1}, none, group, ns), NDInvalid},
		{"probe by unicast", nd(peerMAC, ourMAC, none, f.us, change(ns, func(m *wire.NDPFields) { m.LinkAddr = wire.MAC{} })), NDInvalid},
		{"group as link address", nd(peerMAC, ourMAC, f.peer, f.us, change(ns, func(m *wire.NDPFields) { m.LinkAddr = wire.Broadcast })), NDInvalid},
		{"solicited, to a group", nd(peerMAC, f.groupMAC, f.peer, f.group, change(na, func(m *wire.NDPFields) { m.Flags = wire.NDPSolicited })), NDInvalid},
		{"for another", nd(peerMAC, ourMAC, f.peer, f.us, change(ns, func(m *wire.NDPFields) { m.Target = f.other.As16() })), NDNotForUs},
		{"of a stranger", nd(peerMAC, ourMAC, f.peer, f.us, na), NDNotForUs},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t)
			h.receive(c.packet)
			h.dropped(c.want)
			h.none()
			if n := h.s.neigh.Len(); n != 0 {
				t.Errorf("%d neighbours learned", n)
			}
		})
	}
}

func solicitedNode(f *family) netip.Addr { return ip.FromNetip(f.us).SolicitedNode().Netip() }

func ndMessage(m wire.NDPFields) []byte { return wire.PutNDP(make([]byte, 64), m) }

// icmp6 is an ICMPv6 message of the peer to us, sealed, as ND wants it.
func icmp6(f *family, message []byte) []byte {
	b := append([]byte(nil), message...)
	wire.SealICMPv6(b, pseudo(f.peer, f.us, f.icmp, len(b)))
	return segment{ttl: 255, proto: f.icmp, raw: true, payload: b}.bytes(f)
}

// TestProbeOfOurAddressIsAnsweredToAll: RFC 5227, section 2.4 and RFC 4862, section
// 5.4.3: whoever wants our address hears that it is taken.
func TestProbeOfOurAddressIsAnsweredToAll(t *testing.T) {
	f := &families[1]
	h := newHost(t)
	group := solicitedNode(f)
	h.receive(nd(peerMAC, wire.MAC{0x33, 0x33, 0xff, 0, 0, 1}, addr("::"), group, wire.NDPFields{
		Type: wire.ICMPv6NeighborSolicitation, Target: f.us.As16(),
	}))
	b := h.one()
	_, dst, _, body := packetOf(t, f, b)
	n, _ := wire.CheckNDP(body)
	if dst != f.group || n.Flags() != wire.NDPOverride || wire.Ethernet(b[:14]).Dst() != f.groupMAC {
		t.Errorf("answered %x", b)
	}
}

// TestUnicastProbeWithoutLinkAddress: RFC 4861, section 7.2.4: the option may be
// left out where the sender has our address.
func TestUnicastProbeWithoutLinkAddress(t *testing.T) {
	f := &families[1]
	h := newHost(t)
	h.receive(nd(peerMAC, ourMAC, f.peer, f.us, wire.NDPFields{Type: wire.ICMPv6NeighborSolicitation, Target: f.us.As16()}))
	if b := h.one(); wire.Ethernet(b[:14]).Dst() != peerMAC {
		t.Errorf("answered to % x", b[:6])
	}
	h.expectState(f.peer, link.None)
}

// TestUnknownNDOptionsAreSkipped: RFC 4861, section 7.1.
func TestUnknownNDOptionsAreSkipped(t *testing.T) {
	f := &families[1]
	h := newHost(t)
	m := wire.NDPFields{Type: wire.ICMPv6NeighborSolicitation, Target: f.us.As16(), LinkAddr: peerMAC}
	plain := ndMessage(m)
	message := append([]byte(nil), plain[:wire.NDPLen]...)
	message = append(message, 14, 1, 1, 2, 3, 4, 5, 6) // a nonce
	message = append(message, plain[wire.NDPLen:]...)
	h.receive(icmp6(f, message))
	h.one()
	h.expectState(f.peer, link.Stale)
	h.dropped(noReason)
}

// TestReplyNobodyAskedForConfirmsNothing: anybody can send one.
func TestReplyNobodyAskedForConfirmsNothing(t *testing.T) {
	f := &families[0]
	h := knowing(t, f)
	h.pass(46 * umem.Second)
	h.expectState(f.peer, link.Stale)
	h.receive(advertisement(f, f.peer, peerMAC))
	h.expectState(f.peer, link.Stale)
}
