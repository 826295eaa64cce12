package proxy

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/xdpstack/xdpstack/umem"
)

// three makes backends on ports 0, 1 and 2.
func three() *backends {
	var addrs []netip.AddrPort
	for i := range 3 {
		addrs = append(addrs, netip.AddrPortFrom(netip.MustParseAddr("198.18.0.9"), uint16(i)))
	}
	return newBackends(addrs)
}

// picks calls pick n times: the ports, -1 for none.
func picks(b *backends, now umem.Time, n int) (out []int) {
	for range n {
		one := b.pick(now, pause)
		if one == nil {
			out = append(out, -1)
			continue
		}
		out = append(out, int(one.addr.Port()))
	}
	return out
}

const pause = 5 * umem.Second

func TestRoundRobin(t *testing.T) {
	if got, want := picks(three(), 0, 7), []int{0, 1, 2, 0, 1, 2, 0}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestRoundRobinWraps: the counter is of 32 bits.
func TestRoundRobinWraps(t *testing.T) {
	b := three()
	b.next.Store(1<<32 - 2)
	for _, got := range picks(b, 0, 6) {
		if got < 0 || got > 2 {
			t.Errorf("%d", got)
		}
	}
}

func TestFailover(t *testing.T) {
	b := three()
	b.all[1].failed(100, pause)
	if got, want := picks(b, 101, 6), []int{0, 2, 2, 0, 2, 2}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	b.all[0].failed(200, pause)
	b.all[2].failed(300, pause)
	if got, want := picks(b, 301, 3), []int{-1, -1, -1}; !slices.Equal(got, want) {
		t.Errorf("all down: %v", got)
	}
	// When the pause is over one client is sent, and no other until that is known.
	back := 100 + pause
	if got, want := picks(b, back, 3), []int{1, -1, -1}; !slices.Equal(got, want) {
		t.Errorf("pause over: %v, want %v", got, want)
	}
	b.all[1].answered()
	if got, want := picks(b, back+1, 3), []int{1, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("answered: %v, want %v", got, want)
	}
	// If nothing is heard of the one who was sent, somebody else is when another pause is over.
	b = three()
	for i := range b.all {
		b.all[i].failed(0, pause)
	}
	if got, want := picks(b, pause, 4), []int{0, 1, 2, -1}; !slices.Equal(got, want) {
		t.Errorf("all are due: %v, want %v", got, want)
	}
	if got, want := picks(b, 2*pause, 2), []int{1, 2}; !slices.Equal(got, want) {
		t.Errorf("all are due again: %v, want %v", got, want)
	}
}

// TestFailedAtZero: a time of zero does not read as "answers".
func TestFailedAtZero(t *testing.T) {
	var b backend
	b.failed(0, 0)
	if b.usable(0, pause) {
		t.Error("usable in the moment in which it failed")
	}
	if !b.usable(1, pause) {
		t.Error("not usable later")
	}
}
