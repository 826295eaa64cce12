package stack

import (
	"github.com/xdpstack/xdpstack/stack/socket"
	"github.com/xdpstack/xdpstack/stack/wire"
	"github.com/xdpstack/xdpstack/umem"
)

// RecvMsg copies the datagram that arrived first into m.Data, fills in the rest
// of m, and returns how many octets it copied; with Trunc, how many there are. The
// datagram leaves the queue, unless m.Flags has Peek. What does not fit into m.Data
// is lost, and m.Flags says Trunc.
//
// The errors are EBADF, a pending error of the socket (which this clears), and
// EAGAIN: nothing is there. It never waits; the event Readable says when to call
// again.
//
// Of a stream it copies octets in order, and opens the window by them: with WaitAll all of m.Data or none (EAGAIN), unless
// the stream has ended; 0 without an error is that end. ENOTCONN: there never was a connection.
func (s *Stack) RecvMsg(now umem.Time, h socket.Handle, m *socket.Msg) (int, error) {
	if h.IsStream() {
		s.now = now
		n, e := s.recvMsgStream(h, m)
		return n, e.Err()
	}
	so := s.sockets.Get(h)
	if so == nil {
		return 0, socket.EBADF.Err()
	}
	if e := so.TakeErr(); e != 0 {
		return 0, e.Err()
	}
	f := so.Peek(s.region)
	if f == nil {
		return 0, socket.EAGAIN.Err()
	}
	asked := m.Flags
	s.describe(f, m)
	n := f.CopyTo(m.Data)
	if size := f.TotalLen(); size > n {
		m.Flags |= socket.Trunc
		if asked&socket.Trunc != 0 {
			n = size
		}
	}
	if asked&socket.Peek == 0 {
		so.Pop(s.region)
		s.queued--
		s.pool.Release(f, umem.HoldReceive)
	}
	return n, nil
}

// describe fills in what the headers of f say.
func (s *Stack) describe(f *umem.Frame, m *socket.Msg) {
	m.Addr, m.Local = source(f), destination(f)
	m.Flags = 0
	m.Time = f.RxTime
	m.Iface = s.byPort[f.In]
	n := f.Network()
	if n[0]>>4 == 4 {
		m.TOS, m.TTL = n[1], n[8]
	} else {
		m.TOS, m.TTL = wire.IPv6(n).TrafficClass(), n[7]
	}
	cred, local := credentials(f)
	if m.Cred = cred; local {
		m.Flags |= socket.Local
	}
}
