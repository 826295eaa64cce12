package sim

import (
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/umem"
)

// prefix gives the address of host number, counted from 1, on the network that
// all hosts of a Net share: benchmarking addresses (RFC 2544, RFC 5180).
func prefix(family, number int) netip.Prefix {
	if family == 4 {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, 0, byte(number)}), 24)
	}
	a := [16]byte{0x20, 0x01, 0, 2, 15: byte(number)}
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}

// Pair is two hosts on a clean wire of 5 µs, with an address of each family each:
// A has 198.18.0.1 and 2001:2::1, B has 198.18.0.2 and 2001:2::2.
type Pair struct {
	*Net
	A, B *Host
	tb   testing.TB
}

// NewPair makes a pair; edit, unless nil, may change the configurations before. At the
// end of the test the network has to come to rest with every frame home.
func NewPair(tb testing.TB, seed uint64, edit func(a, b *HostConfig)) *Pair {
	tb.Helper()
	wire := Wire{Delay: 5 * umem.Microsecond}
	a := HostConfig{Name: "A", Addrs: []netip.Prefix{prefix(4, 1), prefix(6, 1)}, Up: wire, Down: wire}
	b := HostConfig{Name: "B", Addrs: []netip.Prefix{prefix(4, 2), prefix(6, 2)}, Up: wire, Down: wire}
	if edit != nil {
		edit(&a, &b)
	}
	p := &Pair{Net: NewNet(seed, nil), tb: tb}
	var err error
	if p.A, err = p.AddHost(a); err != nil {
		tb.Fatal(err)
	}
	if p.B, err = p.AddHost(b); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.end)
	return p
}

// settleTime is how long a network may take to come to rest: a neighbour that is
// not used any more is forgotten after some 650 s.
const settleTime = 1000 * umem.Second

func (p *Pair) end() {
	if p.tb.Failed() {
		return
	}
	if err := p.Settle(p.Now() + settleTime); err != nil {
		p.tb.Errorf("seed %d: %v", p.seed, err)
		return
	}
	if err := p.Drained(); err != nil {
		p.tb.Errorf("seed %d: %v", p.seed, err)
	}
}

// Do runs something in a turn of a worker and waits for it.
func (p *Pair) Do(w *Worker, run func(now umem.Time)) {
	p.tb.Helper()
	done := false
	w.Do(func(now umem.Time) {
		run(now)
		done = true
	})
	p.Wait(umem.Second, "a turn", func() bool { return done })
}

// Wait lets the time pass until done, and fails the test when that takes longer
// than limit.
func (p *Pair) Wait(limit umem.Time, what string, done func() bool) {
	p.tb.Helper()
	if err := p.RunUntil(p.Now()+limit, what, done); err != nil {
		p.tb.Fatalf("seed %d: %v", p.seed, err)
	}
}
