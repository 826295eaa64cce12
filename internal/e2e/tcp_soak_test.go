package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack"
	"github.com/xdpstack/xdpstack/internal/lab"
	"github.com/xdpstack/xdpstack/internal/lab/labtest"
	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/stack/tcp"
)

// TestSoakStreams: crowds of echoes of any size, over wires that are bad in any way, among clients that go away in the middle, one
// stack after the other; none may be stuck, and nothing left, when a minute is over not even TIME-WAIT.
func TestSoakStreams(t *testing.T) {
	d := testenv.Soak(t)
	seed := testenv.Seed(t)
	labs := []*lab.Lab{labtest.New(t, lab.Config{Queues: 1}), labtest.New(t, lab.Config{Queues: 2})}
	rounds, octets := 0, int64(0)
	for end := time.Now().Add(d); time.Now().Before(end); rounds++ {
		octets += soakRound(t, labs[rounds%2], seed+uint64(rounds))
	}
	t.Logf("%d rounds, %d MB each way", rounds, octets>>20)
	p := serve(t, labs[1])
	for i := range 100 {
		c := dial(t, labs[1], at(labs[1], 4+i%2*2, echoPort))
		if err := exchange(c, 1000, seed); err != nil {
			t.Error(err)
		}
		_ = c.Close()
	}
	left := func(s *xdpstack.SocketInfo) bool { return s.State != tcp.Listen.String() }
	for deadline := time.Now().Add(3 * patience); len(p.sockets(left)) > 0 && time.Now().Before(deadline); <-time.After(time.Second) {
	}
	if n := len(p.sockets(left)); n > 0 {
		t.Errorf("%d sockets are left", n)
	}
	p.summary()
}

// soakRound is what one seed determines, and returns how much was echoed.
func soakRound(t *testing.T, l *lab.Lab, seed uint64) (octets int64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	wire := fmt.Sprintf("loss=%d%%,reorder=%d%%,duplicate=%d%%,corrupt=%d%%,seed=%d", rng.IntN(4), rng.IntN(4), rng.IntN(3), rng.IntN(3), seed)
	p := serve(t, l, "--impair", wire)
	n := 1 + rng.IntN(50)
	size, quit := make([]int64, n), make([]bool, n)
	for i := range n {
		size[i], quit[i] = rng.Int64N(1<<(8+rng.IntN(14))), rng.IntN(8) == 0
		if !quit[i] {
			octets += size[i]
		}
	}
	family := 4 + rng.IntN(2)*2
	errs := crowd(t.Context(), l, n, func(ctx context.Context, i int, opened func()) error {
		c, err := dialed(ctx, l, at(l, family, echoPort))
		if err != nil {
			return err
		}
		defer c.Close()
		opened()
		_ = c.SetDeadline(time.Now().Add(20 * patience))
		if quit[i] {
			defer reset(c)
			_, err := c.Write(make([]byte, size[i]%60_000))
			return err
		}
		return exchange(c, size[i], seed+uint64(i))
	}, func() {})
	for i, err := range errs {
		if err != nil {
			t.Errorf("seed %d, %s, IPv%d, connection %d of %d octets: %v", seed, wire, family, i, size[i], err)
		}
	}
	quits := 0
	for _, q := range quit {
		if q {
			quits++
		}
	}
	p.settle(quits)
	p.summary()
	return octets
}

// settle waits until at most so many connections are left, and nothing happens on those: their peers' RSTs were lost.
func (p *process) settle(quiet int) {
	p.t.Helper()
	var left, busy []xdpstack.SocketInfo
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		left = p.sockets(connections)
		busy = p.sockets(func(s *xdpstack.SocketInfo) bool {
			return connections(s) && (s.State != tcp.Established.String() || s.SendQueue > 0 || s.RecvQueue > 0)
		})
		if len(busy) == 0 && len(left) <= quiet {
			return
		}
	}
	p.t.Errorf("%d connections are left of %d whose peers quit; busy: %+v", len(left), quiet, busy)
}
