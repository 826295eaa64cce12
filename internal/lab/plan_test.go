package lab

import (
	"fmt"
	"net/netip"
	"testing"
)

// TestPlan lays out the largest lab: all addresses differ, each link has its networks, all in the blocks for benchmarking.
func TestPlan(t *testing.T) {
	cfg := Config{}.withDefaults()
	cfg.Hosts = nil
	for n := range MaxHosts {
		cfg.Hosts = append(cfg.Hosts, fmt.Sprint("h", n))
	}
	if err := cfg.check(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	once := func(what string) {
		if seen[what] {
			t.Errorf("%s is there twice", what)
		}
		seen[what] = true
	}
	l := plan(cfg)
	for _, k := range l.links {
		once(k.hub.name + " " + k.near.Name)
		once(k.leaf.name + " " + k.far.Name)
		once(k.near.MAC.String())
		once(k.far.MAC.String())
		once(k.near.Kernel4.Masked().String())
		once(k.near.Kernel6.Masked().String())
		for _, p := range []netip.Prefix{k.near.Kernel4, k.near.Stack4, k.far.Kernel4} {
			once(p.String())
			if p.Masked() != k.near.Kernel4.Masked() || !netip.MustParsePrefix("198.18.0.0/15").Contains(p.Addr()) {
				t.Errorf("%s has %v", k.description, p)
			}
		}
		for _, p := range []netip.Prefix{k.near.Kernel6, k.near.Stack6, k.far.Kernel6} {
			once(p.String())
			if p.Masked() != k.near.Kernel6.Masked() || !netip.MustParsePrefix("2001:2::/48").Contains(p.Addr()) {
				t.Errorf("%s has %v", k.description, p)
			}
		}
	}
	if len(l.links) != MaxHosts-1 || len(l.Host("h0").Interfaces()) != MaxHosts-1 {
		t.Errorf("%d links", len(l.links))
	}
	if a := plan(Config{}.withDefaults()).Host("b").Interface().StackAddr(4); a.IsValid() {
		t.Errorf("b keeps %v for a stack", a)
	}
}
