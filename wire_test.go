package xdpstack

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/mem"
	"github.com/xdpstack/xdpstack/umem"
)

// wire is a device within the process: queue i of one host is joined with
// queue i of the other.
type wire struct {
	pools []*umem.Pool
	ends  []*mem.Port
	addr  [6]byte
}

func (w *wire) Ports() []engine.Port {
	out := make([]engine.Port, len(w.ends))
	for i, p := range w.ends {
		out[i] = p
	}
	return out
}

func (w *wire) Pool(i int) *umem.Pool { return w.pools[i] }
func (w *wire) MAC() [6]byte          { return w.addr }
func (w *wire) MTU() int              { return 1500 }
func (w *wire) Detach() error         { return nil }

// Close leaves the ports to the end of the test: the other host may still be
// sending into them.
func (w *wire) Close() error { return nil }

func (w *wire) OnArrival(worker int, wake func()) { w.ends[worker].OnArrival(wake) }

// cut takes the wire away, and checks both hosts' ledgers.
func (w *wire) cut() error {
	for _, p := range w.ends {
		if err := p.Close(); err != nil {
			return err
		}
	}
	for _, p := range w.pools {
		if err := p.Audit(); err != nil {
			return err
		}
		if err := p.Balance(&umem.Holders{}); err != nil {
			return err
		}
	}
	return nil
}

const framesEach = 1024

func newWire(t testing.TB, workers int, last byte) *wire {
	t.Helper()
	r, err := umem.NewRegion(make([]byte, workers*framesEach*umem.MinChunk), umem.MinChunk)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: [6]byte{2, 0, 0, 0, 0, last}}
	for i := range workers {
		p, err := umem.NewPool(r, umem.PoolConfig{
			Worker: i, Workers: workers, First: i * framesEach, Frames: framesEach,
			FillFloor: framesEach / 2, ControlFloor: 32, SendQuota: framesEach, ReceiveQuota: framesEach / 4,
		})
		if err != nil {
			t.Fatal(err)
		}
		w.pools = append(w.pools, p)
	}
	return w
}

// pair makes two hosts on one wire: 198.18.0.1 and .2, 2001:2::1 and ::2. They
// are closed, and their ledgers checked, when the test ends.
func pair(t testing.TB, workers int, change ...func(*Config)) (a, b *Host) {
	t.Helper()
	wa, wb := newWire(t, workers, 1), newWire(t, workers, 2)
	for i := range workers {
		pa, pb, err := mem.Pair(wa.pools[i], wb.pools[i], mem.Config{Slots: framesEach / 2})
		if err != nil {
			t.Fatal(err)
		}
		pa.Refill()
		pb.Refill()
		wa.ends, wb.ends = append(wa.ends, pa), append(wb.ends, pb)
	}
	hosts := [2]*Host{}
	t.Cleanup(func() {
		if err := errors.Join(wa.cut(), wb.cut()); err != nil {
			t.Error(err)
		}
	})
	for i, w := range []*wire{wa, wb} {
		hosts[i] = wiredHost(t, i, w, change...)
	}
	return hosts[0], hosts[1]
}

// wiredHost makes host i of a pair on its end of the wire; it is closed when the test ends.
func wiredHost(t testing.TB, i int, d Device, change ...func(*Config)) *Host {
	t.Helper()
	last := string(rune('1' + i))
	cfg := Config{
		Interface: "wire",
		Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.0." + last + "/24"), netip.MustParsePrefix("2001:2::" + last + "/64")},
		DAD:       -1, LedgerEvery: 1,
		Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&cfg)
	}
	h, err := NewOn(t.Context(), cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("closing host %s: %v", last, err)
		}
	})
	return h
}

// families are the two that every test is a table over.
var families = []struct {
	name, network, a, b string
}{
	{"4", "udp4", "198.18.0.1", "198.18.0.2"},
	{"6", "udp6", "2001:2::1", "2001:2::2"},
}

// patience is how long a test waits for what must come.
func patience(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
