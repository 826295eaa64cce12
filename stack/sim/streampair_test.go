package sim

import (
	"net/netip"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// hearing is a stream socket, and what it heard.
type hearing struct {
	*Socket
	ready stack.Ready
	errno socket.Errno
}

// hears opens a stream socket and remembers all that it hears.
func hears(p *Pair, w *Worker, begin func(k *Socket) error) *hearing {
	p.tb.Helper()
	h := &hearing{}
	p.Do(w, func(umem.Time) {
		h.Socket = must(w.OpenStream(socket.Options{}, socket.Owner{}))
		h.Stream = func(_ umem.Time, ready stack.Ready, errno socket.Errno) {
			h.ready |= ready
			h.errno = errno
		}
		check(p.tb, begin(h.Socket))
	})
	return h
}

// heard waits for an event.
func (h *hearing) heard(p *Pair, limit umem.Time, ready stack.Ready) {
	p.tb.Helper()
	p.Wait(limit, "an event of a stream", func() bool { return h.ready&ready == ready })
}

func streamsPair(t *testing.T, edit func(a, b *HostConfig)) *Pair {
	return NewPair(t, testenv.Seed(t), func(a, b *HostConfig) {
		a.Limits.Streams, b.Limits.Streams = 16, 16
		if edit != nil {
			edit(a, b)
		}
	})
}

// TestSimultaneousOpen: both ends connect to each other, and their SYNs cross (RFC 9293, section 3.5, figure 8); then
// both end at once, and their FINs cross (figure 13).
func TestSimultaneousOpen(t *testing.T) {
	eachFamily(t, func(t *testing.T, family int) {
		p := streamsPair(t, nil)
		open := func(h, peer *Host) *hearing {
			return hears(p, h.Workers()[0], func(k *Socket) error {
				if err := k.Bind(netip.AddrPortFrom(h.Addr(family), 5000)); err != nil {
					return err
				}
				return k.Connect(netip.AddrPortFrom(peer.Addr(family), 5000))
			})
		}
		warm(p, family)
		a, b := open(p.A, p.B), open(p.B, p.A)
		a.heard(p, umem.Second, stack.ReadyConnected)
		b.heard(p, umem.Second, stack.ReadyConnected)
		p.Do(a.Worker(), func(umem.Time) { check(t, a.Shutdown()) })
		p.Do(b.Worker(), func(umem.Time) { check(t, b.Shutdown()) })
		for _, h := range []*hearing{a, b} {
			h.heard(p, umem.Second, stack.ReadyEOF|stack.ReadyClosed)
			if h.errno != 0 {
				t.Errorf("%v", h.errno)
			}
			p.Do(h.Worker(), func(umem.Time) { check(t, h.Close()) })
		}
		check(t, p.Settle(p.Now()+settleTime))
		for _, w := range []*Worker{p.A.Workers()[0], p.B.Workers()[0]} {
			if c := w.Stack().Counters().TCP; c.TCPTimeWaited != 1 || c.PassiveOpens != 0 || c.EstabResets != 0 {
				t.Errorf("%v: %+v", w, c)
			}
		}
	})
}

// warm has both hosts know each other's link address, so that what they send to each other crosses.
func warm(p *Pair, family int) {
	k := hears(p, p.A.Workers()[0], func(k *Socket) error { return k.Connect(netip.AddrPortFrom(p.B.Addr(family), portClosed)) })
	k.heard(p, umem.Second, stack.ReadyClosed)
	if k.errno != socket.ECONNREFUSED {
		p.tb.Errorf("a closed port said %v", k.errno)
	}
	p.Do(k.Worker(), func(umem.Time) { check(p.tb, k.Close()) })
}

// TestTimerOfAStream fires at its time, once, also without a connection.
func TestTimerOfAStream(t *testing.T) {
	p := streamsPair(t, nil)
	w := p.A.Workers()[0]
	var at umem.Time
	k := hears(p, w, func(*Socket) error { return nil })
	k.Stream = func(now umem.Time, ready stack.Ready, _ socket.Errno) {
		if ready != stack.ReadyTimer || at != 0 {
			t.Errorf("heard %b, after %d", ready, at)
		}
		at = now
	}
	due := p.Now() + 5*umem.Second
	p.Do(w, func(umem.Time) { w.Stack().SetTimer(k.Handle(), due+umem.Second) })
	p.Do(w, func(umem.Time) { w.Stack().SetTimer(k.Handle(), due) })
	p.Wait(10*umem.Second, "the timer", func() bool { return at != 0 })
	if at < due || at > due+umem.Millisecond {
		t.Errorf("the timer fired at %d, not at %d", at, due)
	}
	p.Do(w, func(umem.Time) {
		w.Stack().SetTimer(k.Handle(), umem.Never)
		check(t, k.Close())
	})
}
