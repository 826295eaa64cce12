package xdpstack

import (
	"sync/atomic"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/link"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// eventBatch is how many events a turn hands to the application at a time.
const eventBatch = 256

// shard is one worker's part of a host: its stack, and who listens to which
// socket of it. It is the worker's Program, and all its methods but call run on
// the worker.
type shard struct {
	host   *Host
	id     int
	worker *engine.Worker
	stack  *stack.Stack
	waker  *waker

	now    umem.Time // of this turn
	sinks  []sink    // by index of the socket's handle
	hungry []*lane   // to be tried again next turn
	spare  []*lane   // the list's other half
	events [eventBatch]stack.Event
	slow   slowHandlers
	msg    socket.Msg // for handlers that answer: not to be allocated each time

	self        Worker       // as handlers see it
	streams     []streamSink // by the slot of the socket's handle
	unreadList  []socket.Handle
	unreadSpare []socket.Handle // the list's other half
	ending      []*Stream       // closed, and Closed not called yet
	more        bool            // connections were accepted, which may have something to tell already
	calls       streamCalls
	taken       [dataSegments]*umem.Frame
	segments    [dataSegments]Segment // of the call of Data that runs
	loans       [dataSegments]loan
	posts       atomic.Int32 // calls that wait
}

// sink is what an open socket's events go to. A slot whose generation is not
// the handle's belongs to a socket that has been closed.
type sink struct {
	gen  uint32
	recv receiver
}

// receiver is a socket of the application as a worker sees it.
type receiver interface {
	// datagrams takes events of kind Datagram that follow each other, and the
	// holds on their frames.
	datagrams(s *shard, events []stack.Event)
	// readable says that the stack's queue of the socket is no longer empty.
	readable(s *shard)
	// failed says what befell something sent.
	failed(s *shard, errno socket.Errno)
}

// Input implements engine.Program.
func (s *shard) Input(now umem.Time, frames []*umem.Frame) { s.stack.Input(now, frames) }

// Output implements engine.Program.
func (s *shard) Output(now umem.Time, out []*umem.Frame) int { return s.stack.Output(now, out) }

// Completed implements engine.Program.
func (s *shard) Completed(now umem.Time, frames []*umem.Frame) { s.stack.Completed(now, frames) }

// Expire implements engine.Program.
func (s *shard) Expire(now umem.Time, budget int) { s.stack.Expire(now, budget) }

// Deadline implements engine.Program.
func (s *shard) Deadline() umem.Time { return s.stack.Deadline() }

// Holders implements engine.Program.
func (s *shard) Holders(h *umem.Holders) { s.stack.Holders(h) }

// Mail implements engine.Program: a goroutine wants something of this worker.
func (s *shard) Mail(now umem.Time, n *engine.Node) {
	s.now = now
	n.Value.(posted).run(s)
	s.settle()
}

// posted is what goroutines post to a worker.
type posted interface{ run(s *shard) }

// eventRounds bounds how often a turn asks the stack for events.
const eventRounds = 4

// Events implements engine.Program: handlers run here, after the batch, and
// then the goroutines are woken that the batch concerns.
func (s *shard) Events(now umem.Time) int {
	s.now = now
	work := s.resume()
	for range eventRounds {
		s.more = false
		n := s.stack.Events(s.events[:])
		for i := 0; i < n; {
			i += s.dispatch(s.events[i:n])
			s.settle()
		}
		clear(s.events[:n])
		work += n
		if !s.more {
			break
		}
	}
	s.feed()
	s.waker.flush()
	return work + len(s.unreadList)
}

// dispatch hands on the first event, and with it those datagrams that follow
// for the same socket. It returns how many events that were.
func (s *shard) dispatch(events []stack.Event) int {
	e := &events[0]
	switch e.Kind {
	case stack.Datagram:
		return s.dispatchDatagrams(events)
	case stack.Stream:
		return s.dispatchStreams(events)
	case stack.FlowFound:
		s.flowFound(e)
	case stack.Readable:
		if r := s.receiver(e.Socket); r != nil {
			r.readable(s)
		}
	case stack.Failed:
		if r := s.receiver(e.Socket); r != nil {
			r.failed(s, e.Errno)
		}
	case stack.Conflict:
		s.host.conflict(s, e)
	case stack.AddressReady:
		s.host.addressReady(s, e)
	case stack.NeighbourChanged:
		s.tellOthers(noteNeighbour, &e.Neighbour)
	case stack.NeighbourWanted:
		s.tell(0, noteWanted, &e.Neighbour)
	}
	return 1
}

func (s *shard) dispatchDatagrams(events []stack.Event) int {
	h := events[0].Socket
	n := 1
	for n < len(events) && events[n].Kind == stack.Datagram && events[n].Socket == h {
		n++
	}
	if r := s.receiver(h); r != nil {
		r.datagrams(s, events[:n])
		return n
	}
	for i := range events[:n] { // closed in this very batch
		s.stack.Release(events[i].Frame)
	}
	return n
}

// receiver is who listens to the socket, nil when that is closed.
func (s *shard) receiver(h socket.Handle) receiver {
	if int(h.Index) >= len(s.sinks) || s.sinks[h.Index].gen != h.Gen {
		return nil
	}
	return s.sinks[h.Index].recv
}

// attach makes r the receiver of the socket's events.
func (s *shard) attach(h socket.Handle, r receiver) {
	for int(h.Index) >= len(s.sinks) {
		s.sinks = append(s.sinks, sink{})
	}
	s.sinks[h.Index] = sink{h.Gen, r}
}

// detachAny is detach, for a socket of any family.
func (s *shard) detachAny(h socket.Handle) error {
	if h.IsStream() {
		return s.detachStream(h)
	}
	return s.detach(h)
}

// detach closes the socket: no event reaches its receiver any more.
func (s *shard) detach(h socket.Handle) error {
	if s.receiver(h) != nil {
		s.sinks[h.Index] = sink{}
	}
	return s.stack.Close(h)
}

// Kinds of notes between the shards of a host.
const (
	noteNeighbour uint8 = iota + 1 // worker 0 knows: enter it
	noteWanted                     // of worker 0: resolve it
	noteAddress                    // worker 0 finished detection: the address is usable, or not
	noteFlow                       // a packet that the receiver handed on has its connection at the sender
)

// tellOthers sends a neighbour to every other worker. A full ring loses the
// note: a worker that lacks a neighbour asks again.
func (s *shard) tellOthers(kind uint8, n *link.Neighbour) {
	for to := range s.host.shards {
		if to != s.id {
			s.tell(to, kind, n)
		}
	}
}

func (s *shard) tell(to int, kind uint8, n *link.Neighbour) {
	note := engine.Note{Kind: kind}
	n.Addr.Put16(note.Data[0:])
	copy(note.Data[16:], n.MAC[:])
	note.Data[22], note.Data[23] = n.Iface, byte(n.State)
	s.worker.Note(to, note)
}

// Note implements engine.Program.
func (s *shard) Note(now umem.Time, from int, note *engine.Note) {
	if note.Kind == noteFlow {
		s.learnFlow(from, note)
		return
	}
	n := link.Neighbour{
		Addr:  ip.From16(note.Data[0:]),
		MAC:   [6]byte(note.Data[16:]),
		Iface: note.Data[22],
		State: link.State(note.Data[23]),
	}
	switch note.Kind {
	case noteNeighbour:
		s.stack.LearnNeighbour(now, &n)
	case noteWanted:
		s.stack.ResolveNeighbour(now, &n)
	case noteAddress:
		s.stack.LearnAddress(n.Addr, n.State != link.None)
	}
}
