package xdpstack

import (
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/xdpstack/xdpstack/stack"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/umem"
)

// StreamHandler hears what befalls one connection. Its methods run on the connection's
// worker, after the batch; they must not block. They may call anything on any Stream of
// their worker, their own included, and are never called inside one another. Of what one
// batch brought they hear in this order: Opened, Data, EOF, Writable, Timeout, Closed.
type StreamHandler interface {
	// Opened: the connection is established: accepted, or a Dial has come through.
	Opened(c *Stream)
	// Data lends received segments, in order, at most 64 in one call. Those that were neither
	// retained nor forwarded nor sent when it returns are released, and the window opens by
	// their octets. segs itself is the caller's: it is overwritten later.
	Data(c *Stream, segs []Segment)
	// EOF: the peer sends no more. Sending goes on.
	EOF(c *Stream)
	// Writable: there is room again after a Send, SendSegments or Forward that was refused, or
	// taken in part.
	Writable(c *Stream)
	// Timeout: the time of SetTimeout has come.
	Timeout(c *Stream)
	// Closed is the last call, and comes once for every handler that was given to a
	// Dial or returned by an accept function: with nil after an orderly end, or an own Close or Abort;
	// with net.ErrClosed when the host was closed; else with what ended the connection, or the
	// attempt, as a syscall.Errno: ECONNRESET, ETIMEDOUT, ECONNREFUSED, EHOSTUNREACH.
	Closed(c *Stream, err error)
}

// StreamEvents has the methods of StreamHandler, for handlers to embed. They do nothing, except
// that EOF closes the connection.
type StreamEvents struct{}

// Opened implements StreamHandler.
func (StreamEvents) Opened(*Stream) {}

// Data implements StreamHandler: what came is discarded.
func (StreamEvents) Data(*Stream, []Segment) {}

// EOF implements StreamHandler.
func (StreamEvents) EOF(c *Stream) { _ = c.Close() }

// Writable implements StreamHandler.
func (StreamEvents) Writable(*Stream) {}

// Timeout implements StreamHandler.
func (StreamEvents) Timeout(*Stream) {}

// Closed implements StreamHandler.
func (StreamEvents) Closed(*Stream, error) {}

// Stream is a connection of a worker. Its methods are for handlers on that worker, and for what
// Worker.Post has called there. Once it is closed, by whomever, they return net.ErrClosed and do nothing,
// also when another connection has taken its place; but segments that it lent stay good until
// they are released, forwarded or sent.
type Stream struct {
	worker      *Worker
	handler     StreamHandler
	server      *StreamServer // that accepted it; nil: dialled
	err         error         // for Closed
	handle      socket.Handle
	local, peer socket.Addr
	pending     stack.Ready // not told yet
	opened      bool        // Opened was called
	refused     bool        // something to send was: Writable is wanted
	over        bool        // closed, or the end is known
}

// Segment is a run of octets of a stream in the frame that it arrived in, or of a frame to
// fill. It is a small value: copies mean the same frame.
type Segment struct {
	frame *umem.Frame
	slot  uint32 // among the loans of a call of Data
}

// noSlot is the slot of a segment that no connection lent.
const noSlot = ^uint32(0)

// Bytes are the segment's octets: valid until it is released, forwarded or sent. They are the
// packet's own: whoever sends or forwards the segment must not change them.
func (g Segment) Bytes() []byte { return g.frame.Bytes() }

// Len is how many octets it has.
func (g Segment) Len() int { return g.frame.Len() }

// Put appends n octets to a segment from Worker.Segment and returns them, for the caller to
// write. n is at most Room.
func (g Segment) Put(n int) []byte { return g.frame.Put(n) }

// Room is how many octets Put can append.
func (g Segment) Room() int { return g.frame.Tailroom() }

// Worker is the worker that the connection lives on.
func (c *Stream) Worker() *Worker { return c.worker }

// LocalAddr is the connection's own end. It stays known after Closed.
func (c *Stream) LocalAddr() netip.AddrPort { return c.local.Netip() }

// RemoteAddr is the peer's end. It stays known after Closed.
func (c *Stream) RemoteAddr() netip.AddrPort { return c.peer.Netip() }

// Send copies data into the send queue and returns how much it took: less than all when
// that is full, and Writable tells when to go on. The errors are syscall.EPIPE after CloseWrite,
// syscall.ENOTCONN before Opened, net.ErrClosed, and what ended the connection.
func (c *Stream) Send(data []byte) (int, error) { return c.send(data, false) }

// SendMore is Send of something that more follows at once: a segment that is not full
// waits for the next Send, for about a fifth of a second at most.
func (c *Stream) SendMore(data []byte) (int, error) { return c.send(data, true) }

func (c *Stream) send(data []byte, more bool) (int, error) {
	if c.over {
		return 0, net.ErrClosed
	}
	n, err := c.worker.shard.stack.Send(c.handle, data, more)
	if err == socket.EAGAIN.Err() {
		err = nil
	}
	c.refused = c.refused || n < len(data)
	return n, streamError(err)
}

// SendRoom is how many octets Send would take now.
func (c *Stream) SendRoom() int {
	if c.over {
		return 0
	}
	return c.worker.shard.stack.SendRoom(c.handle)
}

// SendSegments gives segments away, from Worker.Segment or received on any connection of the
// worker, to be sent in order without a copy. It returns how many it took: the others are
// still the caller's. Errors are Send's; with one, the segment that it befell was released and counts
// as taken. The window of the connection that they came from is not touched: that is Forward's, or
// Consume's.
func (c *Stream) SendSegments(segs []Segment) (int, error) {
	if c.over {
		return 0, net.ErrClosed
	}
	s := c.worker.shard
	for i, g := range segs {
		err := s.stack.SendFrame(s.now, c.handle, g.frame, socket.Addr{})
		if err == socket.EAGAIN.Err() {
			c.refused = true
			return i, nil
		}
		s.loanOf(g).gave(true)
		if err != nil {
			return i + 1, streamError(err)
		}
	}
	return len(segs), nil
}

// Forward gives a received segment of c away, to be sent on dst without a copy where
// that is possible. c's window opens when dst's peer has acknowledged it. dst may be c, and c may be
// closed already. On syscall.EAGAIN the segment is still the caller's, who must have
// retained it to keep it: dst's Writable tells when to try again. With any other error it was
// released, and c's window opened. Errors are Send's, and syscall.EINVAL for a dst of another worker.
func (c *Stream) Forward(dst *Stream, g Segment) error {
	s := c.worker.shard
	if dst.over || dst.worker != c.worker {
		s.loanOf(g).gave(true)
		c.Consume(g.frame.Len())
		s.stack.Release(g.frame)
		if dst.over {
			return net.ErrClosed
		}
		return syscall.EINVAL
	}
	err := s.stack.Forward(dst.handle, c.handle, g.frame)
	if err == socket.EAGAIN.Err() {
		dst.refused = true
		return syscall.EAGAIN
	}
	s.loanOf(g).gave(true)
	return streamError(err)
}

// Retain keeps a received segment beyond the handler: its frame until Release, its window
// until Consume. One that is retained already needs a Release more for it.
func (c *Stream) Retain(g Segment) {
	s := c.worker.shard
	if l := s.loanOf(g); l != nil && !l.kept {
		l.kept, l.outside = true, true // the loan's own hold is the handler's now
		return
	}
	s.stack.Retain(g.frame)
}

// Release ends Retain, or the loan of a segment from Worker.Segment. It does not open the
// window of what was retained.
func (c *Stream) Release(g Segment) { c.worker.shard.releaseSegment(g) }

// Consume opens the receive window by n octets that were retained, or sent by SendSegments.
func (c *Stream) Consume(n int) {
	if !c.over && n > 0 {
		c.worker.shard.stack.Consume(c.handle, n)
	}
}

// CloseWrite sends FIN behind what waits to be sent. Receiving goes on.
func (c *Stream) CloseWrite() error {
	if c.over {
		return net.ErrClosed
	}
	return streamError(c.worker.shard.stack.Shutdown(c.handle))
}

// Close ends the connection in order: what waits to be sent is sent, what arrives is
// refused. The handler's Closed comes once the handler that runs has returned.
func (c *Stream) Close() error {
	if c.over {
		return net.ErrClosed
	}
	s := c.worker.shard
	s.end(c, nil)
	return streamError(s.detachStream(c.handle))
}

// Abort resets the connection: what waits to be sent is dropped. Closed comes as after Close.
func (c *Stream) Abort() error {
	if c.over {
		return net.ErrClosed
	}
	s := c.worker.shard
	s.end(c, nil)
	return streamError(s.abortStream(c.handle))
}

// SetTimeout has Timeout called after d, once; 0 stops it. One for each connection.
func (c *Stream) SetTimeout(d time.Duration) {
	if c.over {
		return
	}
	s := c.worker.shard
	c.pending &^= stack.ReadyTimer // it may have come, and not been told yet
	at := umem.Never
	if d > 0 {
		at = s.now + umem.Time(d)
	}
	s.stack.SetTimer(c.handle, at)
}
