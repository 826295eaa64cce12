package proxy

import (
	"net/netip"
	"sync/atomic"

	"github.com/xdpstack/xdpstack/umem"
)

// backend is where clients are sent, as all workers see it. It is written when a
// connection begins or fails, not for packets.
type backend struct {
	addr netip.AddrPort

	// passed is until when nobody is sent here; 0: it answers.
	passed atomic.Int64

	connections atomic.Uint64
	failures    atomic.Uint64
	active      atomic.Int64
}

// usable says whether a client may be sent here. Once the pause after a failure is over, one
// client is: the others are when that has come through.
func (b *backend) usable(now, pause umem.Time) bool {
	until := b.passed.Load()
	if until == 0 {
		return true
	}
	return int64(now) >= until && b.passed.CompareAndSwap(until, int64(now+pause))
}

func (b *backend) answered() {
	if b.passed.Load() != 0 {
		b.passed.Store(0)
	}
}

// failed has the backend passed over until a pause is over.
func (b *backend) failed(now, pause umem.Time) {
	b.failures.Add(1)
	b.passed.Store(int64(max(now+pause, 1)))
}

// backends are a listener's.
type backends struct {
	all  []backend
	next atomic.Uint32
}

func newBackends(addrs []netip.AddrPort) *backends {
	b := &backends{all: make([]backend, len(addrs))}
	for i, a := range addrs {
		b.all[i].addr = a
	}
	return b
}

// pick is the next backend in turn that is usable; nil when none is.
func (b *backends) pick(now, pause umem.Time) *backend {
	first := int(b.next.Add(1)-1) % len(b.all)
	for i := range b.all {
		if one := &b.all[(first+i)%len(b.all)]; one.usable(now, pause) {
			return one
		}
	}
	return nil
}
