package tcp

import (
	"testing"

	"github.com/xdpstack/xdpstack/stack/wire/checksum"
	"github.com/xdpstack/xdpstack/umem"
)

// TestWhatTheApplicationKeepsIsTheQueues: frames that were taken and are not done with count for what the queue may
// grow to; an application that keeps them all leaves as much to others as one that does not read.
func TestWhatTheApplicationKeepsIsTheQueues(t *testing.T) {
	const frames = 64
	for _, c := range []struct {
		name   string
		keeps  int
		others int // frames that others have
		want   Arrival
	}{
		{"nothing kept, and a little left", 0, frames - frames/4, InOrder},
		{"some kept, and enough left", 4, frames/2 - 4, InOrder},
		{"some kept, and a little left", 4, frames - frames/4, NoRoom},
		{"very many kept", 1000, frames - frames/4, NoRoom},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPool(t, 2*frames, frames)
			for range c.others {
				p.Hold(p.Get(umem.ClassControl), umem.HoldApp)
			}
			var q RecvQueue
			q.Init(2048)
			q.Keeps(c.keeps)
			if v := insert(&q, p, segment(t, p, 0, 1000), 0, false, 0, 1<<20, 3); v.Arrival != c.want {
				t.Errorf("%+v", v)
			}
		})
	}
}

// TestWhatIsForwardedIsNotKept: its frames wait to be sent, on another account.
func TestWhatIsForwardedIsNotKept(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		dst, other := r.another()
		kept := func(want int) {
			t.Helper()
			if got := r.c().kept(); (got > 0) != (want > 0) || got > want+1 {
				t.Errorf("%d frames kept, want %d", got, want)
			}
		}
		kept(0)
		r.arrive(seg{flags: ack, seq: 1, ack: 1, n: 900})
		r.arrive(seg{flags: ack, seq: 901, ack: 1, n: 900})
		kept(0) // in the queue
		var frames [2]*umem.Frame
		if n, e := r.tab.Take(r.c(), frames[:]); n != 2 || e != 0 {
			t.Fatal(n, e)
		}
		r.lent = frames[1:]
		kept(2)
		frames[0].Push(20) // the harness's frames have no room for headers taken off
		frames[0].Pull(20)
		if moved, e := r.tab.Forward(r.tab.Get(dst), frames[0], r.h); !moved || e != 0 {
			t.Fatal(moved, e)
		}
		kept(1)
		r.tab.Flush(r.now)
		r.sent = nil
		r.arriveFrom(other, seg{flags: ack, seq: 1, ack: 901})
		kept(1)
		if c := r.c(); c.rcv.gone != 0 || c.rcv.used != 900 {
			t.Errorf("%d octets keep the window closed, %d of them forwarded", c.rcv.used, c.rcv.gone)
		}
		r.tab.Consume(r.h, 900)
		kept(0)
		r.pool.Release(frames[1], umem.HoldApp)
		r.lent = nil
		r.tab.Flush(r.now)
		r.sent = nil
	})
}

// TestBorrowedFramesGoHome: what a queue keeps beyond its worker's share of another's frames it copies into its own.
func TestBorrowedFramesGoHome(t *testing.T) {
	const frames, share = 64, 8
	region, err := umem.NewRegion(make([]byte, 2*frames*2048), 2048)
	if err != nil {
		t.Fatal(err)
	}
	var pools [2]*umem.Pool
	for i := range pools {
		pools[i], err = umem.NewPool(region, umem.PoolConfig{
			Worker: i, Workers: 2, First: i * frames, Frames: frames, SendQuota: frames, ReceiveQuota: frames,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	lender, p := pools[0], pools[1]
	var q RecvQueue
	q.Init(2048)
	const n = 4 * share
	for i := range n {
		at := i
		if i >= n/2 { // the second half comes in the wrong order
			at = n/2 + n - 1 - i
		}
		f := segment(t, lender, 1000*at, 1000)
		lender.Lend(f)
		p.Borrow(f)
		if v := insert(&q, p, f, Seq(1000*at), false, Seq(1000*min(i, n/2)), 1<<20, n); v.Arrival == NoRoom {
			t.Fatalf("segment %d: %+v", i, v)
		}
	}
	var out [n]*umem.Frame
	if got, _ := q.Take(p, out[:]); got != n {
		t.Fatalf("%d frames", got)
	}
	borrowed := 0
	for i, f := range out {
		if f.Owner() == 0 {
			borrowed++
		}
		if string(f.Bytes()) != string(fill(1000*i, 1000)) || f.Sum != checksum.Fold(checksum.Sum(f.Bytes(), 0)) {
			t.Errorf("segment %d has other octets, or another sum", i)
		}
		p.Release(f, umem.HoldApp)
	}
	if borrowed != share {
		t.Errorf("%d frames were kept that are another's, want %d", borrowed, share)
	}
	var home [n]*umem.Frame
	lender.Return(home[:p.TakeAway(0, home[:])])
	for i, pool := range pools {
		if err := pool.Balance(&umem.Holders{}); err != nil {
			t.Errorf("pool %d: %v", i, err)
		}
	}
}
