package bench

import (
	"testing"

	"github.com/xdpstack/xdpstack/umem"
)

// TestPaceKeepsItsRate asks for packets at each deadline, in virtual time.
func TestPaceKeepsItsRate(t *testing.T) {
	for _, rate := range []float64{1, 7, 1000, 33333, 1e6, 14.88e6} {
		p := pace{rate: rate}
		const start = umem.Time(12345)
		p.room(start, 64)
		now, sent, asked := start, 0, 0
		for now < start+2*umem.Second && asked < 100000 {
			next := p.deadline()
			if next <= now {
				t.Fatalf("rate %g: deadline %d is not after %d, and nothing was let go", rate, next, now)
			}
			now = next
			n := p.room(now, 64)
			asked++
			p.sent(n)
			sent += n
		}
		want := rate * float64(now-start) / 1e9
		if asked > sent || float64(sent) < want-2 || float64(sent) > want+2 {
			t.Errorf("rate %g: %d packets at %d deadlines in %d ns, want %.1f", rate, sent, asked, now-start, want)
		}
	}
}

func TestPaceDoesNotMakeUpForPauses(t *testing.T) {
	p := pace{rate: 1e6}
	p.room(1, 64)
	if n := p.room(umem.Second, 1<<20); n < 900 || n > 1000 {
		t.Errorf("after a second without sending %d packets may go, want a millisecond's 1000", n)
	}
}

func TestNoPaceIsNoBound(t *testing.T) {
	var p pace
	if n, d := p.room(1, 64), p.deadline(); n != 64 || d != umem.Never {
		t.Errorf("room %d, deadline %d", n, d)
	}
}

// TestGenerateSendsFlowsInTurn drives the program by hand.
func TestGenerateSendsFlowsInTurn(t *testing.T) {
	region, err := umem.NewRegion(make([]byte, 64*umem.MinChunk), umem.MinChunk)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := umem.NewPool(region, umem.PoolConfig{Workers: 1, Frames: 64, SendQuota: 64})
	if err != nil {
		t.Fatal(err)
	}
	p := Packets{Flows: 5}
	if err := p.complete(); err != nil {
		t.Fatal(err)
	}
	g := newGenerate(pool, p.build(), 0)
	flow := 0
	var out [16]*umem.Frame
	for range 10 {
		n := g.Output(1, out[:])
		if n != len(out) {
			t.Fatalf("%d frames", n)
		}
		for _, f := range out {
			checkPacket(t, f.Bytes(), &p, flow)
			flow = (flow + 1) % 5
		}
		g.Completed(1, out[:])
	}
	if err := pool.Balance(&umem.Holders{}); err != nil {
		t.Error(err)
	}
	if allocs := testing.AllocsPerRun(100, func() { g.Completed(1, out[:g.Output(1, out[:])]) }); allocs != 0 {
		t.Errorf("%v allocations a batch", allocs)
	}
}
