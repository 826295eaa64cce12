package sim

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// eachFamily runs a test for both families.
func eachFamily(t *testing.T, run func(t *testing.T, family int)) {
	for _, family := range []int{4, 6} {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) { run(t, family) })
	}
}

// echoOn opens an echo service on every worker of a host.
func echoOn(p *Pair, h *Host) {
	for _, w := range h.Workers() {
		p.Do(w, func(umem.Time) {
			k := must(w.Open(socket.Options{Events: true}, socket.Owner{}))
			check(p.tb, k.Bind(netip.AddrPortFrom(netip.IPv6Unspecified(), portEcho)))
			k.Datagram = func(now umem.Time, e *stack.Event) {
				check(p.tb, w.Stack().Reply(now, k.Handle(), e.Frame))
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Error(err)
	}
}

// caller is a connected socket that counts what comes back.
type caller struct {
	*Socket
	answers int
	errs    []error
	errAt   umem.Time
}

// call opens a connected socket on a worker.
func call(p *Pair, w *Worker, to netip.AddrPort) *caller {
	p.tb.Helper()
	c := &caller{}
	p.Do(w, func(umem.Time) {
		c.Socket = must(w.Open(socket.Options{Events: true}, socket.Owner{}))
		check(p.tb, c.Connect(to))
		c.Datagram = func(now umem.Time, e *stack.Event) {
			c.answers++
			w.Stack().Release(e.Frame)
		}
		c.Failed = func(now umem.Time, e *stack.Event) {
			c.errs = append(c.errs, e.Errno)
			c.errAt = now
		}
	})
	return c
}

// send sends one datagram, which must be taken.
func (c *caller) send(p *Pair) {
	p.Do(c.Worker(), func(now umem.Time) { check(p.tb, c.Send(now, []byte("hello"), netip.AddrPort{})) })
}

func TestPairEchoes(t *testing.T) {
	seed := testenv.Seed(t)
	eachFamily(t, func(t *testing.T, family int) {
		p := NewPair(t, seed, nil)
		echoOn(p, p.B)
		c := call(p, p.A.Workers()[0], netip.AddrPortFrom(p.B.Addr(family), portEcho))
		for i := range 10 {
			c.send(p)
			p.Wait(umem.Second, "an answer", func() bool { return c.answers == i+1 })
		}
	})
}

// TestAnswersReachTheirWorker: the device gives all packets to the last of three
// workers, the callers are on all of them.
func TestAnswersReachTheirWorker(t *testing.T) {
	seed := testenv.Seed(t)
	eachFamily(t, func(t *testing.T, family int) {
		p := NewPair(t, seed, func(a, _ *HostConfig) { a.Workers, a.Spread = 3, ToLast })
		echoOn(p, p.B)
		for _, w := range p.A.Workers() {
			c := call(p, w, netip.AddrPortFrom(p.B.Addr(family), portEcho))
			c.send(p)
			p.Wait(umem.Second, "an answer on "+w.String(), func() bool { return c.answers == 1 })
		}
		if n := p.Totals().Mesh.HandedOff; n < 2 {
			t.Errorf("%d frames were handed to another worker, want one for each of two callers at least", n)
		}
	})
}

// TestUnreachableHostFailsInTime: a second for each of three requests, and no more
// than a little above; on workers that have to ask worker 0 too.
func TestUnreachableHostFailsInTime(t *testing.T) {
	seed := testenv.Seed(t)
	eachFamily(t, func(t *testing.T, family int) {
		for worker := range 3 {
			p := NewPair(t, seed, func(a, _ *HostConfig) { a.Workers = 3 })
			c := call(p, p.A.Workers()[worker], netip.AddrPortFrom(prefix(family, 77).Addr(), 9))
			start := p.Now()
			c.send(p)
			p.Wait(10*umem.Second, "an error", func() bool { return len(c.errs) > 0 })
			if !errors.Is(c.errs[0], socket.EHOSTUNREACH) {
				t.Errorf("worker %d: %v, want EHOSTUNREACH", worker, c.errs[0])
			}
			if d := c.errAt - start; d < 3*umem.Second || d > 3*umem.Second+umem.Second/10 {
				t.Errorf("worker %d: the error came after %d ms, want 3 s", worker, d/umem.Millisecond)
			}
		}
	})
}

// TestNeighbourResolvesUnderLoss: whoever tries again every second gets through.
func TestNeighbourResolvesUnderLoss(t *testing.T) {
	seed := testenv.Seed(t)
	eachFamily(t, func(t *testing.T, family int) {
		for i, loss := range []float64{0.1, 0.3, 0.5} {
			p := NewPair(t, seed+uint64(i), func(a, b *HostConfig) {
				a.Up.Loss, a.Down.Loss, b.Up.Loss, b.Down.Loss = loss, 0, loss, 0
			})
			echoOn(p, p.B)
			c := call(p, p.A.Workers()[0], netip.AddrPortFrom(p.B.Addr(family), portEcho))
			var again func()
			again = func() {
				if c.answers > 0 {
					return
				}
				c.Worker().Do(func(now umem.Time) { _ = c.Send(now, []byte("hello"), netip.AddrPort{}) }) // it tells of earlier failures
				p.After(umem.Second, again)
			}
			again()
			p.Wait(100*umem.Second, fmt.Sprintf("an answer with a loss of %v", loss), func() bool { return c.answers > 0 })
		}
	})
}

// TestTrafficGoesOnAfterAnOutage: the wire is cut for a minute, which both
// neighbours' entries do not survive.
func TestTrafficGoesOnAfterAnOutage(t *testing.T) {
	seed := testenv.Seed(t)
	eachFamily(t, func(t *testing.T, family int) {
		cut := Start + 2*umem.Second
		down := func(now umem.Time) bool { return now >= cut && now < cut+60*umem.Second }
		p := NewPair(t, seed, func(a, _ *HostConfig) { a.Up.Down, a.Down.Down = down, down })
		echoOn(p, p.B)
		c := call(p, p.A.Workers()[0], netip.AddrPortFrom(p.B.Addr(family), portEcho))
		for at := Start + umem.Second/2; at < cut+70*umem.Second; at += umem.Second {
			p.At(at, func() {
				c.Worker().Do(func(now umem.Time) { _ = c.Send(now, []byte("hello"), netip.AddrPort{}) }) // fails while the wire is cut
			})
		}
		if err := p.Run(cut + 60*umem.Second); err != nil {
			t.Fatal(err)
		}
		before := c.answers
		if before < 1 || before > 3 {
			t.Errorf("%d answers before the wire was cut, want 2", before)
		}
		if len(c.errs) == 0 {
			t.Error("a minute without the neighbour, and nobody was told: it must turn stale, be probed and given up")
		}
		if err := p.Run(cut + 70*umem.Second); err != nil {
			t.Fatal(err)
		}
		if after := c.answers - before; after < 5 {
			t.Errorf("%d answers in ten seconds after the outage, want 10 or a few less", after)
		}
	})
}

// TestTwoHostsWithOneAddress: detection sees the one that was there before.
func TestTwoHostsWithOneAddress(t *testing.T) {
	seed := testenv.Seed(t)
	eachFamily(t, func(t *testing.T, family int) {
		p := NewPair(t, seed, func(a, b *HostConfig) {
			a.Addrs = []netip.Prefix{prefix(family, 1)}
			b.Addrs = a.Addrs
			b.DAD, b.Workers = umem.Second, 2
		})
		p.Wait(20*umem.Second, "the end of conflict detection", p.B.Ready)
		if p.B.Conflicts() == 0 || p.A.Conflicts() != 0 {
			t.Errorf("conflicts: A saw %d, B saw %d; want that B alone sees one", p.A.Conflicts(), p.B.Conflicts())
		}
		for _, w := range p.B.Workers() {
			p.Do(w, func(umem.Time) {
				k := must(w.Open(socket.Options{}, socket.Owner{}))
				if err := k.Bind(netip.AddrPortFrom(p.B.Addr(family), 9)); !errors.Is(err, socket.EADDRNOTAVAIL) {
					t.Errorf("%v: binding to the address: %v, want EADDRNOTAVAIL", w, err)
				}
			})
		}
	})
}
