package stack

import (
	"fmt"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/umem"
)

// addrState is how far an own address is.
type addrState uint8

const (
	addrTentative addrState = iota // being probed, or worker 0 does; not used
	addrReady
	addrRefused // somebody else has it
)

// address is one of this host's.
type address struct {
	addr      ip.Addr
	prefix    ip.Prefix // on link
	broadcast ip.Addr   // directed; zero when there is none
	defended  umem.Time // last announcement in defence
	iface     uint8
	state     addrState
	sent      uint8 // probes, then announcements
}

func (s *Stack) addAddresses(i uint8, c *Iface) error {
	for _, p := range c.Addrs {
		a := address{addr: ip.FromNetip(p.Addr()), iface: i, state: addrReady}
		switch {
		case !p.IsValid() || a.addr.IsAny() || a.addr.IsMulticast() || a.addr.IsLoopback() || a.addr.Martian():
			return fmt.Errorf("%w: interface %q: %v is no address of a host with its prefix", ErrConfig, c.Name, p)
		case len(s.addrs) == maxAddresses:
			return fmt.Errorf("%w: interface %q: more than %d addresses in all", ErrConfig, c.Name, maxAddresses)
		case s.address(a.addr) != nil:
			return fmt.Errorf("%w: interface %q: %v is given twice", ErrConfig, c.Name, p)
		case !a.addr.Is4() && c.MTU < minMTU6:
			return fmt.Errorf("%w: interface %q: IPv6 needs an MTU of %d at least", ErrConfig, c.Name, minMTU6)
		}
		a.prefix = ip.PrefixFrom(p)
		a.broadcast, _ = a.prefix.Broadcast()
		if s.dadUnit > 0 {
			a.state = addrTentative
		}
		s.addrs = append(s.addrs, a)
	}
	return nil
}

// address is the own address a, in whatever state, or nil. There are few: they
// are searched in order.
func (s *Stack) address(a ip.Addr) *address {
	for i := range s.addrs {
		if s.addrs[i].addr == a {
			return &s.addrs[i]
		}
	}
	return nil
}

// owns reports whether a is an address of this host that is in use. Loopback
// addresses are.
func (s *Stack) owns(a ip.Addr) bool {
	own := s.address(a)
	return own != nil && own.state == addrReady || a.IsLoopback()
}

// isBroadcast reports whether a is the limited broadcast address, or a directed
// one of a prefix on link (RFC 1122, section 3.3.6).
func (s *Stack) isBroadcast(a ip.Addr) bool {
	if a == ip.Broadcast4 {
		return true
	}
	if !a.Is4() {
		return false
	}
	for i := range s.addrs {
		if s.addrs[i].broadcast == a {
			return true
		}
	}
	return false
}

// member reports whether this host is in a group: all hosts of the link, and the
// solicited-node groups of its addresses, of those that are being probed too (RFC
// 1112, section 4; RFC 4291, section 2.8).
func (s *Stack) member(group ip.Addr) bool {
	if group == ip.AllHosts4 || group == ip.AllNodes6 {
		return true
	}
	for i := range s.addrs {
		if a := &s.addrs[i]; !a.addr.Is4() && a.addr.SolicitedNode() == group {
			return true
		}
	}
	return false
}

// LearnAddress enters the outcome of the conflict detection that worker 0 made,
// from its events AddressReady and Conflict: for the other workers.
func (s *Stack) LearnAddress(addr ip.Addr, usable bool) {
	a := s.address(addr)
	if a == nil || a.state != addrTentative {
		return
	}
	a.state = addrRefused
	if usable {
		a.state = addrReady
	}
}
