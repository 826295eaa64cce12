package tcp

import (
	"testing"

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
