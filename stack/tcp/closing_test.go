package tcp

import (
	"testing"

	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// --- FIN-WAIT-1, FIN-WAIT-2 ---

// TestFINWaitsForDataBeforeIt, and goes with the last of it.
func TestFINWaitsForDataBeforeIt(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.arrive(seg{flags: ack, seq: 1, ack: 1, wnd: 1000})
		r.send(1500)
		r.must(r.tab.Shutdown(r.c()))
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 1000})
		if _, e := r.tab.Send(r.c(), octets(0, 1), false); e != socket.EPIPE {
			t.Errorf("Send after Shutdown: %v", e)
		}
		r.arrive(seg{flags: ack, seq: 1, ack: 1001, wnd: 1000})
		r.sends(seg{flags: fin | ack, seq: 1001, ack: 1, n: 500})
		r.in(FinWait1)
		r.pass(300 * umem.Millisecond)
		r.sends(seg{flags: fin | ack, seq: 1001, ack: 1, n: 500})
		r.arrive(seg{flags: ack, seq: 1, ack: 1501}) // all but the FIN
		r.in(FinWait1)
		r.pass(umem.Second)
		r.sends(seg{flags: fin | ack, seq: 1501, ack: 1})
		r.arrive(seg{flags: ack, seq: 1, ack: 1502})
		r.in(FinWait2)
		r.sends()
	})
}

func TestHalfClosedReceives(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.finWait2()
		r.pass(1000 * umem.Second) // with a reader it may take as long as it likes
		r.in(FinWait2)
		r.arrive(seg{flags: ack, seq: 1, ack: 2, n: 100})
		r.sends()
		r.pass(umem.Second)
		r.sends(seg{flags: ack, seq: 2, ack: 101})
		r.read(1, 100)
		r.arrive(seg{flags: fin | ack, seq: 101, ack: 2})
		r.sends(seg{flags: ack, seq: 2, ack: 102})
		r.in(TimeWait)
		r.hears(ReadyIn|ReadyEOF|ReadyClosed, 0)
		r.tab.Close(r.now, r.c())
		r.pass(61 * umem.Second)
		r.gone()
	})
}

// TestFINAndItsACKTogether: RFC 9293, figure 12: the peer's FIN acknowledges ours.
func TestFINAndItsACKTogether(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.finWait1()
		r.arrive(seg{flags: fin | ack, seq: 1, ack: 2})
		r.sends(seg{flags: ack, seq: 2, ack: 2})
		r.in(TimeWait)
	})
}

// TestOrphanDoesNotWaitForever in FIN-WAIT-2.
func TestOrphanDoesNotWaitForever(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.finWait1()
		r.tab.Close(r.now, r.c())
		r.arrive(seg{flags: ack, seq: 1, ack: 2})
		r.in(FinWait2)
		r.pass(59 * umem.Second)
		r.in(FinWait2)
		r.pass(2 * umem.Second)
		r.sends()
		r.gone()
	})
}

// TestDataAfterCloseIsReset: RFC 9293, section 3.6.1.
func TestDataAfterCloseIsReset(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.tab.Close(r.now, r.c())
		r.sends(seg{flags: fin | ack, seq: 1, ack: 1})
		r.arrive(seg{flags: ack, seq: 1, ack: 1, n: 5})
		r.sends(seg{flags: rst | ack, seq: 2, ack: 1})
		r.gone()
	})
}

// TestCloseWithDataUnreadResets: RFC 2525, section 2.17.
func TestCloseWithDataUnreadResets(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.arrive(seg{flags: ack, seq: 1, ack: 1, n: 5})
		r.send(7)
		r.tab.Close(r.now, r.c())
		r.sends(seg{flags: rst | ack, seq: 1, ack: 6})
		r.gone()
	})
}

// --- CLOSE-WAIT, LAST-ACK, CLOSING ---

func TestCloseWaitSends(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.closeWait()
		r.send(10)
		r.sends(seg{flags: ack, seq: 1, ack: 2, n: 10})
		r.arrive(seg{flags: ack, seq: 2, ack: 11})
		r.arrive(seg{flags: fin | ack, seq: 1, ack: 11}) // again
		r.sends(seg{flags: ack, seq: 11, ack: 2})
		r.in(CloseWait)
		r.arrive(seg{flags: rst, seq: 2})
		r.hears(ReadyClosed, socket.EPIPE)
	})
}

func TestLastAckEnds(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.lastAck()
		r.pass(umem.Second)
		r.sends(seg{flags: fin | ack, seq: 1, ack: 2}, seg{flags: fin | ack, seq: 1, ack: 2})
		r.arrive(seg{flags: ack, seq: 2, ack: 2})
		r.sends()
		r.in(Closed)
		r.hears(ReadyClosed, 0)
		r.tab.Close(r.now, r.c())
		r.gone()
	})
}

func TestClosingEndsInTimeWait(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.closing()
		r.arrive(seg{flags: ack, seq: 2, ack: 2})
		r.sends()
		r.in(TimeWait)
	})
}

// TestResetInClosingStates ends them without an error.
func TestResetInClosingStates(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.closing()
		r.hears(ReadyEOF, 0)
		r.arrive(seg{flags: rst, seq: 2})
		r.in(Closed)
		r.hears(ReadyClosed, 0)
	})
}

// --- TIME-WAIT ---

func TestTimeWaitAnswersAndEnds(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.timeWait()
		r.pass(50 * umem.Second)
		r.arrive(seg{flags: fin | ack, seq: 1, ack: 2}) // our ACK was lost
		r.sends(seg{flags: ack, seq: 2, ack: 2})
		r.pass(59 * umem.Second) // it began again
		r.in(TimeWait)
		r.pass(2 * umem.Second)
		r.sends()
		r.gone()
	})
}

// TestTimeWaitMakesWayForANewConnection: RFC 6191, section 2; numbers go on.
func TestTimeWaitMakesWayForANewConnection(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.timeWait()
		r.arrive(seg{flags: syn, seq: 1, opts: synOpts}) // an old one
		r.sends(seg{flags: ack, seq: 2, ack: 2})
		r.in(TimeWait)
		r.arrive(seg{flags: syn, seq: 3, opts: synOpts})
		r.sends(seg{flags: syn | ack, seq: 2 + nextISSGap, ack: 4})
		r.in(SynReceived)
		r.arrive(seg{flags: ack, seq: 4, ack: 3 + nextISSGap})
		r.in(Established)
		r.sends()
	})
}

// TestTimeWaitIsRecycled when the table is full, the oldest first; other connections are not.
func TestTimeWaitIsRecycled(t *testing.T) {
	r := newRig(t, 0, func(c *Config) { c.Streams = 3 })
	r.timeWait()
	a, e := r.tab.Open(r.now, socket.Owner{})
	r.must(e)
	b, e := r.tab.Open(r.now, socket.Owner{})
	r.must(e)
	r.in(Closed)
	if _, e := r.tab.Open(r.now, socket.Owner{}); e != socket.ENFILE || r.count.TCPTimeWaitOverflow != 1 {
		t.Errorf("%v, %d recycled", e, r.count.TCPTimeWaitOverflow)
	}
	r.arrive(seg{flags: syn})
	r.sends()
	if r.count.ListenDrops != 1 {
		t.Errorf("%d SYNs dropped", r.count.ListenDrops)
	}
	r.tab.Close(r.now, r.tab.Get(a))
	r.tab.Close(r.now, r.tab.Get(b))
	if r.tab.Get(a) != nil {
		t.Error("a handle is not stale after Close")
	}
	r.gone()
}

// TestShutEndsEverything, whatever its state.
func TestShutEndsEverything(t *testing.T) {
	for name, begin := range map[string]func(*rig) *rig{
		"listening": (*rig).listening, "SYN-RECEIVED": (*rig).synReceived, "SYN-SENT": (*rig).synSent, "established": (*rig).established,
		"FIN-WAIT-1": (*rig).finWait1, "FIN-WAIT-2": (*rig).finWait2, "CLOSE-WAIT": (*rig).closeWait,
		"closing": (*rig).closing, "LAST-ACK": (*rig).lastAck, "TIME-WAIT": (*rig).timeWait,
	} {
		t.Run(name, func(t *testing.T) {
			r := begin(newRig(t, 0, func(*Config) {}))
			if c := r.c(); c != nil {
				_, _ = r.tab.Send(c, octets(0, 3000), false)
				r.arrive(seg{flags: ack, seq: 5001, ack: 1, n: 100})
			}
			r.tab.Shut(r.now)
			r.sent = nil
			r.listener = socket.Handle{}
			r.gone()
			if r.count.CurrEstab != 0 {
				t.Errorf("%d connections count as established", int64(r.count.CurrEstab))
			}
		})
	}
}

// TestTimerOfTheApplication is told once, also while others run.
func TestTimerOfTheApplication(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.tab.SetTimer(r.c(), r.now+umem.Second)
		r.pass(990 * umem.Millisecond)
		r.hears(0, 0)
		r.pass(20 * umem.Millisecond)
		r.hears(ReadyTimer, 0)
		r.pass(10 * umem.Second)
		r.sends()
		r.hears(0, 0)
	})
}

// TestPortOfAConnectionInTimeWaitIsUsedAgain when all are: the one used longest ago, and numbers go on behind its.
func TestPortOfAConnectionInTimeWaitIsUsedAgain(t *testing.T) {
	r := newRig(t, 0, func(c *Config) { c.Ports.High = c.Ports.Low + 1 })
	seen := map[uint16]bool{}
	port := uint16(0)
	for range 2 {
		r.synSent()
		r.arrive(seg{flags: syn | ack, ack: 1, opts: synOpts})
		r.sends(seg{flags: ack, seq: 1, ack: 1})
		r.tab.Close(r.now, r.c())
		r.sends(seg{flags: fin | ack, seq: 1, ack: 1})
		r.arrive(seg{flags: fin | ack, seq: 1, ack: 2})
		r.sends(seg{flags: ack, seq: 2, ack: 2})
		r.in(TimeWait)
		seen[r.us.Port] = true
		if port == 0 {
			port = r.us.Port
		}
	}
	h, e := r.tab.Open(r.now, socket.Owner{})
	r.must(e)
	r.must(r.tab.Connect(r.now, r.tab.Get(h), r.peer, r.us.IP, 0))
	r.sends(seg{flags: syn, seq: 2 + nextISSGap})
	if got := r.tab.Get(h).localPort; len(seen) != 2 || got != port {
		t.Errorf("port %d, not %d, of %v", got, port, seen)
	}
}

// TestFINIsSentAgainWhenTheWindowOpens: a closed one may have turned it away, and by then its timeout may be minutes.
func TestFINIsSentAgainWhenTheWindowOpens(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.send(1000)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 1000})
		r.arrive(seg{flags: ack, seq: 1, ack: 1001, wnd: shut})
		r.must(r.tab.Shutdown(r.c()))
		r.sends(seg{flags: ack | fin, seq: 1001, ack: 1})
		r.arrive(seg{flags: ack, seq: 1, ack: 1001, wnd: shut})
		r.sends()
		r.arrive(seg{flags: ack, seq: 1, ack: 1001})
		r.sends(seg{flags: ack | fin, seq: 1001, ack: 1})
		r.arrive(seg{flags: ack, seq: 1, ack: 1001, wnd: 65000}) // it was within the window
		r.sends()
	})
}

// TestFINMayBeTheHole that an ACK in fast recovery tells of (RFC 6582, section 3.2, step 3): it goes out again at once.
func TestFINMayBeTheHole(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.established()
		r.send(2000)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 1000}, seg{flags: ack, seq: 1001, ack: 1, n: 1000})
		r.must(r.tab.Shutdown(r.c()))
		r.sends(seg{flags: ack | fin, seq: 2001, ack: 1})
		for range dupThresh {
			r.arrive(seg{flags: ack, seq: 1, ack: 1})
		}
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 1000})
		r.arrive(seg{flags: ack, seq: 1, ack: 2001})
		r.sends(seg{flags: ack | fin, seq: 2001, ack: 1})
		r.arrive(seg{flags: ack, seq: 1, ack: 2002})
		r.sends()
		r.in(FinWait2)
	})
}
