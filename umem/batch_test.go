package umem

import (
	"math/rand/v2"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
)

// TestBatchesAreTheSingleVerbs: two pools go the same random way, one by the verbs for one frame, the
// other by those for batches, and their books and frames agree at each step.
func TestBatchesAreTheSingleVerbs(t *testing.T) {
	rnd := rand.New(rand.NewPCG(testenv.Seed(t), 0))
	one, many := newPool(t, 64), newPool(t, 64)
	var a, b []*Frame // in place stack, held for TX; the same indices in both
	for step := range 3000 {
		n := 1 + rnd.IntN(8)
		switch rnd.IntN(5) {
		case 0: // take
			var out [8]*Frame
			got := many.GetBatch(ClassSend, out[:n])
			for _, f := range out[:got] {
				g := one.Get(ClassSend)
				one.Hold(g, HoldTx)
				g.Put(20)
				f.Put(20)
				a, b = append(a, g), append(b, f)
			}
			many.HoldBatch(out[:got], HoldTx)
			if got < n && one.Get(ClassSend) != nil {
				t.Fatal("the batch was refused and a single frame not")
			}
		case 1: // send, and complete
			n = min(n, len(a))
			var out [8]Extent
			sent, bytes := many.Sent(b[:n], 14, out[:n])
			if sent != n || bytes != uint64(20*n) {
				t.Fatalf("sent %d of %d, %d bytes", sent, n, bytes)
			}
			var addrs [8]uint64
			for i, f := range a[:n] {
				addr, size := f.ToTx()
				if (Extent{Addr: addr, Len: size}) != out[i] {
					t.Fatalf("descriptor %+v, want %d, %d", out[i], addr, size)
				}
				addrs[i] = addr
				one.Region().Reaped(addr)
			}
			var back [8]*Frame
			if many.Reaped(addrs[:n], back[:n]) != n {
				t.Fatal("not all were reaped")
			}
		case 2: // release
			n = min(n, len(a))
			for _, f := range a[:n] {
				one.Release(f, HoldTx)
			}
			many.ReleaseBatch(b[:n], HoldTx)
			a, b = a[n:], b[n:]
		case 3: // receive, and free
			var addrs, same [8]uint64
			n = many.ToFill(2, addrs[:n])
			if one.ToFill(2, same[:n]) != n || addrs != same {
				t.Fatalf("fill addresses %v and %v", addrs, same)
			}
			receiveBoth(t, one, many, addrs[:n])
		}
		if x, y := one.Books(), many.Books(); x != y || one.InUse(ClassSend) != many.InUse(ClassSend) || one.InUse(ClassReceive) != many.InUse(ClassReceive) {
			t.Fatalf("step %d: books %+v and %+v", step, x, y)
		}
	}
	for _, f := range a {
		one.Release(f, HoldTx)
	}
	many.ReleaseBatch(b, HoldTx)
	balanced(t, one)
	balanced(t, many)
}

// receiveBoth receives packets at addrs in both ways, with one in the middle that makes no sense.
func receiveBoth(t *testing.T, one, many *Pool, addrs []uint64) {
	t.Helper()
	extents := make([]Extent, 0, len(addrs)+1)
	for i, addr := range addrs {
		if i == len(addrs)/2 {
			extents = append(extents, Extent{Addr: addr + MinChunk - 10, Len: 11})
		}
		extents = append(extents, Extent{Addr: addr + 256, Len: uint32(60 + i)})
	}
	out := make([]*Frame, len(extents))
	got, _ := many.Received(7, 2, extents, out)
	if got != len(addrs) {
		t.Fatalf("received %d of %d", got, len(addrs))
	}
	for i, x := range extents {
		f, ok := one.Region().Received(x.Addr, x.Len, 7)
		if !ok {
			continue
		}
		one.Moved(PlaceFill, PlaceStack, 1)
		g := out[0]
		out = out[1:]
		if f.Index() != g.Index() || f.Addr() != g.Addr() || f.Len() != g.Len() || g.In != 2 || g.Port != 2 || g.Flags != 0 || f.RxTime != g.RxTime {
			t.Errorf("extent %d: %+v and %+v", i, *f, *g)
		}
		one.Free(f)
		many.FreeBatch([]*Frame{g})
	}
}

// TestBatchesOfOddFrames: chains, held and borrowed frames among plain ones.
func TestBatchesOfOddFrames(t *testing.T) {
	p := newPool(t, 16)
	chain, held, plain := get(t, p, "head"), get(t, p, "held"), get(t, p, "plain")
	chain.Append(get(t, p, "tail"))
	p.HoldBatch([]*Frame{chain, held, plain}, HoldTx)
	p.Hold(held, HoldRetransmit)
	if n, _ := p.Sent([]*Frame{plain, chain, held}, 0, make([]Extent, 3)); n != 1 {
		t.Errorf("sent %d, want 1: a chain is more than one descriptor", n)
	}
	p.Region().Reaped(plain.Addr())
	p.Moved(PlaceTx, PlaceStack, 1)
	p.ReleaseBatch([]*Frame{chain, held, plain}, HoldTx)
	if b := p.Books(); b.Stack != 1 || b.Free != 15 {
		t.Errorf("books %+v, want the held frame alone in place stack", b)
	}
	p.Release(held, HoldRetransmit)
	balanced(t, p)
	for name, misuse := range map[string]func(f *Frame){
		"FreeBatch of a held frame":        func(f *Frame) { p.FreeBatch([]*Frame{f}) },
		"Sent without a hold":              func(f *Frame) { p.Take(f, HoldTx); p.Sent([]*Frame{f}, 0, make([]Extent, 1)) },
		"ReleaseBatch of what it has not":  func(f *Frame) { p.ReleaseBatch([]*Frame{f}, HoldApp) },
		"FreeBatch of one with the kernel": func(f *Frame) { f.ToTx(); p.FreeBatch([]*Frame{f}) },
	} {
		f := get(t, p, "x")
		p.Hold(f, HoldTx)
		if !panics(func() { misuse(f) }) {
			t.Errorf("%s does not panic", name)
		}
	}
}
