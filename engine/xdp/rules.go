package xdp

import (
	"fmt"
	"net/netip"
)

// rules is what the maps hold: the kernel's tables as we wrote them.
//
// A port set is never changed under an address that uses it. There are twice
// as many slots as sets may be in use, so a new set is written into a free
// one first, then the addresses are turned to it one by one: a packet finds
// an address's old ports or its new ones, and what stands in both filters is
// taken throughout.
type rules struct {
	maps  *objectMaps
	addrs map[[16]byte]objectAddressRule
	slots []*portSet // the contents of port_sets; nil: never written
}

func newRules(maps *objectMaps, maxSets int) *rules {
	return &rules{
		maps:  maps,
		addrs: make(map[[16]byte]objectAddressRule),
		slots: make([]*portSet, 2*maxSets),
	}
}

// apply brings the maps to rs. When it fails some addresses have their new
// rule and some the old one; applying again goes on from there.
func (r *rules) apply(rs ruleSet) error {
	slots, err := r.placeSets(rs.sets)
	if err != nil {
		return err
	}
	keep := make(map[[16]byte]bool, len(rs.addrs))
	for _, a := range rs.addrs {
		keep[a.key] = true
		value := objectAddressRule{Exclusive: 1}
		if a.set != exclusive {
			value = objectAddressRule{PortSet: uint16(slots[a.set])}
		}
		if err := r.put(a.key, value); err != nil {
			return err
		}
	}
	for key := range r.addrs {
		if keep[key] {
			continue
		}
		if err := r.maps.Addresses.Delete(key); err != nil {
			return fmt.Errorf("xdp: removing the rule of %s: %w", netip.AddrFrom16(key).Unmap(), err)
		}
		delete(r.addrs, key)
	}
	return nil
}

func (r *rules) put(key [16]byte, value objectAddressRule) error {
	if old, ok := r.addrs[key]; ok && old == value {
		return nil
	}
	if err := r.maps.Addresses.Put(key, value); err != nil {
		return fmt.Errorf("xdp: writing the rule of %s: %w", netip.AddrFrom16(key).Unmap(), err)
	}
	r.addrs[key] = value
	return nil
}

// placeSets finds each set a slot: one that holds just that, or a free one.
func (r *rules) placeSets(sets []*portSet) ([]int, error) {
	busy := make([]bool, len(r.slots))
	for _, value := range r.addrs {
		if value.Exclusive == 0 {
			busy[value.PortSet] = true
		}
	}
	at := make([]int, len(sets))
	for i, set := range sets {
		at[i] = r.holding(set)
		if at[i] >= 0 {
			busy[at[i]] = true
		}
	}
	for i, set := range sets {
		if at[i] >= 0 {
			continue
		}
		free := indexFalse(busy)
		if free < 0 {
			return nil, fmt.Errorf("xdp: %w different sets of ports in use; apply an empty filter first", ErrLimit)
		}
		r.slots[free] = nil
		if err := r.maps.PortSets.Put(uint32(free), objectPortSet{Bits: *set}); err != nil {
			return nil, fmt.Errorf("xdp: writing a set of ports: %w", err)
		}
		at[i], busy[free], r.slots[free] = free, true, set
	}
	return at, nil
}

func (r *rules) holding(set *portSet) int {
	for i, s := range r.slots {
		if s != nil && *s == *set {
			return i
		}
	}
	return -1
}

func indexFalse(b []bool) int {
	for i, v := range b {
		if !v {
			return i
		}
	}
	return -1
}
