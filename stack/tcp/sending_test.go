package tcp

import (
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// --- ESTABLISHED: what is sent ---

func TestSegmentsAreFullAndTheLastIsPushed(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.send(2500)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 1000}, seg{flags: ack, seq: 1001, ack: 1, n: 1000}, seg{flags: ack | psh, seq: 2001, ack: 1, n: 500})
		r.arrive(seg{flags: ack, seq: 1, ack: 1501}) // in the middle of a segment
		r.sends()
		r.arrive(seg{flags: ack, seq: 1, ack: 2501})
		r.sends()
		if r.tab.Held() != 0 {
			t.Errorf("%d frames wait to be acknowledged", r.tab.Held())
		}
		r.pass(2 * umem.Second)
		r.sends()
	})
}

// TestNagle: RFC 9293, section 3.7.4.
func TestNagle(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.send(10)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 10})
		r.send(20)
		r.send(30) // fills the last frame
		r.sends()
		r.arrive(seg{flags: ack, seq: 1, ack: 11})
		r.sends(seg{flags: ack, seq: 11, ack: 1, n: 50})
		r.must(r.tab.SetOptions(r.c(), socket.Options{NoDelay: true}))
		r.send(5)
		r.sends(seg{flags: ack, seq: 61, ack: 1, n: 5})
		if n, e := r.tab.Send(r.c(), octets(0, 7), true); n != 7 || e != 0 {
			t.Fatal(n, e)
		}
		r.sends() // more was promised
		r.send(8)
		r.sends(seg{flags: ack, seq: 66, ack: 1, n: 15})
	})
}

func TestPeersWindowIsKept(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.arrive(seg{flags: ack, seq: 1, ack: 1, wnd: 1500})
		r.send(3000)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 1000}) // 500 are not worth a segment
		r.arrive(seg{flags: ack, seq: 1, ack: 1001, wnd: 2000})
		r.sends(seg{flags: ack, seq: 1001, ack: 1, n: 1000}, seg{flags: ack, seq: 2001, ack: 1, n: 1000})
		r.arrive(seg{flags: ack, seq: 1, ack: 3001, wnd: shut})
		r.sends()
	})
}

// TestWindowOfARetransmissionCounts when it acknowledges more, though its number is old.
func TestWindowOfARetransmissionCounts(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.send(1000)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 1000})
		r.arrive(seg{flags: ack, seq: 1, ack: 1, n: 100})
		r.arrive(seg{flags: ack, seq: 101, ack: 1, n: 100})
		r.arrive(seg{flags: ack, seq: 1, ack: 1001, n: 100, wnd: 1000})
		r.send(2000)
		r.sends(seg{flags: ack, seq: 1001, ack: 201, n: 1000})
	})
}

// TestClosedWindowIsProbed until it opens (RFC 9293, section 3.8.6.1).
func TestClosedWindowIsProbed(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.arrive(seg{flags: ack, seq: 1, ack: 1, wnd: shut})
		r.send(1500)
		r.sends()
		for range 40 { // each is answered: there is no end to it
			r.pass(121 * umem.Second)
			r.sent = nil
			r.arrive(seg{flags: ack, seq: 1, ack: 1, wnd: shut})
		}
		r.in(Established)
		r.arrive(seg{flags: ack, seq: 1, ack: 1, wnd: 100})
		r.sends()
		r.pass(121 * umem.Second) // what fits, since nothing else moves
		if len(r.sent) == 0 || r.sent[0].n != 100 || r.sent[0].seq != 1 {
			t.Fatalf("into a window of 100 octets: %v", r.sent)
		}
		r.sent = nil
		r.arrive(seg{flags: ack, seq: 1, ack: 101})
		r.sends(seg{flags: ack, seq: 101, ack: 1, n: 900})
		r.arrive(seg{flags: ack, seq: 1, ack: 1001})
		r.sends(seg{flags: ack, seq: 1001, ack: 1, n: 500})
		r.arrive(seg{flags: ack, seq: 1, ack: 1501, wnd: shut})
		r.sends()
		r.send(1)
		r.sends()
		r.pass(3000 * umem.Second) // and a peer that does not answer is given up
		for _, s := range r.sent {
			if s != (seg{flags: ack, seq: 1500, ack: 1, wnd: s.wnd}) {
				t.Fatalf("a probe is %v", s)
			}
		}
		if len(r.sent) != dataRetries {
			t.Errorf("%d probes", len(r.sent))
		}
		r.sent = nil
		r.hears(ReadyClosed, socket.ETIMEDOUT)
	})
}

func TestTimeoutSendsTheFirstAgain(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.send(3000)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 1000}, seg{flags: ack, seq: 1001, ack: 1, n: 1000}, seg{flags: ack, seq: 2001, ack: 1, n: 1000})
		frame := r.c().queue.first
		at := r.now
		r.pass(300 * umem.Millisecond)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 1000})
		if r.c().queue.first != frame {
			t.Error("another frame was sent again")
		}
		if r.c().cc.Cwnd() != rigMSS || r.now-at < 200*umem.Millisecond {
			t.Errorf("cwnd is %d", r.c().cc.Cwnd())
		}
		r.arrive(seg{flags: ack, seq: 1, ack: 1001}) // slow start
		r.sends(seg{flags: ack, seq: 1001, ack: 1, n: 1000}, seg{flags: ack, seq: 2001, ack: 1, n: 1000})
		r.arrive(seg{flags: ack, seq: 1, ack: 3001})
		r.sends()
		if r.count.RetransSegs != 3 || r.count.TCPTimeouts != 1 {
			t.Errorf("%d segments sent again after %d timeouts", r.count.RetransSegs, r.count.TCPTimeouts)
		}
	})
}

// TestTimeoutsBackOffAndEnd: RFC 9293, section 3.8.3: R2.
func TestTimeoutsBackOffAndEnd(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.send(10)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 10})
		r.pass(924 * umem.Second)
		if n := len(r.sent); n != dataRetries {
			t.Errorf("sent again %d times", n)
		}
		r.sent = nil
		r.pass(400 * umem.Second)
		r.sends()
		r.hears(ReadyClosed, socket.ETIMEDOUT)
		if r.tab.Held() != 0 {
			t.Error("frames are kept")
		}
	})
}

// TestFastRetransmit: RFC 5681, section 3.2; RFC 6582.
func TestFastRetransmit(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.send(10000)
		r.tab.Flush(r.now)
		r.sent = nil
		dup := seg{flags: ack, seq: 1, ack: 1}
		r.arrive(dup)
		r.arrive(dup)
		r.sends()
		r.arrive(dup)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 1000})
		r.arrive(seg{flags: ack, seq: 1, ack: 3001}) // partial
		r.sends(seg{flags: ack, seq: 3001, ack: 1, n: 1000})
		r.arrive(seg{flags: ack, seq: 1, ack: 10001})
		r.sends()
		if p := r.c().cc.Phase(); p != Open || r.count.TCPFastRetrans != 1 {
			t.Errorf("phase %d", p)
		}
	})
}

// TestRetransmissionWaitsForTheDevice: a frame that is with it is not touched, and backoff and window do not
// move meanwhile.
func TestRetransmissionWaitsForTheDevice(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.stay = true
		r.send(10)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 10})
		r.pass(2 * umem.Second)
		r.sends()
		if c := r.c(); c.retries != 0 || c.rtt.Backoffs() != 0 || r.count.TCPSpuriousRtxHostQueues == 0 {
			t.Errorf("%d retries, %d backoffs, %d put off", c.retries, c.rtt.Backoffs(), r.count.TCPSpuriousRtxHostQueues)
		}
		r.stay = false
		r.complete()
		r.pass(20 * umem.Millisecond)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 10})
		r.stay = true
		r.send(10)
		r.arrive(seg{flags: ack, seq: 1, ack: 11})
		r.sends(seg{flags: ack, seq: 11, ack: 1, n: 10})
		r.arrive(seg{flags: ack, seq: 1, ack: 21}) // acknowledged while it is with the device
		r.sends()
		r.check()
		r.complete()
	})
}

// TestSendStopsWhenTheQueueIsFull: the device's, and the connection's own.
func TestSendStopsWhenTheQueueIsFull(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.stuffed = true
		n, e := r.tab.Send(r.c(), make([]byte, 100000), false)
		if n != 1<<16 || e != 0 {
			t.Fatalf("%d octets, %v", n, e)
		}
		if _, e := r.tab.Send(r.c(), make([]byte, 1), false); e != socket.EAGAIN || r.c().Room() != 0 {
			t.Fatalf("into a full queue: %v", e)
		}
		r.sends()
		r.stuffed = false
		r.tab.Flush(r.now)
		if len(r.sent) != 10 { // the initial window
			t.Fatalf("%d segments", len(r.sent))
		}
		for acked := 1; acked < 1<<16; acked = min(acked+10000, 1<<16+1) {
			r.arrive(seg{flags: ack, seq: 1, ack: acked})
			r.tab.Flush(r.now)
		}
		r.sent = nil
		r.arrive(seg{flags: ack, seq: 1, ack: 1<<16 + 1})
		r.sends()
		r.hears(ReadyOut, 0)
	})
}

// another is a second connection, from another peer.
func (r *rig) another() (socket.Handle, socket.Addr) { return r.anotherFrom(7) }

func (r *rig) anotherFrom(port uint16) (socket.Handle, socket.Addr) {
	r.t.Helper()
	peer := socket.Addr{IP: r.peer.IP, Port: port}
	r.arriveFrom(peer, seg{flags: syn, opts: synScaling})
	r.sends(seg{flags: syn | ack, ack: 1})
	r.arriveFrom(peer, seg{flags: ack, seq: 1, ack: 1})
	h, e := r.tab.Accept(r.tab.Get(r.listener))
	r.must(e)
	return h, peer
}

// TestForward: the same frame is sent on, and the source's window opens by what is acknowledged.
func TestForward(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		dst, other := r.another()
		take := func() *umem.Frame {
			var frames [1]*umem.Frame
			if n, e := r.tab.Take(r.c(), frames[:]); n != 1 || e != 0 {
				t.Fatal(n, e)
			}
			return frames[0]
		}
		r.arrive(seg{flags: ack, seq: 1, ack: 1, n: 900})
		f := take()
		f.Push(20) // the harness's frames have no room for headers taken off
		f.Pull(20)
		if moved, e := r.tab.Forward(r.tab.Get(dst), f, r.h); !moved || e != 0 {
			t.Fatal(moved, e)
		}
		r.arrive(seg{flags: ack, seq: 901, ack: 1, n: 900})
		r.arrive(seg{flags: ack, seq: 1801, ack: 1, n: 1200}) // larger than dst's MSS
		r.lent = []*umem.Frame{take()}
		r.pool.Hold(r.lent[0], umem.HoldApp)
		r.lent = append(r.lent, r.lent[0], take())
		for _, f := range r.lent[1:] {
			if moved, e := r.tab.Forward(r.tab.Get(dst), f, r.h); moved || e != 0 {
				t.Fatal(moved, e)
			}
		}
		if c := r.count; c.ForwardedFrames != 1 || c.ForwardedOctets != 900 || c.ForwardCopies[CopyHeld] != 1 || c.ForwardCopies[CopyLarge] != 1 {
			t.Errorf("%+v", c)
		}
		if used := r.c().rcv.used; used != 3000 {
			t.Errorf("%d octets keep the window closed", used)
		}
		r.tab.Flush(r.now)
		r.sent = nil
		r.arriveFrom(other, seg{flags: ack, seq: 1, ack: 1901})
		if used := r.c().rcv.used; used != 1100 {
			t.Errorf("%d octets keep the window closed after an ACK of 1900 of 3000", used)
		}
		r.tab.Abort(r.now, r.tab.Get(dst))
		if used := r.c().rcv.used; used != 0 {
			t.Errorf("%d octets keep the window closed, and the target is gone", used)
		}
		r.pool.Release(r.lent[0], umem.HoldApp)
		r.pool.Release(r.lent[1], umem.HoldApp)
		r.pool.Release(r.lent[2], umem.HoldApp)
		r.lent = nil
		r.tab.Flush(r.now)
		r.sent = nil
	})
}

func TestForwardWaitsForRoom(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.stuffed = true
		r.send(1 << 16)
		f := r.pool.Get(umem.ClassReceive)
		r.pool.Hold(f, umem.HoldApp)
		f.Put(10)
		r.lent = []*umem.Frame{f}
		if moved, e := r.tab.Forward(r.c(), f, socket.Handle{}); moved || e != socket.EAGAIN {
			t.Errorf("%v, %v", moved, e)
		}
		r.lent = nil
		r.pool.Release(f, umem.HoldApp)
	})
}

// TestForwardCopiesBeyondItsQuota: received frames that wait for a slow peer would be missing on the fill ring.
func TestForwardCopiesBeyondItsQuota(t *testing.T) {
	r := newRig(t, 0, func(*Config) {})
	r.established()
	second, _ := r.another()
	third, _ := r.anotherFrom(8)
	r.stuffed = true
	const quota = rigFrames / 2
	for i := range quota + 3 {
		c := r.c() // no connection has more than it leaves to others
		switch {
		case i < quota && i%3 == 1:
			c = r.tab.Get(second)
		case i < quota && i%3 == 2:
			c = r.tab.Get(third)
		}
		f := r.pool.Get(umem.ClassReceive)
		r.pool.Hold(f, umem.HoldApp)
		f.Put(10)
		moved, e := r.tab.Forward(c, f, socket.Handle{})
		if r.must(e); moved != (i < quota) {
			t.Fatalf("frame %d: moved %v", i, moved)
		}
		if !moved {
			r.pool.Release(f, umem.HoldApp)
		}
	}
	if n := r.count.ForwardCopies[CopyQuota]; n != 3 || r.tab.Held() != quota { // small ones go behind the last
		t.Errorf("%d copies, %d frames wait", n, r.tab.Held())
	}
	for _, c := range []*Conn{r.c(), r.tab.Get(second), r.tab.Get(third)} {
		r.tab.Abort(r.now, c)
	}
	r.sent = nil
	if r.tab.forwarded != 0 {
		t.Errorf("%d frames count as forwarded", r.tab.forwarded)
	}
}
