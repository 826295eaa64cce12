package tcp

import (
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// --- Peers that mean ill, and what must not wait for ever ---

// TestOrphanBehindAClosedWindowEnds: a peer that answers every probe and never opens its window would keep the
// frames of all connections that were closed with something to send.
func TestOrphanBehindAClosedWindowEnds(t *testing.T) {
	shutAgain := seg{flags: ack, seq: 1, ack: 1001, wnd: shut}
	for name, more := range map[string]int{"data": 1000, "a FIN alone": 0} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, r *rig) {
				r.established()
				r.send(1000)
				r.sends(seg{flags: ack, seq: 1, ack: 1, n: 1000})
				r.arrive(shutAgain)
				r.send(more)
				r.tab.Close(r.now, r.c())
				for range 600 {
					if _, there := r.tab.Find(r.us, r.peer); !there {
						break
					}
					r.pass(umem.Second)
					if len(r.sent) > 0 {
						r.sent = nil
						r.arrive(shutAgain)
					}
				}
				r.sent = nil
				r.in(Closed)
				r.gone()
				if r.tab.Held() != 0 || r.count.TCPAbortOnTimeout != 1 {
					t.Errorf("%d frames are kept, %d given up", r.tab.Held(), r.count.TCPAbortOnTimeout)
				}
			})
		})
	}
}

// TestProbesBeginAnewAfterProgress: what was taken by a window too small for a segment ends their backoff, too.
func TestProbesBeginAnewAfterProgress(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.send(1000)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 1000})
		r.arrive(seg{flags: ack, seq: 1, ack: 1001, wnd: shut})
		r.send(1000)
		r.pass(30 * umem.Second)
		r.sent = nil
		r.arrive(seg{flags: ack, seq: 1, ack: 1001, wnd: 300})
		r.pass(60 * umem.Second)
		r.sent = nil // 300 octets, several times
		r.arrive(seg{flags: ack, seq: 1, ack: 1301, wnd: shut})
		r.sends()
		r.pass(300 * umem.Millisecond)
		r.sends(seg{flags: ack, seq: 1300, ack: 1})
	})
}

// TestOldNetworkErrorIsForgotten: what the network said before the peer answered is not why it does not answer now
// (Linux's tcp_ack clears sk_err_soft).
func TestOldNetworkErrorIsForgotten(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.send(10)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 10})
		if !r.tab.Failed(r.c(), r.iss.Add(1), socket.EHOSTUNREACH) {
			t.Fatal("the error does not count")
		}
		r.arrive(seg{flags: ack, seq: 1, ack: 11})
		r.send(10)
		r.pass(1500 * umem.Second)
		r.sent = nil
		r.hears(ReadyClosed, socket.ETIMEDOUT)
	})
}

// TestFINIsNotSentAgainOnceAcknowledged, though it was to be.
func TestFINIsNotSentAgainOnceAcknowledged(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.must(r.tab.Shutdown(r.c()))
		r.sends(seg{flags: ack | fin, seq: 1, ack: 1})
		r.stuffed = true
		r.pass(umem.Second)
		r.stuffed = false
		r.arrive(seg{flags: ack, seq: 1, ack: 2})
		r.sends()
		r.in(FinWait2)
	})
}

// exhaust takes all free frames; what it returns gives them back.
func (r *rig) exhaust() (giveBack func()) {
	var taken []*umem.Frame
	for f := r.pool.Get(umem.ClassReceive); f != nil; f = r.pool.Get(umem.ClassReceive) {
		taken = append(taken, f)
	}
	return func() {
		for _, f := range taken {
			r.pool.Free(f)
		}
	}
}

// TestACKWaitsForAFrame: one that no frame was there for is sent when there is.
func TestACKWaitsForAFrame(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.arrive(seg{flags: ack, seq: 1, ack: 1, n: 1000})
		r.arrive(seg{flags: ack, seq: 1001, ack: 1, n: 1000})
		giveBack := r.exhaust()
		r.sends()
		r.pass(10 * delayedACK)
		r.sends()
		giveBack()
		r.pass(delayedACK)
		r.sends(seg{flags: ack, seq: 1, ack: 2001})
		if r.count.NoControlFrame == 0 || r.count.NoControlFrame > 20 {
			t.Errorf("tried %d times", r.count.NoControlFrame)
		}
	})
}

// TestRefusedBehindACorkHearsOfRoom: what is queued and waits for more brings no acknowledgment that would.
func TestRefusedBehindACorkHearsOfRoom(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		source, from := r.another()
		r.arriveFrom(from, seg{flags: ack, seq: 1, ack: 1, n: 1000})
		r.tab.Flush(r.now)
		r.pass(umem.Second)
		r.sent = nil
		var got [1]*umem.Frame
		if n, e := r.tab.Take(r.tab.Get(source), got[:]); n != 1 || e != 0 {
			t.Fatal(n, e)
		}
		r.pool.Hold(got[0], umem.HoldApp) // retained: a copy has to go
		r.lent = append(r.lent, got[0], got[0])
		if n, e := r.tab.Send(r.c(), make([]byte, 10), true); n != 10 || e != 0 {
			t.Fatal(n, e)
		}
		r.sends()
		giveBack := r.exhaust()
		if _, e := r.tab.Forward(r.c(), got[0], source); e != socket.EAGAIN {
			t.Fatalf("forwarded without a frame: %v", e)
		}
		r.sends()
		r.heard = 0
		giveBack()
		r.tab.Completed()
		r.sends()
		r.hears(ReadyOut, 0)
		for _, f := range r.lent {
			r.pool.Release(f, umem.HoldApp)
		}
		r.lent = nil
	})
}

// TestHandshakesThatTimeOutAreCounted, as Linux does (tcp_done).
func TestHandshakesThatTimeOutAreCounted(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.synReceived()
		r.pass(300 * umem.Second)
		r.sent = nil
		r.gone()
		if r.count.AttemptFails != 1 {
			t.Errorf("%d failed", r.count.AttemptFails)
		}
	})
}

// TestCorkedDataGoesOutAfterAll: who promises more and does not send it has not said that the rest is to be kept for ever
// (RFC 9293, section 3.8.6.2.1, (4): the override timeout; Linux's probe timer does the same).
func TestCorkedDataGoesOutAfterAll(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		if n, e := r.tab.Send(r.c(), octets(0, 10), true); n != 10 || e != 0 {
			t.Fatal(n, e)
		}
		for i := range 3 { // a peer that goes on sending does not put it off
			r.pass(50 * umem.Millisecond)
			r.arrive(seg{flags: ack, seq: 1 + i, ack: 1, n: 1})
			r.tab.Flush(r.now)
		}
		for _, s := range r.sent {
			if s.n != 0 {
				t.Fatalf("sent %v already", s)
			}
		}
		r.sent = nil
		r.pass(100 * umem.Millisecond)
		r.sends(seg{flags: ack, seq: 1, ack: 4}, seg{flags: ack, seq: 1, ack: 4, n: 10})
		r.arrive(seg{flags: ack, seq: 4, ack: 11})
		r.sends()
		r.heard = 0
		if r.count.TCPWinProbe != 0 || r.count.TCPTimeouts != 0 {
			t.Errorf("%d probes, %d timeouts", r.count.TCPWinProbe, r.count.TCPTimeouts)
		}
		r.pass(10 * umem.Second)
		r.sends()
	})
}

// TestNobodyConnectsFromPortZero: here it means that there is no peer.
func TestNobodyConnectsFromPortZero(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.listening()
		if fate := r.arriveFrom(socket.Addr{IP: r.peer.IP}, seg{flags: syn, opts: synScaling}); fate != Outside {
			t.Errorf("its fate is %d", fate)
		}
		r.sends()
		r.gone()
	})
}
