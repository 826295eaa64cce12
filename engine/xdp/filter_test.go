package xdp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
)

func TestFilterRefuses(t *testing.T) {
	shared := []Addr{{Addr: shared4}}
	for _, c := range []struct {
		name   string
		filter Filter
		is     error
		says   string
	}{
		{"no address", Filter{Addrs: []Addr{{}}}, ErrFilter, "not an address"},
		{"unspecified", Filter{Addrs: []Addr{{Addr: ip("0.0.0.0")}}}, ErrFilter, "not an address"},
		{"unspecified IPv6", Filter{Addrs: []Addr{{Addr: ip("::")}}}, ErrFilter, "not an address"},
		{"multicast", Filter{Addrs: []Addr{{Addr: ip("224.0.0.1")}}}, ErrFilter, "packet socket"},
		{"multicast IPv6", Filter{Addrs: []Addr{{Addr: allNodes}}}, ErrFilter, "packet socket"},
		{"broadcast", Filter{Addrs: []Addr{{Addr: ip("255.255.255.255")}}}, ErrFilter, "packet socket"},
		{"zone", Filter{Addrs: []Addr{{Addr: ip("fe80::1%eth1")}}}, ErrFilter, "leave out the zone"},
		{"twice", Filter{Addrs: []Addr{{Addr: own4}, {Addr: own4, Exclusive: true}}}, ErrFilter, "198.18.0.2 is named twice"},
		{"twice, mapped", Filter{Addrs: []Addr{{Addr: own4}, {Addr: ip("::ffff:198.18.0.2")}}}, ErrFilter, "twice"},
		{"protocol", Filter{Addrs: shared, Ports: []PortRule{{Proto: 132, To: 1}}}, ErrFilter, "protocol 132"},
		{"range", Filter{Addrs: shared, Ports: []PortRule{{Proto: TCP, From: 2, To: 1}}}, ErrFilter, "2 to 1"},
		{"rule for no address", Filter{Addrs: shared, Ports: []PortRule{{Addr: other4, Proto: TCP}}}, ErrFilter, "198.18.0.9"},
		{"rule for an exclusive address", Filter{Addrs: []Addr{{Addr: own4, Exclusive: true}},
			Ports: []PortRule{{Addr: own4, Proto: TCP}}}, ErrFilter, "shared"},
		{"too many addresses", Filter{Addrs: make([]Addr, 5)}, ErrLimit, "MaxAddrs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.filter.compile(4, 2)
			if !errors.Is(err, c.is) || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("error %v, want one that is %q and says %q", err, c.is, c.says)
			}
			if strings.Contains(fmt.Sprint(err), "\n") {
				t.Error("the error is longer than a line")
			}
		})
	}
}

func TestFilterRefusesTooManySets(t *testing.T) {
	var f Filter
	for i := range 3 {
		a := netip.AddrFrom4([4]byte{198, 18, 1, byte(i)})
		f.Addrs = append(f.Addrs, Addr{Addr: a})
		f.Ports = append(f.Ports, PortRule{Addr: a, Proto: TCP, From: uint16(i), To: uint16(i)})
	}
	if _, err := f.compile(4, 2); !errors.Is(err, ErrLimit) {
		t.Errorf("three sets with room for two: %v, want %v", err, ErrLimit)
	}
	f.Ports[2].Addr, f.Ports[2].From, f.Ports[2].To = f.Addrs[2].Addr, 1, 1
	if _, err := f.compile(4, 2); err != nil {
		t.Errorf("two different sets with room for two: %v", err)
	}
}

func TestPortSetAdd(t *testing.T) {
	rng := rand.New(rand.NewPCG(testenv.Seed(t), 0))
	rules := []PortRule{{Proto: TCP, From: 0, To: 65535}, {Proto: UDP, From: 65535, To: 65535}, {Proto: ICMP}}
	for range 50 {
		a, b := uint16(rng.Uint32()), uint16(rng.Uint32())
		if rng.IntN(2) == 0 {
			b = a + uint16(rng.IntN(70))
		}
		rules = append(rules, PortRule{Proto: TCP, From: min(a, b), To: max(a, b)})
	}
	for _, r := range rules {
		var set portSet
		set.add(r)
		row, _ := r.Proto.index()
		for port := range 65536 {
			got := set[row][port/64]>>(port%64)&1 == 1
			if want := int(r.From) <= port && port <= int(r.To); got != want {
				t.Fatalf("ports %d to %d: bit of %d is %t", r.From, r.To, port, got)
			}
		}
	}
}

func TestVerdictNames(t *testing.T) {
	seen := map[string]bool{}
	for v := range Verdict(NumVerdicts) {
		name := v.String()
		if prefix := map[bool]string{true: "taken-", false: "passed-"}[v.Taken()]; !strings.HasPrefix(name, prefix) {
			t.Errorf("verdict %d is called %q, want a name that begins with %q", v, name, prefix)
		}
		if seen[name] {
			t.Errorf("two verdicts are called %q", name)
		}
		seen[name] = true
	}
	if name := Verdict(NumVerdicts).String(); name != "unknown" {
		t.Errorf("the verdict after the last is called %q", name)
	}
}
