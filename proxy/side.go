package proxy

import (
	"errors"
	"syscall"

	"github.com/xdpstack/xdpstack"
)

// Bounds of what waits for the other side, besides the window: octets in small
// segments take a frame each.
const (
	smallSegment = 512 // octets; a quarter of the smallest chunk
	maxSmall     = 32  // small segments that wait as they came; more are copied together
)

// side is one of a session's two connections, with what it received and the
// other has no room for yet, in this order:
//
//	head    the header of the PROXY protocol, of the client's side alone
//	held    segments in their frames, retained; their window opens when they are acknowledged at
//	        the other side
//	spill   octets copied out of many small segments; their window opens when they are sent
//
// The window bounds all that waits: nothing opens it until the other side moves.
type side struct {
	session *session
	peer    *side
	c       *xdpstack.Stream

	open bool // Opened has come
	over bool // Closed has come, or there is no connection
	eof  bool // it sends no more
	fin  bool // and the other side was told so

	head  []byte
	held  []xdpstack.Segment
	small int // of held
	spill []byte
}

// waiting: something waits for the other side.
func (a *side) waiting() bool { return len(a.head)+len(a.held)+len(a.spill) > 0 }

// Opened implements xdpstack.StreamHandler.
func (a *side) Opened(*xdpstack.Stream) {
	a.open = true
	if a == &a.session.client {
		a.session.dial()
		return
	}
	a.session.connected()
}

// Data implements xdpstack.StreamHandler: frames go on as they are.
func (a *side) Data(_ *xdpstack.Stream, segs []xdpstack.Segment) {
	s := a.session
	if s.phase == ending {
		return
	}
	s.last = s.at.Now()
	a.count(segs)
	n := 0
	if !a.waiting() && a.peer.open {
		n = a.forward(segs)
	}
	a.hold(segs[n:])
}

func (a *side) count(segs []xdpstack.Segment) {
	n := 0
	for i := range segs {
		n += len(segs[i].Bytes())
	}
	octets := &a.session.worker.toBackends
	if a == &a.session.server {
		octets = &a.session.worker.toClients
	}
	octets.Add(uint64(n))
}

// forward gives segments to the other side, and returns how many it took over.
func (a *side) forward(segs []xdpstack.Segment) int {
	for i := range segs {
		if err := a.c.Forward(a.peer.c, segs[i]); errors.Is(err, syscall.EAGAIN) {
			return i
		}
	}
	return len(segs) // an error of another kind: the other side is over, and its Closed comes
}

// hold keeps segments until the other side has room.
func (a *side) hold(segs []xdpstack.Segment) {
	for _, g := range segs {
		a.c.Retain(g)
		small := len(g.Bytes()) < smallSegment
		if len(a.spill) == 0 && (!small || a.small < maxSmall) {
			a.held = append(a.held, g)
			if small {
				a.small++
			}
			continue
		}
		a.spill = append(a.spill, g.Bytes()...)
		a.c.Release(g)
		a.session.worker.spilled.Add(1)
	}
}

// Writable implements xdpstack.StreamHandler: there is room for what waits at the other side.
func (a *side) Writable(*xdpstack.Stream) {
	a.session.last = a.session.at.Now()
	a.peer.flush()
}

// flush sends on what waits, as far as the other side has room, and then that no more comes.
func (a *side) flush() {
	if !a.peer.open || a.session.phase != joined {
		return
	}
	if !a.flushHead() || !a.flushHeld() || !a.flushSpill() {
		return
	}
	if a.eof && !a.fin {
		a.fin = true
		_ = a.peer.c.CloseWrite() // an error says that it is over: its Closed comes
	}
}

func (a *side) flushHead() bool {
	if len(a.head) == 0 {
		return true
	}
	send := a.peer.c.Send
	if len(a.held) > 0 {
		send = a.peer.c.SendMore
	}
	n, _ := send(a.head)
	a.head = a.head[n:]
	return len(a.head) == 0
}

func (a *side) flushHeld() bool {
	if len(a.held) == 0 {
		return true
	}
	n := a.forward(a.held)
	if n < len(a.held) {
		rest := copy(a.held, a.held[n:])
		clear(a.held[rest:])
		a.held = a.held[:rest]
		return false
	}
	clear(a.held)
	a.held, a.small = a.held[:0], 0
	return true
}

func (a *side) flushSpill() bool {
	if len(a.spill) == 0 {
		return true
	}
	n, _ := a.peer.c.Send(a.spill)
	a.c.Consume(n)
	a.spill = a.spill[n:]
	if len(a.spill) > 0 {
		return false
	}
	a.spill = nil
	return true
}

// EOF implements xdpstack.StreamHandler: half of the session is over, once what waits is sent.
func (a *side) EOF(*xdpstack.Stream) {
	a.eof = true
	a.session.last = a.session.at.Now()
	if a.session.phase == joined {
		a.session.arm(a.session.limit())
		a.flush()
	}
}

// Timeout implements xdpstack.StreamHandler.
func (a *side) Timeout(*xdpstack.Stream) {
	if a.session.phase != ending {
		a.session.timeout()
	}
}

// Closed implements xdpstack.StreamHandler.
func (a *side) Closed(_ *xdpstack.Stream, err error) {
	a.over = true
	a.session.closed(a, err)
}

// drop lets go of what waits.
func (a *side) drop() {
	for _, g := range a.held {
		a.c.Release(g)
	}
	a.head, a.held, a.spill, a.small = nil, nil, nil, 0
}
