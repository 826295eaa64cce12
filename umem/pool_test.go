package umem

import (
	"errors"
	"testing"
)

func TestPoolRefusesBadRuns(t *testing.T) {
	r, _ := NewRegion(make([]byte, 16*MinChunk), MinChunk)
	for name, c := range map[string]struct {
		cfg  PoolConfig
		want error
	}{
		"beyond the region": {PoolConfig{Workers: 1, First: 10, Frames: 7}, ErrPoolRun},
		"no frames":         {PoolConfig{Workers: 1}, ErrPoolRun},
		"negative":          {PoolConfig{Workers: 1, First: -1, Frames: 2}, ErrPoolRun},
		"floors":            {PoolConfig{Workers: 1, Frames: 8, FillFloor: 4, ControlFloor: 4}, ErrPoolFloors},
		"worker of none":    {PoolConfig{Worker: 1, Workers: 1, Frames: 8}, ErrWorkers},
	} {
		if _, err := NewPool(r, c.cfg); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := NewPool(r, PoolConfig{Workers: 2, Frames: 8}); err != nil {
		t.Fatal(err)
	}
	if _, err := NewPool(r, PoolConfig{Worker: 1, Workers: 2, First: 7, Frames: 8}); !errors.Is(err, ErrPoolRun) {
		t.Errorf("a run that overlaps another worker's: %v", err)
	}
}

func TestLastFreedFirstUsed(t *testing.T) {
	p := newPool(t, 8)
	a, b := p.Get(ClassSend), p.Get(ClassSend)
	p.Free(b)
	p.Free(a)
	if p.Get(ClassSend) != a || p.Get(ClassSend) != b {
		t.Error("the pool is not a stack")
	}
}

func TestFloorsByClass(t *testing.T) {
	p := newPool(t, 16, func(c *PoolConfig) { c.FillFloor, c.ControlFloor, c.SendQuota = 6, 4, 16 })
	take := func(c Class) (n int) {
		for p.Get(c) != nil {
			n++
		}
		return n
	}
	if n := take(ClassSend); n != 6 {
		t.Errorf("senders took %d of 16, want 6", n)
	}
	if n := take(ClassControl); n != 4 {
		t.Errorf("control took %d, want 4", n)
	}
	var addrs [16]uint64
	if n := p.ToFill(0, addrs[:]); n != 6 {
		t.Errorf("the fill ring took %d, want 6", n)
	}
	if p.Refused[ClassSend] != 1 || p.Refused[ClassControl] != 1 {
		t.Errorf("refusals are not counted: %v", p.Refused)
	}
}

func TestFillFloorCountsWhatTheKernelHas(t *testing.T) {
	p := newPool(t, 16, func(c *PoolConfig) { c.FillFloor = 6 })
	var addrs [6]uint64
	p.ToFill(0, addrs[:])
	if n := p.Available(ClassSend); n != 10 {
		t.Errorf("with the floor's frames on the fill ring senders have %d, want 10", n)
	}
}

func TestQuotas(t *testing.T) {
	p := newPool(t, 16, func(c *PoolConfig) { c.SendQuota, c.ReceiveQuota = 3, 2 })
	for range 3 {
		p.Hold(p.Get(ClassSend), HoldRetransmit)
	}
	if f := p.Get(ClassSend); f != nil || p.InUse(ClassSend) != 3 {
		t.Errorf("a fourth frame of three: %v", f)
	}
	f := p.Get(ClassControl)
	p.Hold(f, HoldReceive)
	if p.ReceiveRoom() != 1 {
		t.Errorf("room of %d after one of two", p.ReceiveRoom())
	}
	p.Hold(f, HoldApp)
	if p.ReceiveRoom() != 0 {
		t.Errorf("room of %d after two of two", p.ReceiveRoom())
	}
}

func TestReceivedChecksTheDescriptor(t *testing.T) {
	p := newPool(t, 4)
	r := p.Region()
	var addrs [2]uint64
	p.ToFill(0, addrs[:])
	for name, d := range map[string]struct {
		addr uint64
		n    uint32
	}{
		"beyond the region":        {4 * MinChunk, 1},
		"far beyond":               {1 << 60, 1},
		"longer than its chunk":    {addrs[0], MinChunk + 1},
		"over the end":             {addrs[0] + 1, MinChunk},
		"length wraps":             {addrs[0] + 256, 1<<32 - 1},
		"a frame that was not fed": {3 * MinChunk, 64},
	} {
		if f, ok := r.Received(d.addr, d.n, 1); ok {
			t.Errorf("%s: frame %d accepted", name, f.Index())
		}
	}
	f, ok := r.Received(addrs[0]+256, 64, 7)
	if !ok || f.Len() != 64 || f.Headroom() != 256 || f.RxTime != 7 {
		t.Fatalf("a good descriptor: %v %+v", ok, f)
	}
	if _, ok := r.Received(addrs[0]+256, 64, 7); ok {
		t.Error("the same frame received twice")
	}
}

func TestReapedOnlyFromTx(t *testing.T) {
	p := newPool(t, 4)
	f := get(t, p, "x")
	p.Hold(f, HoldTx)
	if _, ok := p.Region().Reaped(f.Addr()); ok {
		t.Error("a completion of a frame that was never sent")
	}
	addr, n := f.ToTx()
	p.Moved(PlaceStack, PlaceTx, 1)
	if n != 1 || !panics(func() { f.ToTx() }) {
		t.Error("a frame in TX was sent again")
	}
	g, ok := p.Region().Reaped(addr)
	if !ok || g != f {
		t.Fatal("the completion was refused")
	}
	p.Moved(PlaceTx, PlaceStack, 1)
	if _, ok := p.Region().Reaped(addr); ok {
		t.Error("completed twice")
	}
	p.Release(f, HoldTx)
	balanced(t, p)
}

// TestHoldOutlivesTx: a segment that is acknowledged while a retransmission of
// it is in the TX ring returns to the pool at its completion, not before.
func TestHoldOutlivesTx(t *testing.T) {
	p := newPool(t, 1)
	f := get(t, p, "x")
	p.Hold(f, HoldRetransmit)
	p.Hold(f, HoldTx)
	addr, _ := f.ToTx()
	p.Moved(PlaceStack, PlaceTx, 1)
	p.Release(f, HoldRetransmit)
	if f.Place() != PlaceTx || p.Available(ClassSend) != 0 {
		t.Fatal("a frame was freed under the device's hands")
	}
	p.Region().Reaped(addr)
	p.Moved(PlaceTx, PlaceStack, 1)
	p.Release(f, HoldTx)
	balanced(t, p)
}

func TestNoAllocs(t *testing.T) {
	p := newPool(t, 64)
	r := p.Region()
	q := NewQueue()
	var addrs [8]uint64
	path := func() {
		p.ToFill(0, addrs[:])
		for _, a := range addrs {
			f, _ := r.Received(a+Headroom, 64, 0)
			p.Moved(PlaceFill, PlaceStack, 1)
			f.MarkLink()
			f.Pull(14)
			f.Push(14)
			p.Hold(f, HoldTx)
			q.Push(f)
		}
		for f := q.Pop(r); f != nil; f = q.Pop(r) {
			addr, _ := f.ToTx()
			p.Moved(PlaceStack, PlaceTx, 1)
			r.Reaped(addr)
			p.Moved(PlaceTx, PlaceStack, 1)
			p.Release(f, HoldTx)
		}
	}
	if n := testing.AllocsPerRun(100, path); n != 0 {
		t.Errorf("%v allocations per batch", n)
	}
	balanced(t, p)
}

// BenchmarkRxDrop is the frame's part of rxdrop: fill, receive, free, by 64.
func BenchmarkRxDrop(b *testing.B) {
	p := newPool(b, 4096)
	r := p.Region()
	var addrs [64]uint64
	for b.Loop() {
		p.ToFill(0, addrs[:])
		for _, a := range addrs {
			f, _ := r.Received(a+Headroom, 64, 0)
			p.Moved(PlaceFill, PlaceStack, 1)
			p.Free(f)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/packet")
}
