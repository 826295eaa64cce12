package stack

import (
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// record is an Event as it waits: without a Go pointer.
type record struct {
	kind   Kind
	errno  socket.Errno
	iface  uint8
	worker uint8
	state  link.State
	mac    [6]byte
	frame  uint32
	socket socket.Handle
	peer   socket.Addr
	local  socket.Addr
}

// eventQueue is a ring of a fixed size.
type eventQueue struct {
	ring       []record
	head, tail uint32 // counts of all pushed and popped
	mask       uint32
}

func newEventQueue(n int) eventQueue {
	size := 1
	for size < n {
		size *= 2
	}
	return eventQueue{ring: make([]record, size), mask: uint32(size - 1)}
}

func (q *eventQueue) full() bool { return q.head-q.tail > q.mask }

func (q *eventQueue) push(r record) bool {
	if q.full() {
		return false
	}
	q.ring[q.head&q.mask] = r
	q.head++
	return true
}

// tell queues an event that no frame hangs on. When the queue is full it is lost,
// and counted: each has another way to come to light (a pending error, a timer
// that asks again).
func (s *Stack) tell(r record) {
	if !s.events.push(r) {
		s.counters.EventsLost++
	}
}

// Events fills out with what happened, in order, and returns how many. Frames in
// it are borrowed: see Datagram. To be called after each batch, until it returns
// less than len(out).
func (s *Stack) Events(out []Event) int {
	q := &s.events
	n := min(len(out), int(q.head-q.tail))
	for i := range out[:n] {
		s.fill(&out[i], &q.ring[q.tail&q.mask])
		q.tail++
	}
	for n < len(out) && s.tcp.Events() {
		e := &out[n] // field by field: a whole Event is three cache lines, and most of it counts for other kinds
		e.Kind = Stream
		e.Socket, e.Ready, e.Errno, _ = s.tcp.Told()
		n++
	}
	return n
}

func (s *Stack) fill(e *Event, r *record) {
	e.Kind, e.Errno, e.Iface, e.Socket = r.kind, r.errno, r.iface, r.socket
	if r.kind == Datagram {
		e.Frame = s.region.Frame(r.frame)
		return
	}
	e.Frame, e.MAC, e.Peer, e.Local, e.Worker, e.Ready = nil, r.mac, r.peer, r.local, r.worker, 0
	e.Neighbour = link.Neighbour{Addr: r.peer.IP, MAC: r.mac, Iface: r.iface, State: r.state}
}

// lend gives the application a HoldApp on f.
func (s *Stack) lend(f *umem.Frame) {
	s.pool.Hold(f, umem.HoldApp)
	s.borrowed++
}

// Release ends the loan of a frame from an event, or from Get.
func (s *Stack) Release(f *umem.Frame) {
	s.borrowed--
	s.pool.Release(f, umem.HoldApp)
}
