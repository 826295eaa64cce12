package mem_test

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/engine/bare"
	"github.com/xdpstack/xdpstack/engine/mem"
	"github.com/xdpstack/xdpstack/internal/testenv"
	"github.com/xdpstack/xdpstack/umem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pool makes a pool with a region of its own.
func pool(t testing.TB, frames, chunk int) *umem.Pool {
	t.Helper()
	r, err := umem.NewRegion(make([]byte, frames*chunk), chunk)
	if err != nil {
		t.Fatal(err)
	}
	p, err := umem.NewPool(r, umem.PoolConfig{Workers: 1, Frames: frames, SendQuota: frames, ReceiveQuota: frames})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func pair(t testing.TB, a, b *umem.Pool, slots int, numberB ...uint8) (*mem.Port, *mem.Port) {
	t.Helper()
	cfg := mem.Config{Slots: slots}
	for _, n := range numberB {
		cfg.NumberB = n
	}
	pa, pb, err := mem.Pair(a, b, cfg)
	if err != nil {
		t.Fatal(err)
	}
	pa.Refill()
	pb.Refill()
	return pa, pb
}

// packet takes a frame of n bytes, held for TX.
func packet(t testing.TB, p *umem.Pool, n int, fill byte) *umem.Frame {
	t.Helper()
	f := p.Get(umem.ClassSend)
	if f == nil {
		t.Fatal("the pool has no frame")
	}
	b := f.Put(n)
	for i := range b {
		b[i] = fill
	}
	p.Hold(f, umem.HoldTx)
	return f
}

// closed closes both ports, and fails the test unless every frame is free.
func closed(t testing.TB, ports []*mem.Port, pools ...*umem.Pool) {
	t.Helper()
	for _, p := range ports {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, p := range pools {
		if err := p.Balance(&umem.Holders{}); err != nil {
			t.Error(err)
		}
		if err := p.Audit(); err != nil {
			t.Error(err)
		}
	}
}

// TestWire: packets arrive in order and whole, in frames of the receiver; the sender's come back.
func TestWire(t *testing.T) {
	a, b := pool(t, 64, 2048), pool(t, 64, 4096)
	pa, pb := pair(t, a, b, 16, 4)
	sizes := []int{0, 1, 60, 61, 1500, 1792}
	var frames []*umem.Frame
	for i, n := range sizes {
		frames = append(frames, packet(t, a, n, byte(i)))
	}
	if n := pa.Transmit(frames); n != len(sizes) || pa.InTx() != len(sizes) || pa.TxRoom() != 16-len(sizes) {
		t.Errorf("took %d, %d in tx, room for %d", n, pa.InTx(), pa.TxRoom())
	}
	out := make([]*umem.Frame, 64)
	n := pb.Receive(5, out)
	for i, f := range out[:n] {
		if got := string(f.Bytes()); got != strings.Repeat(string(rune(i)), sizes[i]) || f.In != 4 || f.RxTime != 5 {
			t.Errorf("packet %d: %d bytes, want %d, by device %d at %d", i, len(got), sizes[i], f.In, f.RxTime)
		}
	}
	if n != len(sizes) {
		t.Errorf("%d arrived", n)
	}
	b.FreeBatch(out[:n])
	if n := pa.Reap(out); n != len(sizes) || out[0] != frames[0] {
		t.Errorf("reaped %d", n)
	}
	a.ReleaseBatch(out[:len(sizes)], umem.HoldTx)
	closed(t, []*mem.Port{pa, pb}, a, b)
}

// TestChain: fragments arrive as one piece.
func TestChain(t *testing.T) {
	a, b := pool(t, 64, 2048), pool(t, 64, 2048)
	pa, pb := pair(t, a, b, 16)
	head := packet(t, a, 10, 'h')
	for range 3 {
		more := a.Get(umem.ClassSend)
		copy(more.Put(2), "xy")
		head.Append(more)
	}
	pa.Transmit([]*umem.Frame{head})
	out := make([]*umem.Frame, 4)
	if n := pb.Receive(1, out); n != 1 || string(out[0].Bytes()) != "hhhhhhhhhhxyxyxy" {
		t.Errorf("%d arrived: %q", n, out[0].Bytes())
	}
	b.FreeBatch(out[:1])
	a.ReleaseBatch(out[:pa.Reap(out)], umem.HoldTx)
	closed(t, []*mem.Port{pa, pb}, a, b)
}

// TestLosses: what finds no frame, or a chunk that is too small, is lost and counted by the port that
// it was for; the sender's frames come back all the same.
func TestLosses(t *testing.T) {
	a, b := pool(t, 64, 4096), pool(t, 64, 2048)
	pa, pb := pair(t, a, b, 8)
	frames := []*umem.Frame{packet(t, a, 1793, 1), packet(t, a, 60, 2)}
	pa.Transmit(frames)
	for range 6 {
		pa.Transmit([]*umem.Frame{packet(t, a, 60, 3)})
	}
	out := make([]*umem.Frame, 64)
	if n := pa.Reap(out); n != 8 {
		t.Errorf("reaped %d", n)
	}
	a.ReleaseBatch(out[:8], umem.HoldTx)
	for range 4 {
		pa.Transmit([]*umem.Frame{packet(t, a, 60, 4)})
	}
	var s engine.PortStats
	pb.Stats(&s)
	if s.RxDropped != 1 || s.RxFillEmpty != 3 {
		t.Errorf("counted %d too long and %d without a frame", s.RxDropped, s.RxFillEmpty)
	}
	if n := pb.Receive(1, out); n != 8 || pb.InFill() != 0 {
		t.Errorf("%d arrived, %d frames still on the fill ring", n, pb.InFill())
	}
	b.FreeBatch(out[:8])
	closed(t, []*mem.Port{pa, pb}, a, b)
}

// TestFull: no more than the slots are sent before some are reaped.
func TestFull(t *testing.T) {
	a, b := pool(t, 64, 2048), pool(t, 64, 2048)
	pa, pb := pair(t, a, b, 8)
	var frames []*umem.Frame
	for range 10 {
		frames = append(frames, packet(t, a, 60, 1))
	}
	if n := pa.Transmit(frames); n != 8 || pa.TxRoom() != 0 || !pa.Ready() {
		t.Errorf("took %d, room for %d", n, pa.TxRoom())
	}
	a.ReleaseBatch(frames[8:], umem.HoldTx)
	closed(t, []*mem.Port{pa, pb}, a, b)
}

// TestRingsGoRound: a random walk with numbered packets on small rings, one goroutine.
func TestRingsGoRound(t *testing.T) {
	rnd := rand.New(rand.NewPCG(testenv.Seed(t), 1))
	a, b := pool(t, 64, 2048), pool(t, 64, 2048)
	pa, pb := pair(t, a, b, 8)
	sent, got := uint64(0), uint64(0)
	out := make([]*umem.Frame, 64)
	for range 10000 {
		switch rnd.IntN(4) {
		case 0:
			if f := a.Get(umem.ClassSend); f != nil {
				binary.BigEndian.PutUint64(f.Put(60), sent)
				a.Hold(f, umem.HoldTx)
				if sent-got < 8 && pb.InFill() == 8 && pa.Transmit([]*umem.Frame{f}) == 1 {
					sent++
				} else {
					a.Release(f, umem.HoldTx)
				}
			}
		case 1:
			n := pb.Receive(1, out[:1+rnd.IntN(9)])
			for _, f := range out[:n] {
				if v := binary.BigEndian.Uint64(f.Bytes()); v != got {
					t.Fatalf("packet %d arrived as number %d", v, got)
				}
				got++
			}
			b.FreeBatch(out[:n])
		case 2:
			a.ReleaseBatch(out[:pa.Reap(out[:1+rnd.IntN(9)])], umem.HoldTx)
		case 3:
			pb.Refill()
		}
	}
	if got < 500 {
		t.Errorf("%d packets arrived: the test shows little", got)
	}
	closed(t, []*mem.Port{pa, pb}, a, b)
}

// TestThreads: two workers on two goroutines forward packets to each other; they sleep and wake
// each other. The race detector watches.
func TestThreads(t *testing.T) {
	const packets = 20000
	a, b := pool(t, 256, 2048), pool(t, 256, 2048)
	pa, pb := pair(t, a, b, 128)
	gen := bare.NewGenerate(a, make([]byte, 60), 0, packets)
	wa, err := engine.NewWorker(engine.WorkerConfig{Ports: []engine.Port{pa}, Pool: a, Program: gen, Poll: engine.Interrupt, LedgerEvery: 64})
	if err != nil {
		t.Fatal(err)
	}
	wb, err := engine.NewWorker(engine.WorkerConfig{Ports: []engine.Port{pb}, Pool: b, Program: bare.NewForward(b, 256, nil), Poll: engine.Interrupt, LedgerEvery: 64})
	if err != nil {
		t.Fatal(err)
	}
	pa.OnArrival(wa.Wake)
	pb.OnArrival(wb.Wake)
	late := time.After(20 * time.Second)
	var wg sync.WaitGroup
	for _, w := range []*engine.Worker{wa, wb} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := w.Run(); err != nil {
				t.Error(err)
			}
		}()
	}
	var sa, sb engine.Status
	for settled := false; !settled; runtime.Gosched() {
		sa, sb = wa.Status(), wb.Status()
		settled = sb.Received+sb.Ports[0].RxFillEmpty == packets && sa.Received+sa.Ports[0].RxFillEmpty == sb.Received
		select {
		case <-late:
			t.Error("packets are neither there nor lost")
			settled = true
		default:
		}
	}
	wa.Stop()
	wb.Stop()
	wg.Wait()
	if sb.Received == 0 || sa.Received == 0 {
		t.Errorf("%d packets arrived, %d came back", sb.Received, sa.Received)
	}
	t.Logf("%d and %d sleeps; %d came back", sa.Sleeps, sb.Sleeps, sa.Received)
	for _, w := range []*engine.Worker{wa, wb} {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	closed(t, []*mem.Port{pa, pb}, a, b)
}

// TestSlots: rings need a power of two.
func TestSlots(t *testing.T) {
	a, b := pool(t, 64, 2048), pool(t, 64, 2048)
	if _, _, err := mem.Pair(a, b, mem.Config{Slots: 9}); err == nil || !strings.Contains(err.Error(), "Slots") {
		t.Errorf("9 slots: %v", err)
	}
}

// TestNoAllocs: a packet there and its frame back.
func TestNoAllocs(t *testing.T) {
	a, b := pool(t, 256, 2048), pool(t, 256, 2048)
	pa, pb := pair(t, a, b, 128)
	round := rounds(a, b, pa, pb)
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
	closed(t, []*mem.Port{pa, pb}, a, b)
}

// rounds returns a function that sends 64 packets of 64 bytes from a to b.
func rounds(a, b *umem.Pool, pa, pb *mem.Port) func() {
	out := make([]*umem.Frame, 64)
	return func() {
		n := a.GetBatch(umem.ClassSend, out)
		for _, f := range out[:n] {
			f.Put(64)
		}
		a.HoldBatch(out[:n], umem.HoldTx)
		pa.Transmit(out[:n])
		a.ReleaseBatch(out[:pa.Reap(out)], umem.HoldTx)
		b.FreeBatch(out[:pb.Receive(1, out)])
		pb.Refill()
	}
}

// BenchmarkWire is one packet of 64 bytes: taken from the pool, sent, copied, received, freed,
// reaped.
func BenchmarkWire(bench *testing.B) {
	a, b := pool(bench, 4096, 2048), pool(bench, 4096, 2048)
	pa, pb := pair(bench, a, b, 1024)
	round := rounds(a, b, pa, pb)
	for bench.Loop() {
		round()
	}
	bench.ReportMetric(float64(bench.Elapsed().Nanoseconds())/float64(bench.N)/64, "ns/packet")
}
