package tcp

import (
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// TestACKsAtTheEdgeOfTheWindow: the peer has used up our window, its first segment was lost, and so
// was ours: its duplicate ACKs come from the edge of the window, and have ours sent again.
func TestACKsAtTheEdgeOfTheWindow(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.send(5000)
		r.tab.Flush(r.now)
		r.sent = nil
		r.arrive(seg{flags: ack, seq: 1001, ack: 1, n: 1000})
		r.sends(seg{flags: ack, seq: 5001, ack: 1})
		edge := r.c().rcv.edge.Sub(r.irs)
		for range dupThresh {
			r.arrive(seg{flags: ack, seq: edge, ack: 1})
		}
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 1000})
		r.arrive(seg{flags: ack, seq: edge, ack: 5001})
		r.sends()
	})
}

// TestPeersThatNeverReadLeaveTheRest: where all but a quarter of the frames to send with wait for them, a connection still
// gets a few, and so does one after it, as well by Forward.
func TestPeersThatNeverReadLeaveTheRest(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.stuffed = true // nothing leaves
		var others []*umem.Frame
		for range rigFrames - rigFrames/reservedPart {
			f := r.pool.Get(umem.ClassSend)
			r.pool.Hold(f, umem.HoldRetransmit)
			others = append(others, f)
		}
		for range 2 { // the second gets nothing more
			n, e := r.tab.Send(r.c(), make([]byte, 1<<16), false)
			if e != 0 && e != socket.EAGAIN {
				t.Fatal(e)
			}
			if got := r.c().queue.Len(); got != fewFrames {
				t.Errorf("%d octets in %d frames were taken, not %d frames", n, got, fewFrames)
			}
		}
		f := r.pool.Get(umem.ClassReceive)
		r.pool.Hold(f, umem.HoldApp)
		r.pool.Hold(f, umem.HoldReceive) // so that it is copied
		f.Put(1000)
		if _, e := r.tab.Forward(r.c(), f, socket.Handle{}); e != socket.EAGAIN {
			t.Errorf("one more was forwarded: %v", e)
		}
		r.pool.Release(f, umem.HoldApp)
		r.pool.Release(f, umem.HoldReceive)
		r.pool.ReleaseBatch(others, umem.HoldRetransmit)
		r.stuffed = false
		r.tab.Flush(r.now)
		r.hears(ReadyOut, 0)
		if len(r.sent) != fewFrames {
			t.Errorf("%d segments left", len(r.sent))
		}
		r.sent = nil
	})
}
