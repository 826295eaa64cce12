package xdpstack

import (
	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
)

// streamReceiver is a stream socket of the application as a worker sees it: a connection
// or a listener.
type streamReceiver interface {
	// ready says what became possible: see stack.Ready. It is called with e.Ready zero a turn
	// after shard.unread.
	ready(s *shard, e *stack.Event)
}

// hostCloser is a streamReceiver that ends otherwise with the host than by its connection's end,
// ECONNABORTED.
type hostCloser interface {
	// hostCloses: the receiver detaches its socket.
	hostCloses(s *shard)
}

// streamSink is what an open stream socket's events go to.
type streamSink struct {
	recv   streamReceiver
	gen    uint32
	unread bool // on shard.unreadList
}

// streamSinkOf is the sink of a socket, nil when that is closed.
func (s *shard) streamSinkOf(h socket.Handle) *streamSink {
	i := h.Slot()
	if int(i) >= len(s.streams) || s.streams[i].gen != h.Gen || s.streams[i].recv == nil {
		return nil
	}
	return &s.streams[i]
}

// streamReceiver is who listens to a stream socket, nil when that is closed.
func (s *shard) streamReceiver(h socket.Handle) streamReceiver {
	if k := s.streamSinkOf(h); k != nil {
		return k.recv
	}
	return nil
}

// attachStream makes r the receiver of a stream socket's events.
func (s *shard) attachStream(h socket.Handle, r streamReceiver) {
	i := int(h.Slot())
	for i >= len(s.streams) {
		s.streams = append(s.streams, streamSink{})
	}
	s.streams[i] = streamSink{recv: r, gen: h.Gen}
}

// forgetStream: no event reaches the socket's receiver any more.
func (s *shard) forgetStream(h socket.Handle) {
	if k := s.streamSinkOf(h); k != nil {
		*k = streamSink{}
	}
}

// detachStream closes a stream socket, in order.
func (s *shard) detachStream(h socket.Handle) error {
	s.forgetStream(h)
	return s.stack.Close(h)
}

// abortStream resets a connection.
func (s *shard) abortStream(h socket.Handle) error {
	s.forgetStream(h)
	return s.stack.Abort(h)
}

// unread has the receiver's ready called in the next turn: its share of this one is used up. The
// worker does not sleep until then.
func (s *shard) unread(h socket.Handle) {
	if k := s.streamSinkOf(h); k != nil && !k.unread {
		k.unread = true
		s.unreadList = append(s.unreadList, h)
	}
}

// resume goes on with what unread put off a turn ago, and returns how much that was.
func (s *shard) resume() int {
	due := s.unreadList
	if len(due) == 0 {
		return 0
	}
	s.unreadList, s.unreadSpare = s.unreadSpare[:0], due
	s.calls.begin()
	for _, h := range due {
		if k := s.streamSinkOf(h); k != nil {
			k.unread = false
			k.recv.ready(s, &stack.Event{Kind: stack.Stream, Socket: h})
		}
	}
	s.calls.end(s)
	return len(due)
}

// dispatchStreams hands on the events of stream sockets that follow each other, and
// returns how many. Those of sockets closed by a handler before them are dropped.
func (s *shard) dispatchStreams(events []stack.Event) int {
	s.calls.begin()
	n := 0
	for n < len(events) && events[n].Kind == stack.Stream {
		e := &events[n]
		if k := s.streamSinkOf(e.Socket); k != nil {
			k.recv.ready(s, e)
		}
		n++
	}
	s.calls.end(s)
	return n
}

// closeStreams ends what is left of stream sockets, and of connections that were closed and still
// have something to send: the peers hear a RST. It comes before the worker ends.
func (s *shard) closeStreams() {
	for i := range s.streams {
		switch r := s.streams[i].recv.(type) {
		case nil:
		case hostCloser:
			r.hostCloses(s)
		default:
			h := socket.StreamHandle(uint32(i), s.streams[i].gen)
			r.ready(s, &stack.Event{Kind: stack.Stream, Socket: h, Ready: stack.ReadyClosed, Errno: socket.ECONNABORTED})
		}
	}
	s.settle()
	s.stack.Shut(s.now)
}

// flowFound tells the worker that handed a packet on whose connection it is for.
func (s *shard) flowFound(e *stack.Event) {
	note := engine.Note{Kind: noteFlow}
	e.Local.IP.Put16(note.Data[0:])
	e.Peer.IP.Put16(note.Data[16:])
	note.Data[32], note.Data[33] = byte(e.Local.Port>>8), byte(e.Local.Port)
	note.Data[34], note.Data[35] = byte(e.Peer.Port>>8), byte(e.Peer.Port)
	s.worker.Note(int(e.Worker), note)
}

// learnFlow is flowFound's other end.
func (s *shard) learnFlow(from int, note *engine.Note) {
	d := &note.Data
	s.stack.LearnFlow(
		socket.Addr{IP: ip.From16(d[0:]), Port: uint16(d[32])<<8 | uint16(d[33])},
		socket.Addr{IP: ip.From16(d[16:]), Port: uint16(d[34])<<8 | uint16(d[35])}, from)
}
