package xdpstack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/umem"
)

// The events in which a handler acts, and what may reset a connection in the same batch.
var (
	matrixEvents = []string{"accept", "opened", "dialled", "data", "eof", "writable", "timeout", "closed"}
	matrixResets = []string{"", "own", "other"}
)

// matrixVerbs are what a handler does, to the connection on: own, whose event it is, or another. segs
// are segments that it may dispose of: lent by the event, or retained before.
var matrixVerbs = map[string]func(m *matrix, on *actor, segs []Segment){
	"nothing": func(*matrix, *actor, []Segment) {},
	"Send":    func(m *matrix, on *actor, _ []Segment) { m.send(on, on.c.Send) },
	"SendMore": func(m *matrix, on *actor, _ []Segment) {
		m.send(on, on.c.SendMore)
		m.send(on, on.c.Send)
	},
	"SendSegments": func(m *matrix, on *actor, _ []Segment) {
		g, ok := on.c.Worker().Segment()
		if !ok {
			m.t.Error("no segment")
			return
		}
		copy(g.Put(5), "hello")
		m.give(on, g)
	},
	"SendSegments of received": func(m *matrix, on *actor, segs []Segment) {
		for _, g := range segs {
			from, n := m.from[g], g.Len()
			m.give(on, g)
			from.c.Consume(n)
		}
	},
	"Retain":           func(m *matrix, on *actor, segs []Segment) { m.retain(on, segs) },
	"Retain and close": func(m *matrix, on *actor, segs []Segment) { m.retain(on, segs); _ = on.c.Close() },
	"Retain twice, Release, Consume": func(m *matrix, on *actor, segs []Segment) {
		for _, g := range segs {
			if m.taken[g] {
				on.c.Retain(g)
			} else {
				on.c.Retain(g)
				on.c.Retain(g)
				on.c.Release(g)
			}
			m.from[g].c.Consume(g.Len())
			on.c.Release(g)
		}
	},
	"Release": func(m *matrix, on *actor, segs []Segment) {
		for _, g := range segs {
			m.drop(g)
			on.c.Release(g)
		}
	},
	"Forward": func(m *matrix, on *actor, segs []Segment) { m.forward(on, segs) },
	"Retain, then Forward": func(m *matrix, on *actor, segs []Segment) {
		m.retain(on, segs)
		m.forward(on, segs)
	},
	"Forward and close": func(m *matrix, on *actor, segs []Segment) {
		m.forward(on, segs)
		_ = on.c.Close()
	},
	"Forward and abort the source": func(m *matrix, on *actor, segs []Segment) {
		m.forward(on, segs)
		_ = m.own.c.Abort()
	},
	"CloseWrite": func(_ *matrix, on *actor, _ []Segment) { _ = on.c.CloseWrite() },
	"Close":      func(m *matrix, on *actor, _ []Segment) { m.stale(on, on.c.Close) },
	"Send and Close": func(m *matrix, on *actor, _ []Segment) {
		m.send(on, on.c.Send)
		m.stale(on, on.c.Close)
	},
	"Abort":      func(m *matrix, on *actor, _ []Segment) { m.stale(on, on.c.Abort) },
	"SetTimeout": func(_ *matrix, on *actor, _ []Segment) { on.c.SetTimeout(time.Microsecond) },
	"Dial": func(m *matrix, on *actor, _ []Segment) {
		d := m.actor("dialled by a handler")
		c, err := on.c.Worker().Dial(m.far, d)
		if err != nil {
			m.t.Error(err)
		}
		d.c = c
	},
	"Dial and Abort": func(m *matrix, on *actor, _ []Segment) {
		c, err := on.c.Worker().Dial(m.far, m.actor("dialled and aborted"))
		if err != nil {
			m.t.Error(err)
			return
		}
		_ = c.Abort()
	},
	"Post": func(m *matrix, on *actor, _ []Segment) {
		if !on.c.Worker().Post(func() { _ = on.c.Close() }) {
			m.t.Error("Post is refused")
		}
	},
}

// matrix is one case: hosts stay, the rest is made anew.
type matrix struct {
	t    *testing.T
	a, b *Host
	gate *gate
	at   netip.AddrPort // b's listener
	far  netip.AddrPort // a's
	peer chan *actor    // a's ends of new connections

	event, verb string
	actors      []*actor // of b
	own, other  *actor
	kept        []Segment        // what the case has of its own, to be released
	taken       map[Segment]bool // retained before, or by the verb
	from        map[Segment]*actor
	act         bool // the verb has not been done yet
	onOther     bool
	expect      func() StreamHandler // b's next handler
}

// actor is a handler of the case: it notes what it hears, and acts in the event that the case names.
type actor struct {
	m      *matrix
	name   string
	c      *Stream
	keep   bool // retain what comes
	heard  []string
	closed int
	err    error
	end    chan struct{}
}

func (m *matrix) actor(name string) *actor {
	x := &actor{m: m, name: name, end: make(chan struct{})}
	if m != nil {
		m.actors = append(m.actors, x)
	}
	return x
}

// hear notes an event, and does the verb if this is the one.
func (x *actor) hear(event string, c *Stream, segs []Segment) {
	x.heard = append(x.heard, event)
	if x.m != nil && x.closed > 0 && event != "closed" {
		x.m.t.Errorf("%s hears %s after Closed", x.name, event)
	}
	x.c = c
	if m := x.m; m != nil && m.act && m.own == x && m.event == event {
		m.act = false
		m.perform(segs)
	}
}

// perform does the verb.
func (m *matrix) perform(segs []Segment) {
	on := m.own
	if m.onOther {
		on = m.other
	}
	matrixVerbs[m.verb](m, on, append(slices.Clone(m.kept), segs...))
}

func (x *actor) Opened(c *Stream)   { x.hear(x.opened(), c, nil) }
func (x *actor) EOF(c *Stream)      { x.hear("eof", c, nil) }
func (x *actor) Writable(c *Stream) { x.hear("writable", c, nil) }
func (x *actor) Timeout(c *Stream)  { x.hear("timeout", c, nil) }

func (x *actor) opened() string {
	if x.c == nil {
		return "dialled"
	}
	return "opened"
}

func (x *actor) Data(c *Stream, segs []Segment) {
	for _, g := range segs {
		if x.m != nil {
			x.m.from[g] = x
		}
	}
	if x.keep {
		x.keep = false
		x.m.retain(x, segs[:1])
	}
	x.hear("data", c, segs)
}

func (x *actor) Closed(c *Stream, err error) {
	x.hear("closed", c, nil)
	x.err = err
	if x.closed++; x.closed == 1 {
		close(x.end)
	}
}

func (m *matrix) send(on *actor, send func([]byte) (int, error)) {
	n, err := send([]byte("hello"))
	m.plausible(on, n, 5, err)
}

// plausible checks what a verb that sends returned.
func (m *matrix) plausible(on *actor, n, all int, err error) {
	switch {
	case on.c.over && err != net.ErrClosed:
		m.t.Errorf("sending on what is closed: %d, %v", n, err)
	case err == nil || n > 0:
	case errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ENOTCONN), err == net.ErrClosed:
	default:
		m.t.Errorf("sending: %d of %d, %v", n, all, err)
	}
}

// give sends a segment, and keeps to the rule of who has it then.
func (m *matrix) give(on *actor, g Segment) {
	m.drop(g)
	n, err := on.c.SendSegments([]Segment{g})
	m.plausible(on, n, 1, err)
	if n == 0 {
		on.c.Release(g)
	}
}

func (m *matrix) retain(on *actor, segs []Segment) {
	for _, g := range segs {
		if !m.taken[g] {
			on.c.Retain(g)
			m.taken[g] = true
			m.kept = append(m.kept, g)
		}
	}
}

func (m *matrix) forward(on *actor, segs []Segment) {
	for _, g := range segs {
		had := m.taken[g]
		m.drop(g)
		if err := m.from[g].c.Forward(on.c, g); err == syscall.EAGAIN && had {
			on.c.Release(g)
		}
	}
}

// drop takes g off what the case releases at its end.
func (m *matrix) drop(g Segment) {
	m.kept = slices.DeleteFunc(m.kept, func(k Segment) bool { return k == g })
	delete(m.taken, g)
}

// stale closes, and checks that nothing works on after that.
func (m *matrix) stale(on *actor, end func() error) {
	_ = end()
	for _, verb := range []func() error{on.c.Close, on.c.Abort, on.c.CloseWrite} {
		if err := verb(); err != net.ErrClosed {
			m.t.Errorf("after the end: %v, want net.ErrClosed", err)
		}
	}
	m.send(on, on.c.Send)
}

// TestEachVerbInEachEvent: each verb of the event API in each event, on the connection whose event it is
// and on another, with a RST for either in the same batch and without. Nothing is lost, nothing is
// heard after Closed, and that comes once.
func TestEachVerbInEachEvent(t *testing.T) {
	for _, fam := range families {
		for _, event := range matrixEvents {
			t.Run("IPv"+fam.name+"/"+event, func(t *testing.T) {
				m := newMatrix(t, "tcp"+fam.name, fam.a, fam.b)
				for verb := range matrixVerbs {
					for _, reset := range matrixResets {
						for _, onOther := range []bool{false, true} {
							m.run(event, verb, reset, onOther)
							if t.Failed() {
								t.Fatalf("in %s, %s, on another: %v, a RST for: %q", event, verb, onOther, reset)
							}
						}
					}
				}
			})
		}
	}
}

func newMatrix(t *testing.T, network, aAddr, bAddr string) *matrix {
	m := &matrix{t: t, peer: make(chan *actor, 16)}
	m.a, m.b, m.gate = gatedPair(t, framesEach, func(c *Config) { c.Limits.StreamSendBytes = 16 << 10 })
	m.at = serve(t, m.b, network, bAddr, func(c *Stream) StreamHandler {
		h := m.expect()
		if x, ok := h.(*actor); ok {
			x.c = c
			x.hear("accept", c, nil)
		}
		return h
	}).Addr()
	m.far = serve(t, m.a, network, aAddr, func(c *Stream) StreamHandler { return m.peerOf(c) }).Addr()
	return m
}

// peerOf is the handler of a's end of a connection.
func (m *matrix) peerOf(c *Stream) *actor {
	p := (*matrix)(nil).actor("peer")
	p.c = c
	m.peer <- p
	return p
}

// dialB opens a connection from a to b, and returns a's end.
func (m *matrix) dialB(x *actor) *actor {
	m.expect = func() StreamHandler { return x }
	p := (*matrix)(nil).actor("peer")
	m.onA(func(w *Worker) {
		c, err := w.Dial(m.at, p)
		if err != nil {
			m.t.Error(err)
		}
		p.c = c
	})
	return p
}

// onA and onB run something on the workers, and wait until what it caused is on the wire.
func (m *matrix) onA(do func(w *Worker)) { m.on(m.a, do) }
func (m *matrix) onB(do func(w *Worker)) { m.on(m.b, do) }

func (m *matrix) on(h *Host, do func(w *Worker)) {
	m.t.Helper()
	if err := h.on(0, func(s *shard) { do(&s.self) }); err != nil {
		m.t.Fatal(err)
	}
	settled(m.t, h)
}

func (m *matrix) heard(x *actor, event string) {
	m.t.Helper()
	eventually(m.t, m.b, 0, x.name+" hears "+event, func(*shard) bool { return slices.Contains(x.heard, event) })
}

// run does one case.
func (m *matrix) run(event, verb, reset string, onOther bool) {
	m.event, m.verb, m.onOther, m.act = event, verb, onOther, true
	m.actors, m.kept, m.taken, m.from = nil, nil, map[Segment]bool{}, map[Segment]*actor{}
	m.own, m.other = m.actor("own"), m.actor("other")
	peers := []*actor{nil, m.dialB(m.other)}
	m.heard(m.other, "opened")
	m.keepOne(m.other, peers[1])
	if slices.Contains([]string{"data", "eof", "writable", "timeout", "closed"}, event) {
		peers[0] = m.dialB(m.own)
		m.heard(m.own, "opened")
	}
	peers[0] = m.trigger(event, peers[0])
	m.onA(func(*Worker) {
		if i := slices.Index([]string{"own", "other"}, reset); i >= 0 && peers[i] != nil {
			_ = peers[i].c.Abort()
		}
	})
	m.gate.open()
	eventually(m.t, m.b, 0, "the event", func(*shard) bool { // or a RST that leaves nothing to tell of
		return !m.act || reset == "own" && m.own.closed > 0
	})
	m.finish(peers)
}

// keepOne has a connection retain a segment for the case.
func (m *matrix) keepOne(x, peer *actor) {
	m.onB(func(*Worker) { x.keep = true })
	m.onA(func(*Worker) { _, _ = peer.c.Send([]byte("kept")) })
	m.heard(x, "data")
}

// trigger makes all but the last packet of the event come about, and has that wait at the gate. It
// returns the peer of the connection whose event it will be.
func (m *matrix) trigger(event string, peer *actor) *actor {
	switch event {
	case "accept", "opened":
		m.gate.allow(1) // the SYN
		peer = m.dialB(m.own)
		eventually(m.t, m.a, 0, "SYN-ACK", func(*shard) bool { return len(peer.heard) > 0 })
		m.onA(func(*Worker) { _, _ = peer.c.Send([]byte("early")) })
		return peer
	case "dialled":
		m.gate.allow(0)
		m.onB(func(w *Worker) {
			if _, err := w.Dial(m.far, m.own); err != nil {
				m.t.Error(err)
			}
		})
		settled(m.t, m.a)
		return nil // there is no connection yet that could be reset
	case "writable":
		m.gate.allow(0)
		m.onB(func(*Worker) {
			for n := 1; n > 0; {
				n, _ = m.own.c.Send(make([]byte, 4000))
			}
		})
		settled(m.t, m.a)
		settled(m.t, m.a)
		return peer
	}
	m.gate.allow(0)
	m.onA(func(*Worker) {
		if event == "data" || event == "eof" {
			_, _ = peer.c.Send(make([]byte, 3000))
		}
	})
	m.onA(func(*Worker) {
		switch event {
		case "eof":
			_ = peer.c.CloseWrite()
		case "closed":
			_ = peer.c.Abort()
		}
	})
	if event == "timeout" {
		m.onB(func(*Worker) { m.own.c.SetTimeout(100 * time.Microsecond) })
	}
	return peer
}

// finish ends all connections of a case, and checks that nothing is left of it.
func (m *matrix) finish(peers []*actor) {
	m.onB(func(w *Worker) {
		for _, g := range m.kept {
			w.Release(g)
		}
		for _, x := range m.actors {
			if x.c != nil {
				_ = x.c.Abort()
			}
		}
	})
	m.onA(func(*Worker) {
		for len(m.peer) > 0 {
			peers = append(peers, <-m.peer)
		}
		for _, p := range peers {
			if p != nil {
				_ = p.c.Abort()
			}
		}
	})
	for _, x := range append(slices.Clone(m.actors), peers...) {
		if x != nil {
			within(m.t, "Closed of "+x.name, x.end)
		}
	}
	eventually(m.t, m.b, 0, "the slots back", func(s *shard) bool {
		return !slices.ContainsFunc(socketsOf(s), func(i stack.SocketInfo) bool { return i.State == "CLOSED" })
	})
	left := umem.Holders{}
	eventually(m.t, m.b, 0, fmt.Sprintf("frames back: %v", &left), func(s *shard) bool {
		left = umem.Holders{}
		s.stack.Holders(&left)
		return left.Holds[umem.HoldApp] == 0 && left.Holds[umem.HoldReceive] == 0 && left.Holds[umem.HoldRetransmit] == 0
	})
	m.onB(func(*Worker) {
		for _, x := range m.actors {
			if x.closed != 1 || x.heard[len(x.heard)-1] != "closed" {
				m.t.Errorf("%s heard %v", x.name, x.heard)
			}
		}
	})
}

// socketsOf are the sockets of a worker.
func socketsOf(s *shard) (out []stack.SocketInfo) {
	var some [64]stack.SocketInfo
	for n, next := s.stack.Sockets(0, some[:]); ; n, next = s.stack.Sockets(next, some[:]) {
		out = append(out, some[:n]...)
		if next == 0 {
			return out
		}
	}
}
