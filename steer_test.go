package xdpstack

import (
	"crypto/sha256"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/mem"
	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/umem"
)

// steered is a device whose packets arrive at any worker, as with a NIC that hashes
// otherwise than the sender chose its queues.
type steered struct {
	*mem.Device
	ports []*steeredPort
}

// Ports implements Device.
func (d *steered) Ports() []engine.Port {
	out := make([]engine.Port, len(d.ports))
	for i, p := range d.ports {
		out[i] = p
	}
	return out
}

// OnArrival implements Announcer.
func (d *steered) OnArrival(worker int, wake func()) {
	d.Device.OnArrival(worker, wake)
	d.ports[worker].wake = wake
}

// steeredPort gives packets that arrive to another worker's port, by a seed.
type steeredPort struct {
	engine.Port
	pool  *umem.Pool
	rand  *rand.Rand
	other *steeredPort
	wake  func()

	mu   sync.Mutex
	come [][]byte // from the other
}

// Receive implements engine.Port.
func (p *steeredPort) Receive(now umem.Time, out []*umem.Frame) int {
	n := p.Port.Receive(now, out)
	kept := 0
	for _, f := range out[:n] {
		if p.rand.IntN(2) == 0 {
			out[kept] = f
			kept++
			continue
		}
		p.other.give(append([]byte(nil), f.Bytes()...))
		p.pool.Free(f)
	}
	return p.takeOver(now, out, kept)
}

func (p *steeredPort) give(b []byte) {
	p.mu.Lock()
	p.come = append(p.come, b)
	p.mu.Unlock()
	if p.wake != nil {
		p.wake()
	}
}

// takeOver adds what the other port gave to out, which has n frames.
func (p *steeredPort) takeOver(now umem.Time, out []*umem.Frame, n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.come) > 0 && n < len(out) {
		f := p.pool.Get(umem.ClassReceive)
		if f == nil {
			break
		}
		copy(f.Put(len(p.come[0])), p.come[0])
		f.RxTime, f.In = now, 0
		out[n] = f
		n++
		p.come = p.come[1:]
	}
	return n
}

// Ready implements engine.Port.
func (p *steeredPort) Ready() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.come) > 0 || p.Port.Ready()
}

// TestPacketsOnTheWrongWorkerFindTheirWay: each packet arrives at a worker drawn at random; connections, accepted
// and dialled, work all the same, and workers learn where packets belong.
func TestPacketsOnTheWrongWorkerFindTheirWay(t *testing.T) {
	seed := testenv.Seed(t)
	da, db, err := mem.Cable(mem.CableConfig{Workers: 2, Frames: 4096})
	if err != nil {
		t.Fatal(err)
	}
	hosts := [2]*Host{}
	for i, d := range []*mem.Device{da, db} {
		wrong := &steered{Device: d}
		for w, p := range d.Ports() {
			wrong.ports = append(wrong.ports, &steeredPort{Port: p, pool: d.Pool(w), rand: rand.New(rand.NewPCG(seed, uint64(2*i+w)))})
		}
		wrong.ports[0].other, wrong.ports[1].other = wrong.ports[1], wrong.ports[0]
		hosts[i] = steeredHost(t, i, wrong)
	}
	for _, fam := range families {
		srv := serve(t, hosts[1], "tcp"+fam.name, fam.b, func(*Stream) StreamHandler { return &echoes{} })
		var streams []*pours
		for range 20 {
			p := newPours(100_000)
			dial(t, hosts[0], srv.Addr(), p)
			streams = append(streams, p)
		}
		want := make([]byte, 100_000)
		pattern(want, 0)
		sum := sha256.Sum256(want)
		for i, p := range streams {
			if err := within(t, "the end", p.done); err != nil || string(p.sum.Sum(nil)) != string(sum[:]) {
				t.Errorf("IPv%s: connection %d: %d octets came back, %v", fam.name, i, p.got, err)
			}
		}
	}
	for _, h := range hosts {
		st, err := h.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if st.TCP.FlowsFound == 0 || st.TCP.HandedOn == 0 {
			t.Errorf("no packet was handed on: %+v", st.TCP)
		}
		if st.TCP.EstabResets != 0 { // a late ACK of a connection that is over is answered by a RST
			t.Errorf("%d connections were reset", st.TCP.EstabResets)
		}
	}
}

func steeredHost(t *testing.T, i int, d Device) *Host {
	t.Helper()
	last := string(rune('1' + i))
	h, err := NewOn(t.Context(), Config{
		Interface: "wire",
		Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.0." + last + "/24"), netip.MustParsePrefix("2001:2::" + last + "/64")},
		DAD:       -1, LedgerEvery: 1,
		Log: slog.New(slog.DiscardHandler),
	}, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("closing host %s: %v", last, err)
		}
	})
	return h
}
