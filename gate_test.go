package xdpstack

import (
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/mem"
	"github.com/xdpstack/xdpstack/umem"
)

// gate is a port that lets no more packets in than the test allows: what piles up before
// it arrives in one batch.
type gate struct {
	engine.Port
	allowed atomic.Int64
	wake    func()
}

// Receive implements engine.Port.
func (g *gate) Receive(now umem.Time, out []*umem.Frame) int {
	n := int(min(g.allowed.Load(), int64(len(out))))
	if n == 0 {
		return 0
	}
	n = g.Port.Receive(now, out[:n])
	g.allowed.Add(int64(-n))
	return n
}

// Ready implements engine.Port.
func (g *gate) Ready() bool { return g.allowed.Load() > 0 && g.Port.Ready() }

// allow lets n packets in, and no others.
func (g *gate) allow(n int64) {
	g.allowed.Store(n)
	g.wake()
}

func (g *gate) open() { g.allow(math.MaxInt64) }

// gatedDevice is a device whose port is behind a gate.
type gatedDevice struct {
	*mem.Device
	gate *gate
}

// Ports implements Device.
func (d *gatedDevice) Ports() []engine.Port { return []engine.Port{d.gate} }

// gatedPair is pair with one worker of that many frames each, and a gate before b.
func gatedPair(t *testing.T, frames int, change ...func(*Config)) (a, b *Host, g *gate) {
	t.Helper()
	da, db, err := mem.Cable(mem.CableConfig{Frames: frames})
	if err != nil {
		t.Fatal(err)
	}
	g = &gate{Port: db.Ports()[0]}
	g.allowed.Store(math.MaxInt64)
	hosts := [2]*Host{}
	for i, d := range []Device{da, &gatedDevice{db, g}} {
		hosts[i] = wiredHost(t, i, d, change...)
	}
	g.wake = hosts[1].shards[0].worker.Wake
	return hosts[0], hosts[1], g
}

// settled waits until what the workers were given before, and what that caused, is sent: until
// the turn after this one. (A call that a worker runs before it has started is in no turn.)
func settled(t *testing.T, h *Host) {
	t.Helper()
	for range 2 {
		for i := range h.Workers() {
			done := make(chan struct{})
			if h.Worker(i).Post(func() { close(done) }) {
				within(t, "the worker's turn", done)
			}
		}
	}
}

// eventually waits until cond holds on the worker.
func eventually(t *testing.T, h *Host, worker int, what string, cond func(s *shard) bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); runtime.Gosched() {
		done := false
		if err := h.on(worker, func(s *shard) { done = cond(s) }); err != nil {
			t.Fatal(err)
		}
		if done {
			return
		}
	}
	t.Fatalf("it never came: %s", what)
}
