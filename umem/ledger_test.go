package umem

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/xdpstack/xdpstack/internal/testenv"
)

// imbalanced is the ledger's error, which must name what and mention each word.
func imbalanced(t *testing.T, err error, what string, words ...string) {
	t.Helper()
	var e *Imbalance
	if !errors.As(err, &e) {
		t.Fatalf("the ledger noticed nothing: %v", err)
	}
	if e.What != what {
		t.Errorf("it says %q, want %q", e.What, what)
	}
	for _, w := range words {
		if !strings.Contains(e.Error(), w) {
			t.Errorf("%q does not mention %q", e, w)
		}
	}
}

func TestLedgerFindsALostFrame(t *testing.T) {
	p := newPool(t, 8)
	f := get(t, p, "x")
	p.Hold(f, HoldTx)
	f.holds = 0 // forgotten: its hold is gone, it is in no queue
	imbalanced(t, p.Audit(), "place stack, held by nobody", "frame 0", "held by tx")
}

func TestLedgerFindsAFrameThatTheRingLost(t *testing.T) {
	p := newPool(t, 8)
	f := get(t, p, "x")
	p.Hold(f, HoldTx)
	f.ToTx()
	p.Moved(PlaceStack, PlaceTx, 1)
	err := p.Balance(&Holders{Tx: 0, Holds: [NumHolds]int{HoldTx: 1}})
	imbalanced(t, err, "place tx", "books say 1", "counted 0", "put on the TX ring")
	var addrs [1]uint64
	p.ToFill(0, addrs[:])
	err = p.Balance(&Holders{Tx: 1, Fill: 0, Holds: [NumHolds]int{HoldTx: 1}})
	imbalanced(t, err, "place fill", "put on the fill ring")
}

func TestLedgerFindsAHolderThatForgot(t *testing.T) {
	p := newPool(t, 8)
	p.Hold(get(t, p, "x"), HoldReceive)
	imbalanced(t, p.Balance(&Holders{}), "hold receive", "books say 1", "held by receive")
}

func TestLedgerFindsAFrameFreedTwice(t *testing.T) {
	p := newPool(t, 8)
	f := get(t, p, "x")
	p.Free(f)
	if !panics(func() { p.Free(f) }) {
		t.Error("Free of a free frame went through")
	}
	p.free[0] = p.free[1] // as if the address were in two places
	imbalanced(t, p.Audit(), "free list")
}

func TestLedgerFindsAFreeListThatLostOne(t *testing.T) {
	p := newPool(t, 8)
	p.free = p.free[:7]
	imbalanced(t, p.Balance(&Holders{}), "place free", "books say 8", "counted 7")
}

func TestLedgerFindsAMoveNotCounted(t *testing.T) {
	p := newPool(t, 8)
	p.places[PlaceStack]++
	imbalanced(t, p.Balance(&Holders{}), "all frames")
}

// TestLendAndReturn walks a frame from worker 0 to worker 1, which sends it,
// and home.
func TestLendAndReturn(t *testing.T) {
	r, _ := NewRegion(make([]byte, 8*MinChunk), MinChunk)
	a, _ := NewPool(r, PoolConfig{Worker: 0, Workers: 2, Frames: 4, SendQuota: 4})
	b, _ := NewPool(r, PoolConfig{Worker: 1, Workers: 2, First: 4, Frames: 4, SendQuota: 4})
	f := a.Get(ClassSend)
	a.Lend(f)
	if err := a.Balance(&Holders{Holds: [NumHolds]int{HoldWorker: 1}}); err != nil {
		t.Error(err)
	}
	b.Borrow(f)
	b.Hold(f, HoldTx)
	if err := b.Balance(&Holders{Holds: [NumHolds]int{HoldTx: 1}}); err != nil {
		t.Error(err)
	}
	addr, _ := f.ToTx()
	b.Moved(PlaceStack, PlaceTx, 1)
	r.Reaped(addr)
	b.Moved(PlaceTx, PlaceStack, 1)
	b.Release(f, HoldTx)
	if b.Away() != 1 {
		t.Fatalf("%d frames wait to go home, want 1", b.Away())
	}
	var out [4]*Frame
	if n := b.TakeAway(0, out[:]); n != 1 || out[0] != f {
		t.Fatalf("TakeAway gave %d", n)
	}
	balanced(t, b)
	a.Return(out[:1])
	balanced(t, a)
}

func TestAFrameComesRoundToItsOwner(t *testing.T) {
	r, _ := NewRegion(make([]byte, 8*MinChunk), MinChunk)
	a, _ := NewPool(r, PoolConfig{Worker: 0, Workers: 2, Frames: 4, SendQuota: 4})
	b, _ := NewPool(r, PoolConfig{Worker: 1, Workers: 2, First: 4, Frames: 4})
	f := a.Get(ClassSend)
	a.Lend(f)
	b.Borrow(f)
	b.Lend(f)
	a.Borrow(f)
	a.Free(f)
	balanced(t, a)
	balanced(t, b)
}

// TestRandomLives drives frames at random through every verb and checks both
// sums after each step.
func TestRandomLives(t *testing.T) {
	rng := rand.New(rand.NewPCG(testenv.Seed(t), 2))
	p := newPool(t, 16)
	var h Holders
	var fill []uint64
	var stack, tx []*Frame // stack: each held once, by the receive queue
	keep := func(f *Frame) {
		p.Hold(f, HoldReceive)
		h.Holds[HoldReceive]++
		stack = append(stack, f)
	}
	for step := range 20_000 {
		switch rng.IntN(5) {
		case 0:
			if f := p.Get(Class(rng.IntN(int(numClasses)))); f != nil {
				f.Put(rng.IntN(100))
				keep(f)
			}
		case 1:
			var a [3]uint64
			n := p.ToFill(0, a[:rng.IntN(4)])
			fill, h.Fill = append(fill, a[:n]...), h.Fill+n
		case 2:
			if len(fill) > 0 {
				f, ok := p.Region().Received(fill[0]+Headroom, 60, Time(step))
				if !ok {
					t.Fatalf("step %d: frame at %d refused", step, fill[0])
				}
				p.Moved(PlaceFill, PlaceStack, 1)
				fill, h.Fill = fill[1:], h.Fill-1
				keep(f)
			}
		case 3:
			if len(stack) > 0 {
				i := rng.IntN(len(stack))
				f := stack[i]
				stack[i] = stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				if rng.IntN(2) == 0 {
					p.Hold(f, HoldTx)
					f.ToTx()
					p.Moved(PlaceStack, PlaceTx, 1)
					tx = append(tx, f)
					h.Tx, h.Holds[HoldTx] = h.Tx+1, h.Holds[HoldTx]+1
				}
				p.Release(f, HoldReceive)
				h.Holds[HoldReceive]--
			}
		case 4:
			if len(tx) > 0 {
				f, _ := p.Region().Reaped(tx[0].Addr())
				p.Moved(PlaceTx, PlaceStack, 1)
				p.Release(f, HoldTx)
				tx = tx[1:]
				h.Tx, h.Holds[HoldTx] = h.Tx-1, h.Holds[HoldTx]-1
			}
		}
		if err := errors.Join(p.Balance(&h), p.Audit()); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
	}
}
