package tcp

import (
	"testing"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// Options of the peer's SYN: an MSS of rigMSS; and a window scale of 0.
const (
	synOpts    = "\x02\x04\x03\xe8"
	synScaling = synOpts + "\x01\x03\x03\x00"
)

// listening has a listener at us.
func (r *rig) listening() *rig {
	r.t.Helper()
	h, e := r.tab.Open(r.now, socket.Owner{UID: 1})
	r.must(e)
	r.must(r.tab.Bind(r.tab.Get(h), r.us))
	r.must(r.tab.Listen(r.tab.Get(h), 0))
	r.listener = h
	return r
}

// synReceived has answered a SYN.
func (r *rig) synReceived() *rig {
	r.t.Helper()
	r.listening()
	r.arrive(seg{flags: syn, opts: synScaling})
	r.sends(seg{flags: syn | ack, ack: 1})
	r.in(SynReceived)
	return r
}

// established has accepted a connection; peer 1, ours 1.
func (r *rig) established() *rig {
	r.t.Helper()
	r.synReceived()
	r.now += 10 * umem.Millisecond
	r.arrive(seg{flags: ack, seq: 1, ack: 1})
	r.sends()
	h, e := r.tab.Accept(r.tab.Get(r.listener))
	r.must(e)
	r.h = h
	r.in(Established)
	r.heard = 0
	return r
}

func (r *rig) c() *Conn { return r.tab.Get(r.h) }

func (r *rig) send(n int) {
	r.t.Helper()
	if got, e := r.tab.Send(r.c(), octets(0, n), false); got != n || e != 0 {
		r.t.Fatalf("%d of %d octets were sent, %v", got, n, e)
	}
}

// read reads n octets that begin at a place of the peer's stream, and no more.
func (r *rig) read(at, n int) {
	r.t.Helper()
	b := make([]byte, n+1)
	got, e := r.tab.Read(r.c(), b, false, false)
	if e != 0 || string(b[:got]) != string(octets(at, n)) {
		r.t.Fatalf("read %d octets, %v; not the %d expected", got, e, n)
	}
}

// finWait1 has closed for sending.
func (r *rig) finWait1() *rig {
	r.t.Helper()
	r.established()
	r.must(r.tab.Shutdown(r.c()))
	r.sends(seg{flags: fin | ack, seq: 1, ack: 1})
	r.in(FinWait1)
	return r
}

func (r *rig) finWait2() *rig {
	r.t.Helper()
	r.finWait1()
	r.arrive(seg{flags: ack, seq: 1, ack: 2})
	r.sends()
	r.in(FinWait2)
	return r
}

func (r *rig) closeWait() *rig {
	r.t.Helper()
	r.established()
	r.arrive(seg{flags: fin | ack, seq: 1, ack: 1})
	r.sends(seg{flags: ack, seq: 1, ack: 2})
	r.in(CloseWait)
	r.hears(ReadyEOF, 0)
	return r
}

func (r *rig) closing() *rig {
	r.t.Helper()
	r.finWait1()
	r.arrive(seg{flags: fin | ack, seq: 1, ack: 1})
	r.sends(seg{flags: ack, seq: 2, ack: 2})
	r.in(Closing)
	return r
}

func (r *rig) lastAck() *rig {
	r.t.Helper()
	r.closeWait()
	r.must(r.tab.Shutdown(r.c()))
	r.sends(seg{flags: fin | ack, seq: 1, ack: 2})
	r.in(LastAck)
	return r
}

// timeWait has closed first, by Close: there is no handle.
func (r *rig) timeWait() *rig {
	r.t.Helper()
	r.finWait2()
	r.tab.Close(r.now, r.c())
	r.arrive(seg{flags: fin | ack, seq: 1, ack: 2})
	r.sends(seg{flags: ack, seq: 2, ack: 2})
	r.in(TimeWait)
	return r
}

// synSent has begun to connect, from a port that TCP chose.
func (r *rig) synSent() *rig {
	r.t.Helper()
	h, e := r.tab.Open(r.now, socket.Owner{})
	r.must(e)
	r.h = h
	r.must(r.tab.Connect(r.now, r.c(), r.peer, r.us.IP, 0))
	r.us = r.c().Local()
	r.sends(seg{flags: syn})
	r.in(SynSent)
	return r
}

// --- LISTEN ---

func TestListenAnswersSYN(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.listening()
		r.arrive(seg{flags: syn, opts: synScaling})
		mss := "\x02\x04\x05\xb4" // 1460
		if !r.us.IP.Is4() {
			mss = "\x02\x04\x05\xa0"
		}
		r.sends(seg{flags: syn | ack, ack: 1, wnd: 65535, opts: mss + "\x01\x03\x03\x03"})
		r.in(SynReceived)
	})
}

func TestListenRefusesOthers(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.listening()
		r.arrive(seg{flags: rst})
		r.arrive(seg{flags: fin})
		r.sends()
		r.arrive(seg{flags: ack, seq: 7, ack: 9})
		r.sends(seg{flags: rst, seq: 9})
		r.gone()
	})
}

// TestNoListenerResets: RFC 9293, section 3.10.7.1.
func TestNoListenerResets(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.arrive(seg{flags: syn, seq: 5, n: 3})
		// Of a segment without ACK the sequence number of the answer is 0, not relative to anything.
		r.sends(seg{flags: rst | ack, seq: Seq(0).Sub(r.iss), ack: 9})
		r.arrive(seg{flags: ack, seq: 5, ack: 7, n: 3})
		r.sends(seg{flags: rst, seq: 7})
		r.arrive(seg{flags: rst | ack, seq: 5, ack: 7})
		r.sends()
	})
}

func TestListenQueuesAreBounded(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.listening()
		from := func(i int) socket.Addr { return socket.Addr{IP: r.peer.IP, Port: uint16(100 + i)} }
		for i := range 5 { // one more than SynBacklog: the first goes
			r.arriveFrom(from(i), seg{flags: syn})
		}
		r.tab.Flush(r.now)
		r.sent = nil
		if _, ok := r.tab.Find(r.us, from(0)); ok || r.count.TCPReqQFullDrop != 1 {
			t.Error("the oldest half-open connection was not dropped")
		}
		for i := 1; i < 5; i++ {
			r.arriveFrom(from(i), seg{flags: ack, seq: 1, ack: 1})
		}
		r.arriveFrom(from(9), seg{flags: syn})
		r.sends()
		if r.count.ListenOverflows != 1 || r.count.ListenDrops != 1 {
			t.Errorf("%d overflows, %d drops", r.count.ListenOverflows, r.count.ListenDrops)
		}
		for range 4 {
			if _, e := r.tab.Accept(r.tab.Get(r.listener)); e != 0 {
				t.Fatal(e)
			}
		}
		if _, e := r.tab.Accept(r.tab.Get(r.listener)); e != socket.EAGAIN {
			t.Errorf("Accept of none: %v", e)
		}
	})
}

// TestClosedListenerResetsWhatNobodyAccepted, and forgets what is half open.
func TestClosedListenerResetsWhatNobodyAccepted(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.synReceived()
		r.arrive(seg{flags: ack, seq: 1, ack: 1, n: 10})
		r.arriveFrom(socket.Addr{IP: r.peer.IP, Port: 5}, seg{flags: syn})
		r.tab.Flush(r.now)
		r.sent = nil
		r.tab.Close(r.now, r.tab.Get(r.listener))
		r.sends(seg{flags: rst | ack, seq: 1, ack: 11})
		r.listener = socket.Handle{}
		r.gone()
	})
}

// --- SYN-SENT ---

func TestConnect(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.synSent()
		r.arrive(seg{flags: syn | ack, ack: 1, opts: synOpts})
		r.sends(seg{flags: ack, seq: 1, ack: 1})
		r.in(Established)
		r.hears(ReadyConnected|ReadyOut, 0)
		r.tab.Abort(r.now, r.c())
		r.sends(seg{flags: rst | ack, seq: 1, ack: 1})
		r.gone()
	})
}

func TestConnectIsRefused(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.synSent()
		r.arrive(seg{flags: rst}) // without ACK: not ours
		r.arrive(seg{flags: rst | ack, ack: 2})
		r.in(SynSent)
		r.arrive(seg{flags: rst | ack, ack: 1})
		r.sends()
		r.in(Closed)
		r.hears(ReadyClosed, socket.ECONNREFUSED)
		if _, e := r.tab.Send(r.c(), nil, false); e != socket.ECONNREFUSED {
			t.Errorf("the first call: %v", e)
		}
		if _, e := r.tab.Send(r.c(), nil, false); e != socket.EPIPE {
			t.Errorf("the second: %v", e)
		}
		r.tab.Close(r.now, r.c())
		r.gone()
	})
}

func TestSynSentRefusesAForeignACK(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.synSent()
		r.arrive(seg{flags: syn | ack, ack: 2})
		r.sends(seg{flags: rst, seq: 2})
		r.arrive(seg{flags: ack, ack: 1})
		r.sends()
		r.in(SynSent)
	})
}

// TestSimultaneousOpen: RFC 9293, figure 8.
func TestSimultaneousOpen(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.synSent()
		r.arrive(seg{flags: syn, opts: synOpts})
		r.in(SynReceived)
		r.sends(seg{flags: syn | ack, ack: 1})
		r.arrive(seg{flags: syn | ack, ack: 1, opts: synOpts})
		r.sends(seg{flags: ack, seq: 1, ack: 1})
		r.in(Established)
		r.hears(ReadyConnected|ReadyOut, 0)
	})
}

func TestSYNIsSentSevenTimes(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.synSent()
		r.now += umem.Millisecond // the wheel is a little late
		for _, d := range []umem.Time{1, 2, 4, 8, 16, 32} {
			r.pass(d*umem.Second - 2*umem.Millisecond)
			r.sends()
			r.pass(2 * umem.Millisecond)
			r.sends(seg{flags: syn})
		}
		r.pass(63 * umem.Second)
		r.in(SynSent)
		r.pass(2 * umem.Second)
		r.sends()
		r.hears(ReadyClosed, socket.ETIMEDOUT)
	})
}

// TestErrorsOfTheNetworkEndAHandshakeAlone: RFC 5927, sections 4.1 and 5.2.
func TestErrorsOfTheNetworkEndAHandshakeAlone(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.synSent()
		if r.tab.Failed(r.conn(), r.iss.Add(9), socket.EHOSTUNREACH) {
			t.Error("an error about what was never sent counts")
		}
		r.tab.Failed(r.conn(), r.iss, socket.EHOSTUNREACH)
		r.hears(ReadyClosed, socket.EHOSTUNREACH)
		r.us.Port = 80
		r.established()
		r.send(10)
		r.sends(seg{flags: ack, seq: 1, ack: 1, n: 10})
		r.tab.Failed(r.c(), r.iss.Add(1), socket.EHOSTUNREACH)
		r.in(Established)
		r.pass(1000 * umem.Second)
		r.sent = nil
		r.hears(ReadyClosed, socket.EHOSTUNREACH) // the reason of the timeout
	})
}

// TestPortsOfConnections: none twice to one peer; all of them, before it fails.
func TestPortsOfConnections(t *testing.T) {
	r := newRig(t, 0, func(c *Config) { c.Streams = 200 })
	seen := map[uint16]bool{}
	for range 100 {
		h, e := r.tab.Open(r.now, socket.Owner{})
		r.must(e)
		r.must(r.tab.Connect(r.now, r.tab.Get(h), r.peer, r.us.IP, 0))
		p := r.tab.Get(h).localPort
		if seen[p] || p < 40000 || p > 40099 {
			t.Fatalf("port %d", p)
		}
		seen[p] = true
	}
	h, _ := r.tab.Open(r.now, socket.Owner{})
	if e := r.tab.Connect(r.now, r.tab.Get(h), r.peer, r.us.IP, 0); e != socket.EADDRNOTAVAIL {
		t.Errorf("no port is left: %v", e)
	}
	other := socket.Addr{IP: ip.Addr{Hi: 1}, Port: 1}
	r.must(r.tab.Connect(r.now, r.tab.Get(h), other, r.us.IP, 0)) // to another peer all are free
	r.tab.Flush(r.now)
	r.sent = nil
}
