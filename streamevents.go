package xdpstack

import (
	"net"

	"github.com/xdpstack/xdpstack/engine"
	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// Bounds of what one connection takes of a turn, in segments: what one call of Data
// lends, and how many calls.
const (
	dataSegments = 64
	dataCalls    = 2
)

// ready implements streamReceiver.
func (c *Stream) ready(s *shard, e *stack.Event) {
	c.pending |= e.Ready
	if e.Ready&stack.ReadyClosed != 0 {
		errno := e.Errno
		if errno == socket.EPIPE { // Linux's word for a RST after the peer's FIN (tcp_reset, net/ipv4/tcp_input.c)
			errno = socket.ECONNRESET
		}
		c.err = streamError(errno.Err())
	}
	for !c.over && c.pending != 0 {
		if !c.deliver(s) {
			s.unread(c.handle)
			return
		}
	}
}

// deliver calls the handler for the first of what is pending, in the order in which it
// makes sense: data comes before the end. False: there is more than c's share of a turn.
func (c *Stream) deliver(s *shard) bool {
	was := c.pending
	switch {
	case was&stack.ReadyConnected != 0:
		c.pending &^= stack.ReadyConnected
		if c.opened {
			return true
		}
		c.opened = true
		c.handler.Opened(c)
	case was&stack.ReadyIn != 0:
		return c.receive(s)
	case was&stack.ReadyEOF != 0:
		c.pending &^= stack.ReadyEOF
		c.handler.EOF(c)
	case was&stack.ReadyOut != 0:
		c.pending &^= stack.ReadyOut
		if !c.refused {
			return true
		}
		c.refused = false
		c.handler.Writable(c)
	case was&stack.ReadyTimer != 0:
		c.pending &^= stack.ReadyTimer
		c.handler.Timeout(c)
	case was&stack.ReadyClosed != 0:
		_ = s.detachStream(c.handle) // only its slot is left
		s.end(c, c.err)
		s.settle()
		return true
	default:
		c.pending = 0
		return true
	}
	s.called(c)
	return true
}

// receive lends the handler what has come. False: more is there than the connection's share.
func (c *Stream) receive(s *shard) bool {
	for range dataCalls {
		n, _ := s.stack.Take(c.handle, s.taken[:]) // an error is told by ReadyClosed
		if n > 0 {
			s.lend(c, s.taken[:n])
		}
		if n < len(s.taken) || c.over {
			c.pending &^= stack.ReadyIn
			return true
		}
	}
	return false
}

// loan is a segment lent for one call of Data. It contains what the handler made of it.
type loan struct {
	frame   *umem.Frame // nil after the call
	size    int32
	kept    bool // the frame is the handler's, or gone: not to be released
	outside bool // the window is the handler's, or the frame's that was forwarded: not to be opened
}

// lend calls Data, and takes back what the handler did not keep.
func (s *shard) lend(c *Stream, frames []*umem.Frame) {
	for i, f := range frames {
		s.segments[i] = Segment{f, uint32(i)}
		s.loans[i] = loan{frame: f, size: int32(f.Len())}
	}
	c.handler.Data(c, s.segments[:len(frames)])
	opened := 0
	for i := range frames {
		l := &s.loans[i]
		if !l.kept {
			s.stack.Release(l.frame)
		}
		if !l.outside {
			opened += int(l.size)
		}
		l.frame = nil
	}
	if opened > 0 && !c.over {
		s.stack.Consume(c.handle, opened)
	}
	s.called(c)
}

// loanOf is the loan by which a handler has g in this call of Data; nil when it has it otherwise.
func (s *shard) loanOf(g Segment) *loan {
	if g.slot < dataSegments && s.loans[g.slot].frame == g.frame {
		return &s.loans[g.slot]
	}
	return nil
}

// gave notes that the handler's hold of a lent segment went: to who sends it, and opens the window
// when elsewhere, or away.
func (l *loan) gave(elsewhere bool) {
	if l != nil {
		l.kept = true
		l.outside = l.outside || elsewhere
	}
}

// releaseSegment ends a loan, or a Retain.
func (s *shard) releaseSegment(g Segment) {
	s.loanOf(g).gave(false)
	s.stack.Release(g.frame)
}

// end makes c one that is over: the handler's Closed comes by settle.
func (s *shard) end(c *Stream, err error) {
	c.over, c.err, c.pending = true, err, 0
	s.ending = append(s.ending, c)
}

// settle tells handlers of connections that ended, once what ended them has returned. A Closed
// may end others.
func (s *shard) settle() {
	for i := 0; i < len(s.ending); i++ {
		c := s.ending[i]
		if c.handler == nil {
			continue // never given one
		}
		c.handler.Closed(c, c.err)
		c.handler = nil
		s.calls.one(s, c)
	}
	clear(s.ending)
	s.ending = s.ending[:0]
}

// called follows each call of a handler.
func (s *shard) called(c *Stream) {
	s.calls.one(s, c)
	if len(s.ending) > 0 {
		s.settle()
	}
}

// hostCloses implements streamReceiver.
func (c *Stream) hostCloses(s *shard) {
	_ = s.abortStream(c.handle)
	s.end(c, net.ErrClosed)
}

// label implements labelled.
func (c *Stream) label() string {
	if c.server != nil {
		return c.server.name
	}
	return "tcp to " + c.peer.Netip().String()
}

// streamCalls times the calls of handlers in a run of stream events.
type streamCalls struct {
	timing
	running bool
	each    bool
	start   umem.Time
	n       int
	last    *Stream
}

func (t *streamCalls) begin() {
	t.running, t.each, t.n, t.last = true, t.suspect(), 0, nil
	t.start = engine.Now()
}

// one notes a call of a handler of c.
func (t *streamCalls) one(s *shard, c *Stream) {
	t.n++
	t.last = c
	if t.running && t.each {
		t.start = t.timing.one(s, c, t.start)
	}
}

func (t *streamCalls) end(s *shard) {
	if t.n > 0 && !t.each {
		t.all(s, t.last, t.start, t.n)
	}
	t.running, t.last = false, nil
}
