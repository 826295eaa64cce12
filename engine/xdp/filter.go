package xdp

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
)

// Filter says which packets are taken. The zero value takes none.
type Filter struct {
	// Addrs are our addresses.
	Addrs []Addr
	// Ports are what is ours on the shared ones among them.
	Ports []PortRule
	// All takes every packet whatever the rules say. The host is cut off from
	// the device: for measuring, on devices of one's own.
	All bool
}

// Addr is an address that user space answers for.
type Addr struct {
	// Addr is a unicast address without a zone.
	Addr netip.Addr
	// Exclusive: ours alone, not assigned to the kernel. Otherwise it is shared
	// with the kernel, and ours are only the ports that Filter.Ports names.
	Exclusive bool
}

// Proto says whose numbers a PortRule speaks of.
type Proto uint8

// The protocols that ports are taken of, by IANA number. ICMP stands for both
// families' echo: its identifiers are what other protocols' ports are.
const (
	ICMP Proto = 1
	TCP  Proto = 6
	UDP  Proto = 17
)

// PortRule takes a range of local ports on shared addresses.
type PortRule struct {
	// Addr is the shared address that the rule is for; invalid (the zero
	// value) for all of them.
	Addr netip.Addr
	// Proto is TCP, UDP or ICMP.
	Proto Proto
	// From and To are the first and the last port, or echo identifier.
	From, To uint16
}

// portSet is struct port_set of bpf/maps.h: a bit per port, by protocol.
type portSet [len(objectPortSet{}.Bits)][65536 / 64]uint64

// index is the protocol's row in a portSet.
func (p Proto) index() (int, bool) {
	switch p {
	case TCP:
		return 0, true
	case UDP:
		return 1, true
	case ICMP:
		return 2, true
	}
	return 0, false
}

func (s *portSet) add(r PortRule) {
	row, _ := r.Proto.index()
	from, to := uint32(r.From), uint32(r.To)
	for w := from / 64; w <= to/64; w++ {
		low, high := max(from, w*64)%64, min(to, w*64+63)%64
		s[row][w] |= ^uint64(0) >> (63 - high + low) << low
	}
}

// ruleSet is a Filter made ready for the maps.
type ruleSet struct {
	all   bool
	addrs []addrRule // sorted by key
	sets  []*portSet // all different
}

type addrRule struct {
	key [16]byte // IPv4 as ::ffff:a.b.c.d
	set int      // into ruleSet.sets; exclusive: ours alone
}

const exclusive = -1

// compile checks the filter and makes it ready.
func (f Filter) compile(maxAddrs, maxSets int) (ruleSet, error) {
	rs := ruleSet{all: f.All}
	if len(f.Addrs) > maxAddrs {
		return rs, fmt.Errorf("xdp: %w addresses: %d, with room for %d (Config.MaxAddrs)", ErrLimit, len(f.Addrs), maxAddrs)
	}
	for _, a := range f.Addrs {
		if err := a.check(); err != nil {
			return rs, err
		}
	}
	for _, r := range f.Ports {
		if err := r.check(f.Addrs); err != nil {
			return rs, err
		}
	}
	for _, a := range f.Addrs {
		rs.addrs = append(rs.addrs, addrRule{key: a.Addr.As16(), set: rs.setOf(a, f.Ports)})
		if len(rs.sets) > maxSets {
			return rs, fmt.Errorf("xdp: %w different sets of ports: there is room for %d (Config.MaxPortSets)", ErrLimit, maxSets)
		}
	}
	slices.SortFunc(rs.addrs, func(a, b addrRule) int { return bytes.Compare(a.key[:], b.key[:]) })
	for i := 1; i < len(rs.addrs); i++ {
		if rs.addrs[i].key == rs.addrs[i-1].key {
			return rs, fmt.Errorf("xdp: %w: address %s is named twice", ErrFilter, netip.AddrFrom16(rs.addrs[i].key).Unmap())
		}
	}
	return rs, nil
}

// setOf returns the index of the set of an address's ports, which it adds
// when there is none like it yet.
func (rs *ruleSet) setOf(a Addr, ports []PortRule) int {
	if a.Exclusive {
		return exclusive
	}
	set := new(portSet)
	for _, r := range ports {
		if !r.Addr.IsValid() || r.Addr.Unmap() == a.Addr.Unmap() {
			set.add(r)
		}
	}
	if i := slices.IndexFunc(rs.sets, func(s *portSet) bool { return *s == *set }); i >= 0 {
		return i
	}
	rs.sets = append(rs.sets, set)
	return len(rs.sets) - 1
}

func (a Addr) check() error {
	addr := a.Addr.Unmap()
	switch {
	case !addr.IsValid(), addr.IsUnspecified():
		return fmt.Errorf("xdp: %w: %q is not an address that packets are sent to", ErrFilter, a.Addr)
	case addr.IsMulticast(), addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("xdp: %w: %s is for the host too, and XDP can take or pass a packet, not both; it passes, read it with a packet socket", ErrFilter, addr)
	case addr.Zone() != "":
		return fmt.Errorf("xdp: %w: address %s: leave out the zone; the program is on one device", ErrFilter, addr)
	}
	return nil
}

func (r PortRule) check(addrs []Addr) error {
	if _, ok := r.Proto.index(); !ok {
		return fmt.Errorf("xdp: %w: protocol %d has no ports; TCP (6), UDP (17) and ICMP (1, echo identifiers) have", ErrFilter, r.Proto)
	}
	if r.From > r.To {
		return fmt.Errorf("xdp: %w: ports %d to %d: the first is above the last", ErrFilter, r.From, r.To)
	}
	if !r.Addr.IsValid() {
		return nil
	}
	shared := func(a Addr) bool { return !a.Exclusive && a.Addr.Unmap() == r.Addr.Unmap() }
	if !slices.ContainsFunc(addrs, shared) {
		return fmt.Errorf("xdp: %w: ports of %s: not one of the shared addresses", ErrFilter, r.Addr)
	}
	return nil
}
