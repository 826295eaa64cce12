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

// detecting makes a host with one family's address, which it probes first.
func detecting(t *testing.T, f *family, setups ...setup) *host {
	t.Helper()
	return newHost(t, append(setups, func(c *Config, _ *umem.PoolConfig) {
		c.DAD = umem.Second
		c.Ifaces[0].Addrs = []netip.Prefix{f.prefix}
		c.Routes = nil
	})...)
}

// probeOf reports whether b is a probe for an address: a question without a sender.
func probeOf(f *family, b []byte, a netip.Addr) bool {
	if !isSolicitation(f, b, a) {
		return false
	}
	if f.v4 {
		return wire.ARP(b[14:42]).SenderIP() == [4]byte{}
	}
	return ip.From16(b[22:38]) == ip.Addr{} && len(b) == f.header+wire.NDPLen
}

// TestDetectionTakesItsTime: RFC 5227, section 2.1.1 and 2.3: three probes one to
// two seconds apart, two announcements two seconds apart; RFC 4862, section 5.4.2:
// one solicitation.
func TestDetectionTakesItsTime(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := detecting(t, f)
		start := h.now
		var times []umem.Time
		var probes, others int
		for range 12000 {
			for _, b := range h.sent() {
				times = append(times, h.now-start)
				if probeOf(f, b, f.us) {
					probes++
				} else if others++; !isSolicitation(f, b, f.us) {
					t.Errorf("neither probe nor announcement: %x", b)
				}
			}
			h.pass(umem.Millisecond)
		}
		wantProbes, wantOthers := 1, 0
		if f.v4 {
			wantProbes, wantOthers = 3, 2
		}
		if probes != wantProbes || others != wantOthers {
			t.Fatalf("%d probes and %d announcements, not %d and %d", probes, others, wantProbes, wantOthers)
		}
		if times[0] > umem.Second+2*umem.Millisecond {
			t.Errorf("the first probe comes after %v ns", times[0])
		}
		for i := 1; i < len(times); i++ {
			gap, least, most := times[i]-times[i-1], umem.Second, 2*umem.Second
			if i >= probes {
				least = 2 * umem.Second
			}
			if gap < least-2*umem.Millisecond || gap > most+2*umem.Millisecond {
				t.Errorf("packet %d comes %v ns after the one before", i, gap)
			}
		}
		if e := h.event(AddressReady); e.Peer.IP.Netip() != f.us {
			t.Errorf("%v is ready", e.Peer)
		}
		h.receive(echoRequest(f, segment{}, 1, 1, nil))
		h.one()
	})
}

func TestTentativeAddressIsNotUsed(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := detecting(t, f)
		h.receive(echoRequest(f, segment{}, 1, 1, nil))
		h.dropped(NotForUs)
		h.receive(solicitation(f, f.peer, peerMAC, f.us))
		h.none()
		s, _ := h.s.Open(socket.Datagram, 0, socket.Owner{})
		if err := h.s.Bind(s, netip.AddrPortFrom(f.us, 7)); !errors.Is(err, socket.EADDRNOTAVAIL) {
			t.Errorf("bind: %v", err)
		}
		for _, to := range []netip.Addr{f.peer, f.us} {
			if _, err := h.s.SendMsg(h.now, s, &socket.Msg{Addr: socket.AddrFrom(netip.AddrPortFrom(to, 9))}); !errors.Is(err, socket.EADDRNOTAVAIL) {
				t.Errorf("send to %v: %v", to, err)
			}
		}
	})
}

// TestConflictDuringDetection: somebody has the address, or probes it too.
func TestConflictDuringDetection(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		has := solicitation(f, f.us, otherMAC, f.peer)
		probes := arp(wire.Broadcast, wire.ARPFields{Op: wire.ARPRequest, SenderMAC: otherMAC, TargetIP: [4]byte{198, 18, 0, 1}})
		if !f.v4 {
			has = nd(otherMAC, f.groupMAC, f.us, f.group, wire.NDPFields{
				Type: wire.ICMPv6NeighborAdvertisement, Flags: wire.NDPOverride, Target: f.us.As16(), LinkAddr: otherMAC,
			})
			probes = nd(otherMAC, wire.MAC{0x33, 0x33, 0xff, 0, 0, 1}, addr("::"), solicitedNode(f), wire.NDPFields{
				Type: wire.ICMPv6NeighborSolicitation, Target: f.us.As16(),
			})
		}
		for name, packet := range map[string][]byte{"has it": has, "probes it": probes} {
			h := detecting(t, f)
			h.pass(umem.Second / 2)
			h.sent()
			h.receive(packet)
			h.dropped(AddressConflict)
			if e := h.event(Conflict); e.MAC != otherMAC || e.Peer.IP.Netip() != f.us {
				t.Errorf("%s: conflict with % x about %v", name, e.MAC, e.Peer.IP)
			}
			h.pass(20 * umem.Second)
			h.none()
			h.receive(echoRequest(f, segment{}, 1, 1, nil))
			h.dropped(NotForUs)
		}
	})
}

// TestOwnProbeComingBack: a hub, or the kernel on the same interface, is no conflict.
func TestOwnProbeComingBack(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := detecting(t, f)
		h.pass(1100 * umem.Millisecond)
		h.receive(h.one())
		h.pass(20 * umem.Second)
		h.event(AddressReady)
	})
}

// TestAddressIsDefended: RFC 5227, section 2.4 (c): one announcement in ten seconds.
func TestAddressIsDefended(t *testing.T) {
	f := &families[0]
	h := newHost(t)
	claim := solicitation(f, f.us, otherMAC, f.peer)
	for i, want := range []int{1, 0, 0} {
		h.receive(claim)
		packets := h.sent()
		if len(packets) != want || want == 1 && !isSolicitation(f, packets[0], f.us) {
			t.Errorf("claim %d: sent %x", i, packets)
		}
		h.dropped(AddressConflict)
	}
	h.event(Conflict)
	h.pass(11 * umem.Second)
	h.receive(claim)
	h.one()
	if c := h.s.counters.Neighbours; c.Conflicts != 4 || c.Defended != 2 {
		t.Errorf("%d conflicts, %d defended", c.Conflicts, c.Defended)
	}
}

// TestOtherWorkersLearnOfAddresses: worker 1 probes nothing, hands conflicts over,
// and is told.
func TestOtherWorkersLearnOfAddresses(t *testing.T) {
	each(t, func(t *testing.T, f *family) {
		h := detecting(t, f, func(c *Config, _ *umem.PoolConfig) { c.Worker, c.Workers = 1, 2 })
		h.pass(20 * umem.Second)
		h.none()
		h.s.LearnAddress(ip.FromNetip(f.other), true)
		h.s.LearnAddress(ip.FromNetip(f.us), true)
		h.socketOf(f.us, 7, socket.Options{})
		h.s.LearnAddress(ip.FromNetip(f.us), false) // in use: stays
		h.socketOf(f.us, 8, socket.Options{})
	})
}
