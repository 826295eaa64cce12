package stack

import (
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// Address conflict detection, of IPv4 as RFC 5227 has it, of IPv6 as RFC 4862,
// section 5.4. Both count in one unit, dadUnit, a second by the RFCs:
//
//	IPv4  wait 0–1, three probes 1–2 apart, wait 2, use and announce, announce again after 2
//	IPv6  wait 0–1, one solicitation, wait 1, use
//
// Worker 0 does it; the others learn the outcome.

// The counts of RFC 5227, section 1.1, and RFC 4862, section 5.1.
const (
	probeNum       = 3 // PROBE_NUM
	announceNum    = 2 // ANNOUNCE_NUM
	dupTransmits   = 1 // DupAddrDetectTransmits
	announceUnits  = 2 // ANNOUNCE_WAIT and ANNOUNCE_INTERVAL
	defendInterval = 10
)

// startDetection sets the timers of all tentative addresses: a random wait first,
// so that hosts that start together do not probe together.
func (s *Stack) startDetection(now umem.Time) {
	if !s.writer() {
		return
	}
	for i := range s.addrs {
		if s.addrs[i].state == addrTentative {
			s.setAddressTimer(i, now+s.jitter())
		}
	}
}

// jitter is a random part of the unit.
func (s *Stack) jitter() umem.Time { return umem.Time(s.rand.Uint64() % uint64(s.dadUnit)) }

// addressTimer does what is next for own address i.
func (s *Stack) addressTimer(now umem.Time, i int) {
	a := &s.addrs[i]
	switch {
	case a.state == addrRefused:
	case a.addr.Is4():
		s.detect4(now, i, a)
	default:
		s.detect6(now, i, a)
	}
}

// detect4: RFC 5227, sections 2.1.1 and 2.3.
func (s *Stack) detect4(now umem.Time, i int, a *address) {
	if a.state == addrTentative && a.sent < probeNum {
		a.sent++
		s.sendARP(a.iface, wire.Broadcast, arpRequest(s.ifaces[a.iface].mac, ip.Any4, a.addr))
		wait := s.dadUnit + s.jitter()
		if a.sent == probeNum {
			wait = announceUnits * s.dadUnit
		}
		s.setAddressTimer(i, now+wait)
		return
	}
	if a.state == addrTentative {
		s.ready(a)
		a.sent = 0
	}
	a.sent++
	s.announce(a)
	if a.sent < announceNum {
		s.setAddressTimer(i, now+announceUnits*s.dadUnit)
	}
}

// announce sends an ARP announcement: a request for the own address.
func (s *Stack) announce(a *address) {
	s.sendARP(a.iface, wire.Broadcast, arpRequest(s.ifaces[a.iface].mac, a.addr, a.addr))
}

// detect6: RFC 4862, section 5.4.2.
func (s *Stack) detect6(now umem.Time, i int, a *address) {
	if a.sent == dupTransmits {
		s.ready(a)
		return
	}
	a.sent++
	group := a.addr.SolicitedNode()
	s.sendSolicit(now, a.iface, group.GroupMAC(), ip.Addr{}, group, a.addr)
	s.setAddressTimer(i, now+s.dadUnit)
}

func (s *Stack) ready(a *address) {
	a.state = addrReady
	s.tell(record{kind: AddressReady, iface: a.iface, peer: socket.Addr{IP: a.addr}})
}

// conflicts reports whether an ARP packet shows another host with an address of
// ours, or one that probes it while we do (RFC 5227, sections 2.1.1 and 2.4).
func (s *Stack) conflicts(iface uint8, sender, target ip.Addr, mac [6]byte) bool {
	if mac == s.ifaces[iface].mac {
		return false
	}
	if a := s.address(sender); a != nil {
		return a.state != addrRefused
	}
	a := s.address(target)
	return sender == ip.Any4 && a != nil && a.state == addrTentative
}

// conflict acts on one: a tentative address is given up; one in use is defended by
// an announcement, not more often than every ten units (RFC 5227, section 2.4 (c):
// this host was told by its configuration to keep the address).
func (s *Stack) conflict(now umem.Time, iface uint8, sender, target ip.Addr, mac [6]byte) {
	a := s.address(sender)
	if a == nil {
		a = s.address(target)
	}
	s.counters.Neighbours.Conflicts++
	if a.state == addrTentative {
		a.state = addrRefused
		s.tell(record{kind: Conflict, iface: iface, mac: mac, peer: socket.Addr{IP: a.addr}})
		return
	}
	unit := max(s.dadUnit, umem.Second)
	if a.defended != 0 && now-a.defended < defendInterval*unit {
		return
	}
	a.defended = now
	s.tell(record{kind: Conflict, iface: iface, mac: mac, peer: socket.Addr{IP: a.addr}})
	if a.addr.Is4() {
		s.counters.Neighbours.Defended++
		s.announce(a)
	}
}
