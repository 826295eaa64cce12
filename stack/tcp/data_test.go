package tcp

import (
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// --- SYN-RECEIVED ---

func TestHandshakeEnds(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.synReceived()
		r.arrive(seg{flags: ack, seq: 1, ack: 2}) // of what was never sent
		r.sends(seg{flags: rst, seq: 2})
		r.in(SynReceived)
		r.arrive(seg{flags: ack, seq: 1, ack: 1, n: 100})
		r.in(Established)
		if c := r.conn(); c.Misfit(&Header{Flags: ack, Ack: c.snd.nxt.Add(9)}) {
			t.Error("an established connection's segments may be another's")
		}
		r.hears(0, 0)
		h, e := r.tab.Accept(r.tab.Get(r.listener))
		r.must(e)
		r.h = h
		r.sends()
		r.hears(ReadyIn, 0) // it came before Accept, and is told after it
		r.read(1, 100)
	})
}

func TestHandshakeIsReset(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.synReceived()
		r.arrive(seg{flags: rst, seq: 1})
		r.sends()
		r.gone()
	})
}

func TestSYNAgainIsAnsweredAgain(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.synReceived()
		r.arrive(seg{flags: syn, opts: synScaling})
		r.sends(seg{flags: syn | ack, ack: 1})
		for range synACKRetries {
			r.pass(64 * umem.Second)
		}
		if n := len(r.sent); n != synACKRetries {
			t.Errorf("SYN and ACK were sent again %d times", n)
		}
		r.sent = nil
		r.gone()
	})
}

// --- ESTABLISHED: what arrives ---

// TestReadingNeedsNoUpdateThatTheFieldCannotTell: without a scale the buffer may be larger than any window that can be
// told, and reading a little must not call for an ACK each time.
func TestReadingNeedsNoUpdateThatTheFieldCannotTell(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.listening()
		r.arrive(seg{flags: syn, opts: synOpts})
		r.sends(seg{flags: syn | ack, ack: 1})
		r.arrive(seg{flags: ack, seq: 1, ack: 1, n: 100})
		h, e := r.tab.Accept(r.tab.Get(r.listener))
		r.must(e)
		r.h = h
		r.read(1, 100)
		r.sends()
		r.pass(41 * umem.Millisecond)
		r.sends(seg{flags: ack, seq: 1, ack: 101, wnd: 65535})
	})
}

func TestDataIsAcknowledgedLaterOrByTwos(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.arrive(seg{flags: ack, seq: 1, ack: 1, n: 1000})
		r.sends()
		r.hears(ReadyIn, 0)
		r.pass(41 * umem.Millisecond)
		r.sends(seg{flags: ack, seq: 1, ack: 1001})
		for i := range 2 {
			r.arrive(seg{flags: ack, seq: 1001 + 1000*i, ack: 1, n: 1000})
		}
		r.sends(seg{flags: ack, seq: 1, ack: 3001})
		for i := range 2 { // one batch: one ACK
			r.arrive(seg{flags: ack, seq: 3001 + 1000*i, ack: 1, n: 1000})
		}
		r.sends(seg{flags: ack, seq: 1, ack: 5001})
		r.read(1, 5000)
		r.tab.Flush(r.now)
		r.sent = nil // perhaps a window update
		r.arrive(seg{flags: ack, seq: 5001, ack: 1, n: 10})
		r.send(20) // an answer takes the ACK with it
		r.sends(seg{flags: ack, seq: 1, ack: 5011, n: 20})
		r.pass(100 * umem.Millisecond)
		r.sends()
	})
}

func TestGapsAreToldAtOnce(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.arrive(seg{flags: ack, seq: 1001, ack: 1, n: 1000})
		r.arrive(seg{flags: ack | fin, seq: 2001, ack: 1, n: 500})
		r.sends(seg{flags: ack, seq: 1, ack: 1}, seg{flags: ack, seq: 1, ack: 1})
		r.in(Established)
		r.arrive(seg{flags: ack, seq: 1, ack: 1, n: 1000})
		r.sends(seg{flags: ack, seq: 1, ack: 2502})
		r.in(CloseWait)
		r.hears(ReadyIn|ReadyEOF, 0)
		r.read(1, 2500)
		r.read(0, 0)
	})
}

func TestWhatIsOutsideTheWindowIsAcknowledged(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.arrive(seg{flags: ack, seq: 1, ack: 1, n: 100})
		r.pass(50 * umem.Millisecond)
		r.sends(seg{flags: ack, seq: 1, ack: 101})
		r.arrive(seg{flags: ack, seq: 1, ack: 1, n: 100}) // again
		r.sends(seg{flags: ack, seq: 1, ack: 101})
		r.arrive(seg{flags: ack, seq: 1 << 20, ack: 1, n: 100}) // beyond
		r.sends(seg{flags: ack, seq: 1, ack: 101})
		r.arrive(seg{flags: ack, seq: 100, ack: 1}) // a probe of the window
		r.sends(seg{flags: ack, seq: 1, ack: 101})
		r.read(1, 100)
	})
}

func TestResetMustBeExact(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.arrive(seg{flags: rst, seq: 1 << 20})
		r.sends()
		if fate := r.arrive(seg{flags: rst, seq: 2}); fate != Forged {
			t.Errorf("a RST within the window: %d", fate)
		}
		r.sends(seg{flags: ack, seq: 1, ack: 1})
		r.in(Established)
		r.arrive(seg{flags: rst, seq: 1})
		r.sends()
		r.in(Closed)
		r.hears(ReadyClosed, socket.ECONNRESET)
	})
}

// TestChallengesAreFew: RFC 5961, sections 4.2 and 7.
func TestChallengesAreFew(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		for range 20 {
			r.arrive(seg{flags: syn, seq: 1})
		}
		r.sends(seg{flags: ack, seq: 1, ack: 1}, seg{flags: ack, seq: 1, ack: 1})
		r.now += 2 * umem.Second
		r.arrive(seg{flags: ack, seq: 1, ack: 2}) // of what was never sent
		r.sends(seg{flags: ack, seq: 1, ack: 1})
		r.arrive(seg{flags: ack, seq: 1, ack: -100000}) // older than any window
		r.sends(seg{flags: ack, seq: 1, ack: 1})
		r.arrive(seg{flags: fin, seq: 1}) // without ACK
		r.sends()
		r.in(Established)
	})
}

// TestWindowOpensAsItIsConsumed, closes when nobody does, and never goes back.
func TestWindowOpensAsItIsConsumed(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.listening()
		r.must(r.tab.SetOptions(r.tab.Get(r.listener), socket.Options{RecvBytes: 8000}))
		r.arrive(seg{flags: syn, opts: synOpts})
		r.sends(seg{flags: syn | ack, ack: 1, wnd: 8000})
		r.arrive(seg{flags: ack, seq: 1, ack: 1})
		r.h, _ = r.tab.Accept(r.tab.Get(r.listener))
		for i := range 8 {
			r.arrive(seg{flags: ack, seq: 1 + 1000*i, ack: 1, n: 1000})
		}
		r.sends(seg{flags: ack, seq: 1, ack: 8001, wnd: shut})
		r.arrive(seg{flags: ack, seq: 8001, ack: 1, n: 1}) // a probe
		r.sends(seg{flags: ack, seq: 1, ack: 8001, wnd: shut})
		var frames [8]*umem.Frame
		n, _ := r.tab.Take(r.c(), frames[:1])
		r.lent = frames[:n]
		r.tab.Consume(r.h, 1000)
		r.sends() // not worth an update
		r.tab.Consume(r.h, 1)
		if n, e := r.tab.Read(r.c(), make([]byte, 1500), false, false); n != 1500 || e != 0 {
			t.Fatal(n, e)
		}
		r.sends(seg{flags: ack, seq: 1, ack: 8001, wnd: 2501})
		r.pool.Release(frames[0], umem.HoldApp)
		r.lent = nil
	})
}

// TestWindowShrinksWithTheFramesThatAreLeft, but not below what was offered.
func TestWindowShrinksWithTheFramesThatAreLeft(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		c := r.c()
		wide := r.tab.space(c)
		var taken []*umem.Frame
		for range rigFrames - 40 {
			f := r.pool.Get(umem.ClassReceive)
			r.pool.Hold(f, umem.HoldReceive)
			taken = append(taken, f)
		}
		edge := c.rcv.edge
		if narrow := r.tab.space(c); narrow >= wide || narrow != 4*rigMSS {
			t.Errorf("the window may be %d octets with few frames, %d with many", narrow, wide)
		}
		r.send(1)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 1})
		if c.rcv.edge.Before(edge) {
			t.Error("the window's edge went back")
		}
		r.pool.ReleaseBatch(taken, umem.HoldReceive)
	})
}

// TestReaderSeesAllThenTheEnd, with Peek and WaitAll.
func TestReaderSeesAllThenTheEnd(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		b := make([]byte, 10)
		if _, e := r.tab.Read(r.c(), b, false, false); e != socket.EAGAIN {
			t.Errorf("nothing there: %v", e)
		}
		r.arrive(seg{flags: ack, seq: 1, ack: 1, n: 4})
		r.arrive(seg{flags: ack, seq: 5, ack: 1, n: 4})
		if r.tab.Received() != 1 || r.count.TCPRcvCoalesce != 1 {
			t.Errorf("small payloads are in %d frames", r.tab.Received())
		}
		if _, e := r.tab.Read(r.c(), b, false, true); e != socket.EAGAIN {
			t.Errorf("less than all: %v", e)
		}
		if n, e := r.tab.Read(r.c(), b, true, false); n != 8 || e != 0 {
			t.Errorf("peeked at %d, %v", n, e)
		}
		r.arrive(seg{flags: fin | ack, seq: 9, ack: 1})
		if n, e := r.tab.Read(r.c(), b, false, true); n != 8 || e != 0 {
			t.Errorf("all before the end: %d, %v", n, e)
		}
		if n, e := r.tab.Read(r.c(), b, false, true); n != 0 || e != 0 {
			t.Errorf("the end: %d, %v", n, e)
		}
		r.sends(seg{flags: ack, seq: 1, ack: 10})
	})
}

// TestFINBehindAFullWindow does not open it: the window's rest is then -1.
func TestFINBehindAFullWindow(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.listening()
		r.must(r.tab.SetOptions(r.tab.Get(r.listener), socket.Options{RecvBytes: 2000}))
		r.arrive(seg{flags: syn, opts: synOpts})
		r.sends(seg{flags: syn | ack, ack: 1, wnd: 2000})
		r.arrive(seg{flags: ack, seq: 1, ack: 1})
		r.arrive(seg{flags: ack, seq: 1, ack: 1, n: 1000})
		r.arrive(seg{flags: ack | fin, seq: 1001, ack: 1, n: 1000})
		r.sends(seg{flags: ack, seq: 1, ack: 2002, wnd: shut})
	})
}
