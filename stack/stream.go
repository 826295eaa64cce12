package stack

import (
	"net/netip"

	"github.com/xdpstack/xdpstack/stack/ip"
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/tcp"
	"github.com/xdpstack/xdpstack/umem"
)

// Ready says what became possible on a stream socket: the levels that an event
// of kind Stream tells, together, once a batch.
type Ready = tcp.Ready

// The levels.
const (
	ReadyIn        = tcp.ReadyIn        // more data in order: Take, or RecvMsg
	ReadyEOF       = tcp.ReadyEOF       // the peer sends no more; what came before is in the queue
	ReadyOut       = tcp.ReadyOut       // room to send, after a Send that took less than all
	ReadyConnected = tcp.ReadyConnected // the handshake that Connect began is done
	ReadyAccept    = tcp.ReadyAccept    // of a listener: connections to Accept
	ReadyTimer     = tcp.ReadyTimer     // the time of SetTimer has come
	ReadyClosed    = tcp.ReadyClosed    // over: both sides ended, or Errno says what ended it. Take what is left, then Close
)

// stream finds a stream socket.
func (s *Stack) stream(h socket.Handle) (*tcp.Conn, socket.Errno) {
	if c := s.tcp.Get(h); c != nil {
		return c, 0
	}
	if s.sockets.Get(h) != nil {
		return nil, socket.EOPNOTSUPP
	}
	return nil, socket.EBADF
}

// Listen makes a bound stream socket a listener. backlog bounds the connections
// that wait for Accept; 0 takes Limits.Backlog. The errors are EBADF, EINVAL (not bound, or
// connected), EADDRINUSE, EOPNOTSUPP.
func (s *Stack) Listen(h socket.Handle, backlog int) error {
	c, e := s.stream(h)
	if e == 0 {
		e = s.tcp.Listen(c, backlog)
	}
	return e.Err()
}

// Accept takes the connection that waited longest from a listener: established, with the listener's
// options and owner. EAGAIN: none waits; ReadyAccept says when to call again. What came before the call
// is told by events after it.
func (s *Stack) Accept(h socket.Handle) (socket.Handle, error) {
	c, e := s.stream(h)
	if e != 0 {
		return socket.Handle{}, e.Err()
	}
	got, e := s.tcp.Accept(c)
	return got, e.Err()
}

// Take fills out with received frames in order, and lends them: their bytes are the payload, Release, SendFrame
// or Forward ends each loan. The window stays closed for them until Consume, or until what
// forwarded them is acknowledged. 0: nothing there; the error is then what ended the connection, once.
func (s *Stack) Take(h socket.Handle, out []*umem.Frame) (int, error) {
	c, e := s.stream(h)
	if e != 0 {
		return 0, e.Err()
	}
	n, e := s.tcp.Take(c, out)
	s.borrowed += n
	return n, e.Err()
}

// Consume opens the receive window by n octets that Take gave.
func (s *Stack) Consume(h socket.Handle, n int) { s.tcp.Consume(h, n) }

// Retain lends a borrowed frame once more: it needs a Release more.
func (s *Stack) Retain(f *umem.Frame) { s.lend(f) }

// Send copies data behind what waits to be sent, filling the last frame first, and returns
// how much: less than all when the send queue is full; ReadyOut says when to go on. more keeps a segment
// that is not full until the next call without it, or for a retransmission timeout. EAGAIN: no room at all, or the handshake is under way. The other errors
// are EBADF, EOPNOTSUPP, EPIPE (not connected, or closed for sending), and, once, what ended the connection.
func (s *Stack) Send(h socket.Handle, data []byte, more bool) (int, error) {
	c, e := s.stream(h)
	if e != 0 {
		return 0, e.Err()
	}
	n, e := s.tcp.Send(c, data, more)
	return n, e.Err()
}

// SendRoom is how many octets Send would take now, as far as the send queue is concerned.
func (s *Stack) SendRoom(h socket.Handle) int {
	if c := s.tcp.Get(h); c != nil {
		return c.Room()
	}
	return 0
}

// Forward sends a frame, borrowed by Take from src, on dst, without a copy where that is possible, and takes it
// over in any case but one: EAGAIN leaves the frame with the caller, who tries again on ReadyOut. The other errors are Send's.
// src's window opens when dst's peer acknowledged it, or dst ended.
func (s *Stack) Forward(dst, src socket.Handle, f *umem.Frame) error {
	return s.sendStream(dst, src, f).Err()
}

// sendStream is Forward; without a source the window of none opens.
func (s *Stack) sendStream(dst, src socket.Handle, f *umem.Frame) socket.Errno {
	n := f.TotalLen()
	c, e := s.stream(dst)
	moved := false
	if e == 0 {
		moved, e = s.tcp.Forward(c, f, src)
	}
	switch {
	case moved:
		s.borrowed--
		return 0
	case e == socket.EAGAIN:
		return e
	}
	s.Release(f)
	if e != 0 {
		s.tcp.Consume(src, n)
	}
	return e
}

// Shutdown sends FIN behind what waits to be sent. Receiving goes on. ENOTCONN: there is no connection.
func (s *Stack) Shutdown(h socket.Handle) error {
	c, e := s.stream(h)
	if e == 0 {
		e = s.tcp.Shutdown(c)
	}
	return e.Err()
}

// Abort sends a RST and forgets the connection; the handle is stale.
func (s *Stack) Abort(h socket.Handle) error {
	c, e := s.stream(h)
	if e == 0 {
		s.tcp.Abort(s.now, c)
	}
	return e.Err()
}

// SetTimer has ReadyTimer told at the given time; umem.Never stops it. One for each stream socket.
func (s *Stack) SetTimer(h socket.Handle, at umem.Time) {
	if c := s.tcp.Get(h); c != nil {
		s.tcp.SetTimer(c, at)
	}
}

// Shut ends all connections with a RST, those too that go on after Close, and all listeners: for a stack that
// stops. What waits for neighbours is dropped. What Output gives after it is the last.
func (s *Stack) Shut(now umem.Time) {
	s.now = now
	s.tcp.Shut(now)
	s.dropPending()
}

// bindStream is Bind of a stream socket.
func (s *Stack) bindStream(h socket.Handle, a socket.Addr) socket.Errno {
	c, e := s.stream(h)
	if e != 0 {
		return e
	}
	if !a.IP.IsAny() && !s.owns(a.IP) {
		return socket.EADDRNOTAVAIL
	}
	return s.tcp.Bind(c, a)
}

// connectStream is Connect of a stream socket: it begins the handshake.
func (s *Stack) connectStream(h socket.Handle, peer netip.AddrPort) socket.Errno {
	c, e := s.stream(h)
	if e != 0 {
		return e
	}
	to := socket.AddrFrom(peer)
	switch {
	case to.Port == 0 || to.IP.IsMulticast() || s.isBroadcast(to.IP):
		return socket.EINVAL
	case to.IP.IsAny(): // as Linux: this host
		to.IP = ip.Loopback6
		if peer.Addr().Is4() {
			to.IP = ip.Loopback4
		}
	}
	if !c.Speaks(to.IP) {
		return socket.EAFNOSUPPORT
	}
	local, e := s.sourceTo(to.IP)
	if e != 0 {
		return e
	}
	return s.tcp.Connect(s.now, c, to, local, s.scope(to.IP, 0))
}

// sendMsgStream is SendMsg of a stream socket. The destination is not looked at, as with Linux.
func (s *Stack) sendMsgStream(h socket.Handle, data []byte, flags socket.Flags) (int, socket.Errno) {
	c, e := s.stream(h)
	if e != 0 {
		return 0, e
	}
	return s.tcp.Send(c, data, flags&socket.More != 0)
}

// recvMsgStream is RecvMsg of a stream socket.
func (s *Stack) recvMsgStream(h socket.Handle, m *socket.Msg) (int, socket.Errno) {
	c, e := s.stream(h)
	if e != 0 {
		return 0, e
	}
	n, e := s.tcp.Read(c, m.Data, m.Flags&socket.Peek != 0, m.Flags&socket.WaitAll != 0)
	if e == 0 {
		m.Addr, m.Local, m.Flags = c.Peer(), c.Local(), 0
	}
	return n, e
}
